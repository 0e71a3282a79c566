// Package focus writes lines of billed usage as FOCUS 1.2 Cost and Usage files, Parquet
// and CSV (docs/formats/focus.md).
//
//	lines -> NAME.csv, every digit         -> NAME.parquet, decimals of 38 digits
//	      \-> NAME.unpriced.csv             \-> NAME.rounded.csv
//	          what has no known price           what had more digits
//
// The lines are read once. The Parquet file is made of the CSV file, when it is known how
// many digits each column needs: memory does not grow with the number of lines, and both
// files have the same rows.
package focus

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"stackusage/shared/meter"
	"stackusage/shared/parquet"
	"stackusage/shared/prices"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Account is the billing account of a line. All of it is needed.
type Account struct{ ID, Name, Type string }

// State says what became of a line's quantity.
type State string

// States.
const (
	Billed     State = "billed"     // commerce has accepted it
	Pending    State = "pending"    // commerce has no outcome for it yet
	Unreported State = "unreported" // usage reporting is off: it is counted, and billed nowhere
)

// Line is a quantity of one resource and meter that is billed for one day.
type Line struct {
	Place         string    // where it stands, for messages
	Day           usage.Day // that is billed
	CarriedFrom   usage.Day // the day of the usage; 0: Day
	State         State
	Quantity      usage.Quantity // in Unit; may be below zero
	Registration  string         // name or ID
	RecordID      string         // of the last daily record; may be empty
	Account       Account
	BillingModel  registration.BillingModel
	Subscription  string // the billing subscription, a GUID
	StackUser     string // the stack's subscription, a GUID
	StackUserName string // may be empty
	Tenant        string // directory tenant; may be empty
	TenantName    string // may be empty
	ResourceURI   string
	Location      string // the stack's region
	Tags          string // the stack's own text
	MeterID       string // the stack's, a GUID
	CommerceMeter string // commerce's, a GUID; empty if it is not known
	MeterClass    meter.Class
	MeterName     string // empty for an unknown meter
	Unit          string // of the catalogue; empty for an unknown meter
	Service       string // of the catalogue
}

// Options say how to write.
type Options struct {
	Name     string             // of the files, without .parquet
	Prices   *prices.List       // nil: no price is known
	Progress func(doing string) // called often; may be nil
}

// Result counts what was written.
type Result struct {
	Lines    int64    `json:"lines"`    // in both files
	Unpriced int64    `json:"unpriced"` // lines that are in neither: no price is known
	Rounded  int64    `json:"rounded"`  // values that the Parquet file has rounded
	Files    []string `json:"files"`    // that were written
}

// progressEvery is how many lines Progress is called for.
const progressEvery = 4096

// export is a run of Write.
type export struct {
	o        Options
	result   Result
	fits     [rates + 1]fit // by measure
	unpriced *output
	rounded  *output
}

// Write writes the files of lines under o.Name. A file has its name only when all of it
// is written; side files are written only if they have rows, and older ones of the name
// are removed.
func Write(ctx context.Context, o Options, lines iter.Seq2[Line, error]) (Result, error) {
	e := &export{o: o}
	text, table := newOutput(o.Name+".csv"), newOutput(o.Name+".parquet")
	e.unpriced, e.rounded = newOutput(o.Name+".unpriced.csv"), newOutput(o.Name+".rounded.csv")
	all := []*output{e.unpriced, e.rounded, text, table}
	err := e.writeText(ctx, text, lines)
	if err == nil {
		err = e.writeTable(ctx, text, table)
	}
	for _, out := range all {
		err = out.finish(err)
	}
	for _, out := range all {
		if err == nil {
			err = out.publish(&e.result.Files)
		}
	}
	if err != nil {
		for _, out := range all {
			out.discard()
		}
		return Result{}, fmt.Errorf("write FOCUS files %s: %w", o.Name, err)
	}
	return e.result, nil
}

