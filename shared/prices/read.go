package prices

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"stackusage/shared/usage"
)

// Bounds of a price list: what is beyond is no such file.
const (
	maxBytes = 16 << 20
	maxField = 1000 // bytes
)

var columns = []string{"effective", "meter_id", "meter_name", "unit", "usd_rate", "source_note"}

// errTooLong: the file is something else.
var errTooLong = fmt.Errorf("over %d bytes: not a price list", maxBytes)

// Read reads a price list, which is CSV with a row for each meter and first day of a
// rate. Errors name the line and the column, counted in bytes.
func Read(in io.Reader) (*List, error) {
	l, err := read(in)
	if err != nil {
		return nil, fmt.Errorf("read price list: %w", err)
	}
	return l, nil
}

func read(in io.Reader) (*List, error) {
	bounded := &io.LimitedReader{R: in, N: maxBytes + 1}
	text := bufio.NewReader(bounded)
	if mark, _ := text.Peek(3); bytes.Equal(mark, []byte("\ufeff")) { // as spreadsheets write it
		_, _ = text.Discard(len(mark))
	}
	r := csv.NewReader(text)
	r.FieldsPerRecord = len(columns)
	l := New("USD")
	for header := true; ; header = false {
		row, err := r.Read()
		switch {
		case bounded.N == 0:
			return nil, errTooLong
		case errors.Is(err, io.EOF) && !header:
			return l, nil
		case errors.Is(err, io.EOF), header && err == nil && !slices.Equal(row, columns):
			return nil, fmt.Errorf("the first line must be %s", strings.Join(columns, ","))
		case err != nil:
			return nil, err
		case header:
			continue
		}
		if column, err := l.row(row); err != nil {
			line, at := r.FieldPos(column)
			return nil, fmt.Errorf("line %d, column %d: %s %.60q: %w", line, at, columns[column], row[column], err)
		}
	}
}

// row adds a row; an error is of the column beside it.
func (l *List) row(row []string) (column int, err error) {
	for i, text := range row {
		if err := checkText(text); err != nil {
			return i, err
		}
	}
	p := Price{MeterName: row[2], Unit: row[3], Note: row[5]}
	if p.From, err = usage.ParseDay(row[0]); err != nil {
		return 0, errors.New("want a day, for example 2019-12-01")
	}
	if err := usage.CheckGUID(row[1]); err != nil {
		return 1, err
	}
	if row[4] != "" {
		if p.Rate, err = usage.ParseQuantity(row[4]); err != nil || p.Rate.Sign() < 0 {
			return 4, fmt.Errorf("want a decimal number from zero on, at most %d digits, or nothing if no price is known", usage.MaxDigits)
		}
		p.Known = true
	}
	return 1, l.Add(row[1], p)
}

func checkText(text string) error {
	switch {
	case len(text) > maxField:
		return fmt.Errorf("over %d bytes", maxField)
	case !utf8.ValidString(text):
		return errors.New("not UTF-8")
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("a line end or another control character")
	}
	return nil
}
