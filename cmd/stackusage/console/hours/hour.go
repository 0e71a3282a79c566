// Package hours is the pages of a reported hour, and of a row of one of its files.
//
//	hour.go   an hour: its files, their rows, and what to do
//	row.go    a row as the stack sent it
package hours

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/hours"
	"stackusage/cmd/stackusage/quarantine"
	"stackusage/shared/hourlog"
	"stackusage/shared/usage"
)

//go:embed *.html
var files embed.FS

var templates = page.Parse(files, "*.html")

// reason stands in commands for what the operator has to write.
const reason = "REASON"

// readUpTo is how many rows are added up or compared on a page without being asked to: that
// takes about a second.
const readUpTo = 50_000

// later is the body of a part that takes long, until the parameter all names the part.
type later struct{ Rows, Href, Text string }

// wrapping are columns whose texts may be long; the others never wrap.
var wrapping = []string{"RESOURCE", "REASON", "ROW"}

// todo is what to do about an hour.
type todo struct {
	Text     string
	Commands []string
}

// asked is an hour that a page is about.
type asked struct {
	*page.Request
	at    usage.Hour
	of    []string // flags that name the hour
	name  string   // of the registration
	files []hours.Row
	gap   *hours.Row
	none  string
}

// Hour is the page of a reported hour.
func Hour(r *page.Request) (*page.Page, error) {
	at, err := usage.ParsePoint(r.Get("hour"))
	if err != nil || r.Get("registration") == "" {
		return choose(r, err), nil
	}
	h := &asked{Request: r, at: usage.HourOf(at), name: r.Get("registration")}
	month := h.at.String()[:7]
	p := &page.Page{Title: h.at.String(), Section: "/"}
	h.of = append(r.Flags("registration"), "--hour", h.at.String())
	var failed error
	command := append([]string{"hour", "list"}, h.of...)
	failed = page.Ask(r, func(rows cli.Rows) error {
		h.none = rows.None
		for v, err := range rows.All {
			if err != nil {
				return err
			}
			row, is := v.Row.(hours.Row)
			if !is {
				return fmt.Errorf("hour list has a row of %T", v.Row)
			}
			h.name = fmt.Sprint(v.Cells[0])
			if row.SHA16 == "" {
				h.gap = &row
			} else {
				h.files = append(h.files, row)
			}
		}
		return nil
	}, command...)
	p.Trail = []page.Link{{Text: "Overview", Href: "/"}, {Text: h.name, Href: page.Href("/calendar", "registration", r.Get("registration"), "month", month)},
		{Text: "Hours of " + h.at.Day().String(), Href: page.Href("/calendar", "registration", r.Get("registration"), "day", h.at.Day().String())}}
	p.Lead = "A reported hour of " + h.name + ": its files, what became of them, and their rows."
	p.Part(r, "files", "Files", func(part *page.Part) error {
		part.Command = command
		if failed != nil {
			return failed
		}
		err := errors.Join(part.Render(templates, "around", h.around()), part.Render(templates, "todo", h.todos()))
		return errors.Join(err, part.Show(r, h.filesTable(command)))
	})
	for _, f := range h.files {
		if f.Verdict == string(hourlog.Conflict) {
			h.differences(p, f)
		}
	}
	file := h.chosen()
	if file == nil {
		return p, nil
	}
	of := append(h.of[:len(h.of):len(h.of)], "--sha16", file.SHA16)
	p.Part(r, "meters", "Rows by meter of "+file.SHA16, func(part *page.Part) error {
		part.Command = append(append([]string{"hour", "show"}, of...), "--by", "meter")
		if h.long(file.Records, "meters") {
			return part.Render(templates, "later", later{page.CellOf(file.Records).Text, r.With("all", "meters") + "#meters", "Add them up"})
		}
		return page.Ask(r, func(rows cli.Rows) error { return part.Show(r, h.plain(rows, part.Command, nil)) }, part.Command...)
	})
	if file.Verdict == string(hourlog.Accepted) && (file.Rejected > 0 || file.Corrects != "") {
		h.quarantine(p, file)
	}
	p.Part(r, "rows", "Rows of "+file.SHA16, func(part *page.Part) error {
		part.Command = append([]string{"hour", "show"}, of...)
		err := page.Ask(r, func(rows cli.Rows) error {
			return part.Show(r, h.plain(rows, part.Command, func(row any) string {
				return h.row(file.SHA16, row.(hours.BlobRow).Line)
			}))
		}, part.Command...)
		if err == nil && part.Table != nil {
			part.Notes = append(part.Notes, map[bool]string{true: "The file was read to its end: its SHA-256 is the one that was recorded.",
				false: "The file was not read to its end for this page, and its hash was not checked for it."}[part.Table.Next == ""])
		}
		return err
	})
	return p, nil
}

