// Package details reads usage details files, version 2, as a user downloads them from
// the account page (docs/formats/usage-details.md).
package details

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Bounds of a usage details file, in bytes: what is beyond is no such file.
const (
	maxBytes = 4 << 30
	maxRow   = 1 << 20
)

// maxGroups bounds how many payers, meters and months a file may have.
const maxGroups = 100_000

// stackRegion tells usage of a stack from all other usage of the account.
const stackRegion = "Azure Stack"

// The columns of the two sections, docs/formats/usage-details.md.
var (
	statementColumns = strings.Split("Billing Period,Meter Category,Meter Sub-Category,Meter Name,Meter Region,SKU,Unit,Consumed Quantity,"+
		"Included Quantity,Overage Quantity,Within Commitment,Currency,Overage,Commitment Rate,Rate,Value", ",")
	dailyColumns = strings.Split("Usage Date,Meter Category,Meter ID,Meter Sub-Category,Meter Name,Meter Region,Unit,Consumed Quantity,"+
		"Resource Location,Consumed Service,Resource Group,Instance ID,Tags,Additional Info,Service Info 1,Service Info 2", ",")
)

// Statement is a row of section Statement.
type Statement struct {
	Payer          string // the charged subscription, in normal form
	Month          string // 2019-12
	SKU            string // the billed meter, in normal form
	Quantity       usage.Quantity
	Rate, Currency string // Rate is empty where no price is known

	Line                   int // of the file, from 1, as an editor counts
	MeterName, Unit, Value string
}

// Row is a row of section Daily Usage.
type Row struct {
	Payer, SKU      string // as above
	Day             usage.Day
	MeterID         string // the stack's, in normal form
	Subscription    string // the stack's, in normal form
	Quantity        usage.Quantity
	Revision        int64
	MeterName, Unit string

	Line        int // of the file, from 1, as an editor counts
	RecordID    string
	ResourceURI string
}

// errNoDetails: the file is something else.
var errNoDetails = errors.New("not a usage details file, version 2: it must begin with a row Statement,<subscription> and the row of column names below it (docs/formats/usage-details.md)")

