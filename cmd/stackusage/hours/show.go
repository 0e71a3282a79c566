package hours

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

// readOn is up to which line hour show --line reads a file on to check its hash: that
// takes about a second.
const readOn = 100_000

// shownRows is how many rows a table has if nobody says how many.
const shownRows = 100

// OneRow is what hour show --line prints.
type OneRow struct {
	CloudID     string         `json:"cloudId"`
	Name        string         `json:"registration"`
	Blob        string         `json:"blob"`
	SHA16       string         `json:"sha16"`
	Verdict     string         `json:"verdict"`
	Records     int64          `json:"records"` // of the file
	Header      landing.Header `json:"header"`
	HashChecked bool           `json:"hashChecked"` // the file was read to its end, and its hash is the recorded one
	Row         BlobRow        `json:"row"`
}

// shower is a call of hour show.
type shower struct {
	file
	env   *cli.Env
	line  int64
	limit int64
	by    string

	standing hourlog.Hour
	rows     *rowReader
	about    io.Writer
}

func show(e *cli.Env) *cobra.Command {
	s := &shower{env: e}
	cmd := cli.Command("show", "Print rows of an hour blob", `The rows are those that the stack sent, in order of line. --sha16 names a file, as hour
list shows it (default: the accepted file). STATE is accepted, rejected or dismissed; in
a file that is not accepted, it is the verdict of the file. --line prints one row with
its bytes. --by meter adds the rows up by meter.

The hash of a file is checked at its end, and a file with another one is an error. The
command says if it was not checked: a table ends after 100 rows (--limit), and --line
reads no further than line 100,000.`, `
stackusage hour show --hour 2019-12-10T19:00Z
stackusage hour show --hour 2019-12-10T19:00Z --by meter
stackusage hour show --hour 2019-12-10T19:00Z --sha16 0123456789abcdef --line 17`, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case cmd.Flags().Changed("line") && s.line < 1:
			return fmt.Errorf("--line %d: must be 1 or more", s.line)
		case s.limit < 0:
			return fmt.Errorf("--limit %d: must be 0 or more", s.limit)
		case s.line > 0 && s.by != "":
			return errors.New("--line names one row: leave --by out")
		}
		if !cmd.Flags().Changed("limit") && e.Tables() && e.View == nil {
			s.limit = shownRows
		}
		return cli.WithHint(s.run(cmd.Context()))
	}
	s.of = e.OneRegistration(cmd)
	s.hour.Flag(cmd)
	cmd.Flags().StringVar(&s.id.SHA16, "sha16", "", "`hash` in the name of the file (default: the accepted file)")
	cmd.Flags().Int64Var(&s.line, "line", 0, "only this `line`, counted from 1")
	cmd.Flags().Int64Var(&s.limit, "limit", 0, "`number` of rows to print; 0: all (default: 100 in a table, all in JSON and CSV)")
	cli.EnumVar(cmd, &s.by, "by", "`what` to add the rows up by", "meter")
	return cmd
}

func (s *shower) run(ctx context.Context) (err error) {
	storage, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer s.rows.Close()
	switch {
	case s.env.View != nil:
		s.about = io.Discard
	case s.env.Tables():
		s.about = s.env.Stdout
	default:
		s.about = s.env.Stderr
	}
	if s.line > 0 {
		return s.one(ctx, storage)
	}
	fmt.Fprintf(s.about, "hour blob %s, %s, %s\n", s.standing.Blob, s.standing.Verdict, cli.Count(s.standing.Records, "row"))
	if s.by != "" {
		n, err := sumByMeter(s.env, s.rows.Rows)
		if err == nil {
			s.checked(n)
		}
		return err
	}
	return s.list()
}

// open finds the file, and opens it.
func (s *shower) open(ctx context.Context) (storage *cli.Storage, err error) {
	if s.id.Hour, err = s.hour.Get(); err != nil {
		return nil, err
	}
	if s.id.SHA16 != "" {
		if s.id.SHA16, err = parseSHA16("--sha16", s.id.SHA16); err != nil {
			return nil, err
		}
	}
	if storage, s.id.CloudID, err = s.of.CloudID(ctx); err != nil {
		return nil, err
	}
	if s.id.SHA16 != "" {
		s.standing, err = hourlog.Read(ctx, storage.Tables, s.id)
	} else if s.standing, err = hourlog.AcceptedHour(ctx, storage.Tables, s.id); err == nil {
		if s.id.SHA16 = s.standing.Counts; s.id.SHA16 == "" {
			err = fmt.Errorf("the hour is excluded: %w", table.ErrNotFound)
		}
	}
	if errors.Is(err, table.ErrNotFound) {
		return nil, fmt.Errorf("%w: no such file has landed, or none is accepted; stackusage hour list --hour %s shows what landed, and --sha16 names a file of it", err, s.id.Hour)
	}
	if err == nil {
		s.rows, err = openRows(ctx, storage, s.id, s.standing)
	}
	return storage, err
}