// choose asks for the hour that the address lacks.
func choose(r *page.Request, err error) *page.Page {
	p := &page.Page{Title: "Reported hour", Section: "/", Trail: []page.Link{{Text: "Overview", Href: "/"}}}
	p.Part(r, "choose", "", func(part *page.Part) error {
		part.Form = &page.Form{Action: "/hour", Fields: []page.Field{r.RegistrationField(), {Name: "hour", Label: "Hour (UTC)", Kind: "text", Value: r.Get("hour"), Hint: "2019-12-10T19:00Z"}}}
		if r.Get("hour") == "" || err == nil {
			return errors.New("choose a registration and a reported hour")
		}
		return fmt.Errorf("hour: %w", err)
	})
	return p
}

// around leads to the hours beside this one, and to the day.
func (h *asked) around() any {
	of := h.Get("registration")
	hour := func(at usage.Hour) string { return page.Href("/hour", "registration", of, "hour", at.String()) }
	day := h.at.Day().String()
	return struct{ Before, After, Day, DayName string }{hour(h.at - 1), hour(h.at + 1), page.Href("/day", "registration", of, "day", day), day}
}

// chosen is the file whose rows are shown: the one that is asked for, or the accepted one,
// or the only one.
func (h *asked) chosen() *hours.Row {
	for i, f := range h.files {
		if h.Get("sha16") == f.SHA16 || h.Get("sha16") == "" && (f.Verdict == string(hourlog.Accepted) || len(h.files) == 1) {
			return &h.files[i]
		}
	}
	return nil
}

func (h *asked) row(sha16 string, line int64) string {
	return page.Href("/row", "registration", h.Get("registration"), "hour", h.at.String(), "sha16", sha16, "line", strconv.FormatInt(line, 10))
}

// todos say what to do about the hour.
func (h *asked) todos() (all []todo) {
	call := func(args ...string) string {
		return cli.CommandLine(append(args, "--registration", h.name)...)
	}
	switch g := h.gap; {
	case g == nil && len(h.files) == 0:
		return []todo{{Text: "No file of this hour has landed, and the registration does not expect one: it begins later, has ended, or the hour is not over."}}
	case g == nil:
	case g.Decided != nil:
		all = append(all, todo{Text: "The hour is missing. " + g.Why()})
	case g.Verdict == string(hours.Waiting):
		all = append(all, todo{Text: "No file has landed yet, and the hour is not due."})
	default:
		all = append(all, todo{"The hour is missing: no file of it is accepted. Have the agent collect it again, on the stack; or record that it will never come.", []string{
			fmt.Sprintf("stackusage-agent backfill --from %s --to %s", h.at, h.at+1),
			call("hour", "accept-missing", "--from", h.at.String(), "--to", h.at.String(), "--reason", reason)}})
	}
	for _, f := range h.files {
		decide := func(verb string, more ...string) string {
			return call(append(append([]string{"hour", verb, "--hour", h.at.String(), "--sha16", f.SHA16}, more...), "--reason", reason)...)
		}
		switch hourlog.Verdict(f.Verdict) {
		case hourlog.Conflict:
			all = append(all, todo{"File " + f.SHA16 + " is in conflict: it has other rows than the accepted one. Keep the accepted file, or replace it.", []string{decide("resolve", "--keep"), decide("resolve", "--supersede")}})
		case hourlog.Rejected:
			all = append(all, todo{"File " + f.SHA16 + " was rejected. Ingest it again once the cause is fixed.", []string{decide("reingest")}})
		case hourlog.Unregistered:
			all = append(all, todo{Text: "File " + f.SHA16 + " waits for a registration of its stack."})
		}
		if f.Undecided > 0 {
			all = append(all, todo{"File " + f.SHA16 + " has rejected rows without a decision: " + strconv.FormatInt(f.Undecided, 10) + ". They are in no bill. Fix and resubmit them, or dismiss them.", []string{
				call("quarantine", "show", "--hour", h.at.String()) + " > rows.ndjson",
				call("quarantine", "redrive", "--hour", h.at.String(), "--fixed", "rows.ndjson", "--reason", reason),
				call("quarantine", "dismiss", "--hour", h.at.String(), "--line", "LINE", "--reason", reason)}})
		}
	}
	return all
}