// Read reads a usage details file as a stream. Rows of other regions than
// Azure Stack are skipped. The daily rows of a meter must add up to its
// statement, and the last row must have an end: a file that was cut short or
// edited is refused.
func Read(in io.Reader, statement func(Statement) error, row func(Row) error) error {
	bounded := &boundedReader{r: in, total: maxBytes}
	b := reader{csv: csv.NewReader(bounded), left: map[group]usage.Quantity{}, statement: statement, row: row}
	b.csv.FieldsPerRecord = -1
	b.csv.ReuseRecord = true
	for first := true; ; first = false {
		bounded.row = maxRow
		record, err := b.csv.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			switch {
			case bounded.err != nil:
				err = bounded.err
			case first:
				err = errNoDetails
			}
			return err
		}
		if first {
			record[0] = strings.TrimPrefix(record[0], "\ufeff")
			if len(record) != 2 || record[0] != "Statement" && record[0] != "Daily Usage" {
				return errNoDetails
			}
		}
		if err := b.take(record); err != nil {
			line, _ := b.csv.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	if b.section == nil {
		return errNoDetails
	}
	return b.finish(bounded.last)
}

// boundedReader ends a file, or a row of it, that is too long to be one.
type boundedReader struct {
	r          io.Reader
	row, total int64 // bytes that may still come
	last       byte
	err        error
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.row <= 0 || b.total <= 0 {
		b.err = fmt.Errorf("a row over %d bytes, or a file over %d: %w", maxRow, int64(maxBytes), errNoDetails)
		return 0, b.err
	}
	p = p[:min(int64(len(p)), b.row, b.total)]
	n, err := b.r.Read(p)
	if n > 0 {
		b.last = p[n-1]
	}
	b.row, b.total = b.row-int64(n), b.total-int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// group is what a statement row and the daily rows under it have in common.
type group struct{ payer, sku, month string }

type reader struct {
	csv       *csv.Reader
	section   []string // the columns of the section that is read; nil before the first
	titled    bool     // the row of column names comes next
	payer     string
	left      map[group]usage.Quantity // statements less daily rows
	statement func(Statement) error
	row       func(Row) error
}

func (b *reader) take(record []string) error {
	switch {
	case len(record) == 2 && !b.titled:
		return b.title(record[0], record[1])
	case b.titled:
		if !slices.Equal(record, b.section) {
			return fmt.Errorf("the columns must be %s", strings.Join(b.section, ","))
		}
		b.titled = false
		return nil
	case len(record) != len(b.section):
		return fmt.Errorf("%d fields where %d are expected: the file is cut short or was edited", len(record), len(b.section))
	case &b.section[0] == &statementColumns[0]:
		return b.statementRow(record)
	}
	return b.dailyRow(record)
}

func (b *reader) title(name, payer string) error {
	switch name {
	case "Statement":
		b.section = statementColumns
	case "Daily Usage":
		b.section = dailyColumns
	default:
		return fmt.Errorf("section %.40q is not known: %w", name, errNoDetails)
	}
	if err := usage.CheckGUID(payer); err != nil {
		return fmt.Errorf("section %s of subscription %.40q: %w", name, payer, err)
	}
	b.payer, b.titled = usage.NormalGUID(payer), true
	return nil
}

func (b *reader) statementRow(record []string) error {
	if record[4] != stackRegion {
		return nil
	}
	first, _, _ := strings.Cut(record[0], "/")
	day, err := time.Parse(time.DateOnly, first)
	if err != nil {
		return fmt.Errorf("column Billing Period %.40q: not of the form 2019-12-01/2019-12-31", record[0])
	}
	s := Statement{Payer: b.payer, Month: day.Format("2006-01"), SKU: usage.NormalGUID(record[5]), Currency: strings.Clone(record[11]), Rate: strings.Clone(record[14])}
	s.Line, _ = b.csv.FieldPos(0)
	s.MeterName, s.Unit, s.Value = strings.Clone(record[3]), strings.Clone(record[6]), strings.Clone(record[15])
	if s.Quantity, err = consumed(record[7]); err != nil {
		return err
	}
	if s.Rate != "" {
		if rate, err := usage.ParseQuantity(s.Rate); err != nil || rate.Sign() < 0 {
			return fmt.Errorf("column Rate %.40q: not a decimal number from zero on, nor empty", s.Rate)
		}
	}
	if err := b.book(group{s.Payer, s.SKU, s.Month}, s.Quantity); err != nil {
		return err
	}
	return b.statement(s)
}

// consumed reads a Consumed Quantity, which may be below zero.
func consumed(text string) (usage.Quantity, error) {
	q, err := usage.ParseSum(text)
	if err != nil {
		return q, fmt.Errorf("column Consumed Quantity: %w", err)
	}
	return q, nil
}

func (b *reader) book(of group, q usage.Quantity) error {
	if _, there := b.left[of]; !there && len(b.left) == maxGroups {
		return fmt.Errorf("more than %d meters, months and subscriptions: %w", maxGroups, errNoDetails)
	}
	b.left[of] = b.left[of].Add(q)
	return nil
}

func (b *reader) dailyRow(record []string) error {
	if record[5] != stackRegion {
		return nil
	}
	day, err := usage.ParseDay(record[0])
	if err != nil {
		return fmt.Errorf("column Usage Date: %w", err)
	}
	d := Row{Payer: b.payer, SKU: usage.NormalGUID(record[2]), Day: day, MeterName: strings.Clone(record[4]), Unit: strings.Clone(record[6])}
	d.Line, _ = b.csv.FieldPos(0)
	d.ResourceURI = strings.Clone(record[11])
	id, _, _ := strings.Cut(record[15], " ")
	d.RecordID = strings.Clone(id)
	if d.Quantity, err = consumed(record[7]); err != nil {
		return err
	}
	var info struct {
		MeterID        string `json:"azureStack.MeterId"`
		SubscriptionID string `json:"azureStack.SubscriptionId"`
	}
	if err := strictjson.Unmarshal([]byte(record[13]), &info); err != nil {
		return fmt.Errorf("column Additional Info: %w", err)
	}
	if usage.CheckGUID(info.MeterID) != nil || usage.CheckGUID(info.SubscriptionID) != nil {
		return errors.New("column Additional Info has no azureStack.MeterId or no azureStack.SubscriptionId: which stack's usage it is cannot be said")
	}
	d.MeterID, d.Subscription = usage.NormalGUID(info.MeterID), usage.NormalGUID(info.SubscriptionID)
	_, revision, _ := strings.Cut(record[14], "/")
	if d.Revision, err = strconv.ParseInt(revision, 10, 64); err != nil {
		return fmt.Errorf("column Service Info 1 %.40q: not of the form usage/1", record[14])
	}
	if err := b.book(group{d.Payer, d.SKU, Month(day)}, usage.Quantity{}.Sub(d.Quantity)); err != nil {
		return err
	}
	return b.row(d)
}

// finish wants the end of the last row, and statements that add up.
func (b *reader) finish(last byte) error {
	if last != '\n' || b.titled {
		return errors.New("the last row has no end: the file is cut short; download it again")
	}
	for of, left := range b.left {
		if left.Sign() != 0 {
			return fmt.Errorf("the daily rows of meter %s in %s differ by %s from its statement: the file is cut short or was edited; download it again",
				usage.DashedGUID(of.sku), of.month, left)
		}
	}
	return nil
}