// writeText writes the CSV file, and what has no price.
func (e *export) writeText(ctx context.Context, out *output, lines iter.Seq2[Line, error]) error {
	if err := out.row(columnNames()...); err != nil {
		return err
	}
	fields := make([]string, len(columns))
	for l, err := range lines {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		r := row{Line: &l, price: e.price(&l)}
		if !r.price.Known {
			if err := e.noPrice(r); err != nil {
				return err
			}
			continue
		}
		r.cost = l.Quantity.Mul(r.price.Rate)
		if l.Account.ID == "" || l.Account.Name == "" || l.Account.Type == "" {
			return fmt.Errorf("%s: the billing account has no ID, name or type", l.Place)
		}
		r.currency = e.o.Prices.Currency
		for i, c := range columns {
			fields[i] = ""
			if c.text != nil {
				fields[i] = c.text(r)
			}
			if c.measure != none && fields[i] != "" && !e.fits[c.measure].add(fields[i]) {
				return fmt.Errorf("%s: %s %s has more than %d whole digits, which no reader keeps exactly", l.Place, c.name, fields[i], parquet.MaxDigits)
			}
		}
		if err := out.row(fields...); err != nil {
			return err
		}
		e.result.Lines++
		e.progress(e.result.Lines, "%d lines read, up to %s", e.result.Lines, l.Place)
	}
	return out.flush()
}

func (e *export) price(l *Line) prices.Price {
	return e.o.Prices.Of(prices.Charge{Day: l.Day, MeterID: l.MeterID, CommerceMeterID: l.CommerceMeter, Class: l.MeterClass, Model: l.BillingModel})
}

func (e *export) progress(n int64, format string, args ...any) {
	if e.o.Progress != nil && n%progressEvery == 0 {
		e.o.Progress(fmt.Sprintf(format, args...))
	}
}

var unpricedColumns = []string{"UsageDate", "SubscriptionId", "ResourceId", "MeterId", "CommerceMeterId", "MeterName", "Unit", "Quantity", "State", "Reason"}

func (e *export) noPrice(r row) error {
	if e.result.Unpriced == 0 {
		if err := e.unpriced.row(unpricedColumns...); err != nil {
			return err
		}
	}
	e.result.Unpriced++
	commerces := ""
	if r.CommerceMeter != "" {
		commerces = usage.DashedGUID(r.CommerceMeter)
	}
	return e.unpriced.row(r.Day.String(), usage.DashedGUID(r.StackUser), r.ResourceURI, usage.DashedGUID(r.MeterID), commerces,
		r.MeterName, r.Unit, r.Quantity.String(), string(r.State), r.price.Note)
}

// writeTable writes the Parquet file of the CSV file, and what it has rounded.
func (e *export) writeTable(ctx context.Context, text, out *output) error {
	in, err := text.reopen()
	if err != nil {
		return err
	}
	described := make([]parquet.Column, len(columns))
	for i, c := range columns {
		described[i] = parquet.Column{Name: c.name, Kind: c.kind}
		if c.kind == parquet.Decimal {
			described[i].Scale = e.fits[c.measure].places()
		}
	}
	to, err := out.writer()
	if err != nil {
		return err
	}
	w := parquet.NewWriter(to, described)
	rows := csv.NewReader(in)
	rows.FieldsPerRecord, rows.ReuseRecord = len(columns), true
	if _, err := rows.Read(); err != nil { // the names
		return err
	}
	for n := int64(1); ; n++ {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for i, text := range fields {
			if text == "" {
				continue
			}
			if err := e.cell(w, i, described[i].Scale, text, rows); err != nil {
				return err
			}
		}
		if err := w.EndRow(); err != nil {
			return err
		}
		e.progress(n, "%d of %d lines written to %s", n, e.result.Lines, out.path)
	}
}

func (e *export) cell(w *parquet.Writer, column, scale int, text string, at *csv.Reader) error {
	switch columns[column].kind {
	case parquet.Text:
		w.SetText(column, text)
	case parquet.Time:
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return err
		}
		w.SetTime(column, t)
	case parquet.Decimal:
		n, exact := unscaled(text, scale)
		w.SetDecimal(column, n)
		if !exact {
			line, _ := at.FieldPos(column)
			return e.round(line, columns[column].name, text, show(n, scale))
		}
	}
	return nil
}

func (e *export) round(line int, column, exact, written string) error {
	if e.result.Rounded == 0 {
		if err := e.rounded.row("Line", "Column", "Exact", "Written"); err != nil {
			return err
		}
	}
	e.result.Rounded++
	return e.rounded.row(fmt.Sprint(line), column, exact, written)
}