// checked tells that the hash of the file is right.
func (s *shower) checked(rows int64) {
	fmt.Fprintf(s.about, "the file was read to its end: %s, and its SHA-256 matches\n", cli.Count(rows, "row"))
}

// list prints rows.
func (s *shower) list() error {
	var n int64
	more := false
	err := cli.List(s.env, func(yield func(BlobRow, error) bool) {
		for row, err := range s.rows.Rows {
			if more = err == nil && s.limit > 0 && n == s.limit; more {
				return
			}
			n++
			if !yield(row, err) || err != nil {
				return
			}
		}
	}, cli.Table[BlobRow]{
		Head: []string{"LINE", "STATE", "CODE", "USED", "METER", "RESOURCE", "QUANTITY", "UNIT"},
		Cells: func(r BlobRow) []any {
			used, what, resource := "", "", fmt.Sprintf("%.100q", r.Bytes())
			if r.UsageHour != nil {
				used, what, resource = r.UsageHour.String(), cmp.Or(r.MeterName, r.MeterID), cli.Resource(r.ResourceURI)
			}
			return []any{r.Line, r.State, r.Code, used, what, resource, number(r.Quantity), r.Unit}
		},
		None: "the file has no rows",
	})
	if err == nil && s.env.View == nil {
		if !more {
			s.checked(n)
		} else {
			fmt.Fprintf(s.about, "... and more rows; --limit 0 prints all. The hash was not checked: the file was not read to its end\n")
		}
	}
	return err
}

// one prints the row of a line. A file that is damaged after it is an error beside the row.
func (s *shower) one(ctx context.Context, storage *cli.Storage) error {
	out := OneRow{CloudID: s.id.CloudID, Name: storage.Name(ctx, s.id.CloudID), Blob: s.standing.Blob, SHA16: s.id.SHA16, Verdict: string(s.standing.Verdict),
		Records: s.standing.Records, Header: s.rows.Header}
	found, end, err := pick(s.rows.Rows, s.line, &out.Row)
	if !found {
		if err == nil {
			err = fmt.Errorf("hour blob %s has no line %d: it has %s", s.standing.Blob, s.line, cli.Count(out.Row.Line, "row"))
		}
		return err
	}
	out.HashChecked = end && err == nil
	return errors.Join(s.print(out), err)
}

// pick reads rows up to a line, and on to the end of a file that is not long. row is the
// last one of a file without that line.
func pick(rows iter.Seq2[BlobRow, error], line int64, row *BlobRow) (found, end bool, err error) {
	for r, err := range rows {
		if err != nil {
			return found, false, err
		}
		if r.Line <= line {
			*row, found = r, r.Line == line
		}
		if found && r.Line >= readOn {
			return true, false, nil
		}
	}
	return found, true, nil
}

// print prints a row.
func (s *shower) print(out OneRow) error {
	switch {
	case s.env.View != nil:
		return s.env.View(out)
	case s.env.JSON():
		return cli.Report(s.env, out)
	case !s.env.Tables():
		return cli.List(s.env, cli.Each([]BlobRow{out.Row}), cli.Table[BlobRow]{})
	}
	r := out.Row
	text := fmt.Sprintf("line %d of hour blob %s, %s\n%s", r.Line, out.Blob, out.Verdict, r.State)
	if r.Code != "" {
		text += fmt.Sprintf(": %s, %s", r.Code, r.Reason)
	}
	if r.By != "" {
		text += fmt.Sprintf("; dismissed by %s: %s", r.By, r.Why)
	}
	if r.UsageHour != nil {
		text += fmt.Sprintf("\n%s %s of %s, used %s\n%s", r.Quantity, cmp.Or(r.Unit, "units"), cmp.Or(r.MeterName, r.MeterID), r.UsageHour, r.ResourceURI)
		if r.State == string(hourlog.Accepted) {
			text += "\nexplain its line of the bill:\n  " + cli.CommandLine("explain", "--registration", out.Name, "--day", r.UsageHour.Day().String(), "--resource", r.ResourceURI, "--meter", r.MeterID)
		}
	}
	text += fmt.Sprintf("\nthe row as the stack sent it:\n%s\n", printable(r.Sent))
	if out.HashChecked {
		text += "the file was read to its end, and its SHA-256 matches\n"
	} else {
		text += "the hash of the file was not checked: it was not read to its end\n"
	}
	_, err := io.WriteString(s.env.Stdout, text)
	return err
}

// printable is a row for a terminal: what is no text, or would move the cursor, is
// escaped.
func printable(sent cli.Sent) string {
	text := string(sent.Bytes())
	for _, r := range text {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\uFFFD' {
			return fmt.Sprintf("%q", text)
		}
	}
	return text
}