// filesTable are the files of the hour.
func (h *asked) filesTable(command []string) page.Table {
	t := page.Table{Caption: "Files", Empty: "No file of this hour has landed.", Print: func(out io.Writer) error { return h.PrintCSV(out, command...) },
		Columns: []page.Column{{Name: "File"}, {Name: "Verdict"}, {Name: "Rows", Number: true}, {Name: "Accepted", Number: true}, {Name: "Rejected", Number: true}, {Name: "Undecided", Number: true}, {Name: "Landed"}, {Name: "Why"}}}
	var rows [][]page.Cell
	for _, f := range h.files {
		why := f.Why()
		if f.Corrects != "" {
			why = "corrects " + f.Corrects + "; " + why
		}
		verdict := f.Verdict
		if f.Code != "" {
			verdict += ": " + f.Code
		}
		rows = append(rows, []page.Cell{{Text: f.SHA16, Whole: f.Blob, Href: h.With("sha16", f.SHA16, "skip-rows", "") + "#rows", Class: "nowrap"}, {Text: verdict, Class: "nowrap"}, page.CellOf(f.Records), page.CellOf(f.Accepted),
			page.CellOf(f.Rejected), page.CellOf(f.Undecided), {Text: cli.PointOr(cli.Known(f.Landed)), Class: "nowrap"}, page.Text(why)})
	}
	t.Rows = page.Rows(rows)
	return t
}

// differences is the part of a file in conflict.
func (h *asked) differences(p *page.Page, f hours.Row) {
	p.Part(h.Request, "differences-"+f.SHA16, "How "+f.SHA16+" differs from the accepted file", func(part *page.Part) error {
		part.Lead = "First is the accepted file, Second the one in conflict."
		part.Command = append(append([]string{"hour", "compare"}, h.of...), "--sha16", f.SHA16, "--limit", "0")
		longest := f.Records
		for _, other := range h.files {
			longest = max(longest, other.Records)
		}
		if h.long(longest, part.ID) {
			return part.Render(templates, "later", later{page.CellOf(longest).Text, h.With("all", part.ID) + "#" + part.ID, "Compare them"})
		}
		return page.Ask(h.Request, func(rows cli.Rows) error { return part.Show(h.Request, h.plain(rows, part.Command, nil)) }, part.Command...)
	})
}

// long reports whether a part that reads so many rows is left out until it is asked for.
func (h *asked) long(rows int64, part string) bool {
	return rows > readUpTo && h.Get("all") != part && h.CSV() == ""
}

// quarantine is the part of the rejected rows.
func (h *asked) quarantine(p *page.Page, f *hours.Row) {
	p.Part(h.Request, "rejected", "Rejected rows", func(part *page.Part) error {
		part.Command = append([]string{"quarantine", "show"}, h.of...)
		return page.Ask(h.Request, func(rows cli.Rows) error {
			return part.Show(h.Request, h.plain(rows, part.Command, func(row any) string { return h.row(f.SHA16, row.(quarantine.Shown).Line) }))
		}, part.Command...)
	})
}

// plain is the table of a command, with its first column as a link.
func (h *asked) plain(rows cli.Rows, command []string, link func(row any) string) page.Table {
	t := page.Table{Caption: command[0] + " " + command[1], Empty: rows.None, Print: func(out io.Writer) error { return h.PrintCSV(out, command...) }}
	for _, name := range rows.Head {
		t.Columns = append(t.Columns, page.Column{Name: page.Heading(name)})
	}
	t.Rows = func(yield func([]page.Cell, error) bool) {
		for v, err := range rows.All {
			if err != nil {
				yield(nil, err)
				return
			}
			cells := make([]page.Cell, len(v.Cells))
			for i, c := range v.Cells {
				cells[i] = page.CellOf(c)
				t.Columns[i].Number = t.Columns[i].Number || cells[i].Number
				if !slices.Contains(wrapping, rows.Head[i]) {
					cells[i].Class = "nowrap"
				}
			}
			if link != nil {
				cells[0].Href = link(v.Row)
			}
			if !yield(cells, nil) {
				return
			}
		}
	}
	return t
}
