package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"stackusage/cmd/stackusage/cli"
	pages "stackusage/cmd/stackusage/console/hours"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/hours"
	"stackusage/shared/azurestore"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

// hourPages answers the addresses of hours and rows as the console does.
func hourPages(t *testing.T, getenv func(string) string) func(address string) string {
	env := cli.New(getenv, io.Discard, io.Discard)
	return func(address string) string {
		t.Helper()
		u, err := url.Parse(address)
		ok(t, err)
		show := pages.Hour
		if u.Path == "/row" {
			show = pages.Row
		}
		w := httptest.NewRecorder()
		r := &page.Request{Context: t.Context(), Path: u.Path, Query: u.Query(), Now: time.Date(2019, 12, 20, 0, 0, 0, 0, time.UTC), Env: env, Root: rootCommand}
		r.Begin(w)
		p, err := show(r)
		ok(t, err) // what cannot be shown is said on the page
		page.Write(w, r, 200, p)
		return w.Body.String()
	}
}

// cellsOf are the cells of the table of a part, whole.
func cellsOf(t *testing.T, text, part string) (rows [][]string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(text))
	ok(t, err)
	is := func(n *html.Node, tag string) bool { return n.Type == html.ElementNode && n.Data == tag }
	has := func(n *html.Node, name string) string {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
		return ""
	}
	for section := range doc.Descendants() {
		if !is(section, "section") || has(section, "id") != part {
			continue
		}
		for tr := range section.Descendants() {
			if !is(tr, "tr") || !is(tr.Parent, "tbody") {
				continue
			}
			var cells []string
			for td := range tr.ChildNodes() {
				if !is(td, "td") {
					continue
				}
				cell := ""
				for n := range td.Descendants() {
					if n.Type == html.TextNode && cell == "" {
						cell = n.Data
					}
					if title := has(n, "title"); title != "" {
						cell = title
						break
					}
				}
				cells = append(cells, cell)
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// TestHourPages: an hour and a row are on their pages what hour list and hour show print.
func TestHourPages(t *testing.T) {
	t.Parallel()
	getenv, account, accepted, conflict := shownHour(t)
	get := hourPages(t, getenv)
	const of = "registration=" + cloudID + "&hour=2019-12-10T19%3A00Z"
	text := get("/hour?" + of)
	for _, want := range []string{
		"stackusage hour resolve --hour 2019-12-10T19:00Z --sha16 " + conflict.SHA16 + " --keep --reason REASON", "How " + conflict.SHA16 + " differs from the accepted file",
		"The file was read to its end", "stackusage quarantine redrive", "stackusage hour compare --registration " + cloudID,
		`href="/row?hour=2019-12-10T19%3A00Z&amp;line=2&amp;registration=` + cloudID + "&amp;sha16=" + accepted.SHA16,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the hour has no %q", want)
		}
	}
	files := map[string][]string{}
	for _, cells := range cellsOf(t, text, "files") {
		files[cells[0]] = cells
	}
	dec := json.NewDecoder(strings.NewReader(tool(t, getenv, "hour", "list", "--registration", cloudID, "--hour", "2019-12-10T19:00Z", "--output", "json")))
	for dec.More() {
		var f hours.Row
		ok(t, dec.Decode(&f))
		want := []string{f.Blob, f.Verdict, fmt.Sprint(f.Records), fmt.Sprint(f.Accepted), fmt.Sprint(f.Rejected), fmt.Sprint(f.Undecided)}
		if got := files[f.Blob]; len(got) < len(want) || fmt.Sprint(got[:len(want)]) != fmt.Sprint(want) {
			t.Errorf("file %v, want %v", got, want)
		}
	}
	shown := cellsOf(t, text, "rows")
	dec = json.NewDecoder(strings.NewReader(tool(t, getenv, about19("--output", "json")...)))
	for n := 0; dec.More(); n++ {
		var r hours.BlobRow
		ok(t, dec.Decode(&r))
		quantity := ""
		if r.Quantity != nil {
			quantity = r.Quantity.String()
		}
		if c := shown[n]; c[0] != fmt.Sprint(r.Line) || c[1] != r.State || c[2] != r.Code || c[6] != quantity {
			t.Errorf("row %v, want %+v", c, r)
		}
		row := get(fmt.Sprintf("/row?%s&sha16=%s&line=%d", of, accepted.SHA16, r.Line))
		for _, want := range []string{r.State, html.EscapeString(r.Reason), "The file was read to its end"} {
			if !strings.Contains(row, want) {
				t.Errorf("line %d has no %q", r.Line, want)
			}
		}
		if explained := strings.Contains(row, "/explain?"); explained != (r.State == "accepted") {
			t.Errorf("line %d is %s; explained: %t", r.Line, r.State, explained)
		}
	}
	if got, want := cellsOf(t, text, "rejected"), 2; len(got) != want {
		t.Errorf("rejected rows %v", got)
	}
	sums, err := csv.NewReader(strings.NewReader(get("/hour?" + of + "&csv=meters"))).ReadAll()
	ok(t, err)
	if want := tool(t, getenv, about19("--by", "meter", "--output", "csv")...); len(sums) != strings.Count(want, "\n") || len(sums) != len(cellsOf(t, text, "meters"))+1 {
		t.Errorf("sums %v, want\n%s", sums, want)
	}

	gone := landing.Name{CloudID: cloudID, Hour: hour19, SHA16: fileB}
	_, err = hourlog.Record(t.Context(), account.Tables, hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: fileB}, hourlog.Hour{Verdict: hourlog.Duplicate, Blob: gone.String(), LandedAt: hour19.End()})
	ok(t, err)
	for address, want := range map[string]string{
		"/hour?" + of + "&sha16=" + fileB:                             "no such blob",
		"/row?" + of + "&line=1&sha16=" + fileB:                       "storage has removed it",
		"/row?" + of + "&line=9&sha16=" + accepted.SHA16:              "has no line 9",
		"/row?" + of + "&line=x&sha16=" + accepted.SHA16:              "invalid argument",
		"/row?" + of + "&sha16=" + accepted.SHA16:                     "names no line",
		"/row?" + of + "&line=1&sha16=%3Cscript%3E":                   "must be 16 hex digits",
		"/hour?registration=" + cloudID + "&hour=2019-12-11T19%3A00Z": "No file of this hour has landed",
		"/hour?registration=" + cloudID + "&hour=noon":                "want RFC 3339",
		"/hour":                          "choose a registration and a reported hour",
		"/hour?hour=2019-12-10T19%3A00Z": `value="2019-12-10T19:00Z"`,
		"/hour?registration=nowhere&hour=2019-12-10T19%3A00Z":             "Not shown:",
		"/row?" + of + "&line=1&sha16=" + strings.ToUpper(accepted.SHA16): "sa1",
	} {
		if got := get(address); !strings.Contains(got, want) || strings.Contains(got, "<script") {
			t.Errorf("%s has no %q", address, want)
		}
	}
}

// TestHostileRow: what a stack sent is shown as what it is.
func TestHostileRow(t *testing.T) {
	t.Parallel()
	getenv, account, _, _ := shownHour(t)
	long := strings.Repeat("x", 4000)
	name, file := storedHour(t, account, "northwest", strings.ReplaceAll(fmt.Sprintf(usageRow, "1", 1), "sa1", "<script>alert(1)<script>"),
		strings.ReplaceAll(fmt.Sprintf(usageRow, "1", 1), "sa1", "خادم"), strings.ReplaceAll(fmt.Sprintf(usageRow, "1", 1), "sa1", long), "\xff\xfe")
	ok(t, deleteHour(t, account))
	commitFile(t, account, name, file)
	get := hourPages(t, getenv)
	const of = "registration=" + cloudID + "&hour=2019-12-10T19%3A00Z"
	text := get("/hour?" + of)
	if rows := cellsOf(t, text, "rows"); len(rows) != 4 || !strings.Contains(rows[0][5], "<script>alert(1)<script>") || !strings.Contains(rows[1][5], "خادم") || !strings.Contains(rows[2][5], long) {
		t.Errorf("rows %.300v", rows)
	}
	for line, want := range map[int]string{1: html.EscapeString("<script>alert(1)<script>"), 2: "خادم", 3: long, 4: `\xff\xfe`} {
		if row := get(fmt.Sprintf("/row?%s&sha16=%s&line=%d", of, name.SHA16, line)); !strings.Contains(row, want) || strings.Contains(row, "<script") {
			t.Errorf("line %d has no %.100q", line, want)
		}
	}
}

// TestLongHour: a page of rows leads to the next one, and says that the hash of the file was
// not checked until its last row is there.
func TestLongHour(t *testing.T) {
	t.Parallel()
	getenv, account, _, _ := shownHour(t)
	var rows []string
	for i := range page.PageRows + 3 {
		rows = append(rows, fmt.Sprintf(usageRow, "1", i))
	}
	name, file := storedHour(t, account, "northwest", rows...)
	ok(t, deleteHour(t, account))
	commitFile(t, account, name, file)
	get := hourPages(t, getenv)
	const of = "/hour?registration=" + cloudID + "&hour=2019-12-10T19%3A00Z"
	for skip, want := range map[string]struct {
		rows        int
		first, note string
	}{"0": {page.PageRows, "1", "its hash was not checked"}, fmt.Sprint(page.PageRows): {3, fmt.Sprint(page.PageRows + 1), "The file was read to its end"}} {
		text := get(of + "&skip-rows=" + skip)
		if shown := cellsOf(t, text, "rows"); len(shown) != want.rows || shown[0][0] != want.first || !strings.Contains(text, want.note) {
			t.Errorf("from row %s: %d rows, or no %q", skip, len(shown), want.note)
		}
	}
	id := hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: fileB}
	_, err := hourlog.Record(t.Context(), account.Tables, id, hourlog.Hour{Verdict: hourlog.Conflict, Blob: name.String(), Records: 1_000_000, LandedAt: hour19.End()})
	ok(t, err)
	part := "differences-" + fileB
	if text := get(of); !strings.Contains(text, "1,000,000 rows") || !strings.Contains(text, "all="+part+"&amp;") {
		t.Error("files of a million rows are compared at once")
	}
	if text := get(of + "&all=" + part); !strings.Contains(text, "The rows are the same") {
		t.Errorf("files are not compared where they should be:\n%.3000s", text)
	}
	if all, err := csv.NewReader(strings.NewReader(get(of + "&csv=rows"))).ReadAll(); err != nil || len(all) != page.PageRows+4 {
		t.Errorf("CSV: %d rows, %v", len(all), err)
	}
}

// deleteHour makes room for another accepted file of the hour.
func deleteHour(t *testing.T, account *azurestore.Account) error {
	row, err := account.Tables.Get(t.Context(), table.UsageHours, cloudID+"_20191210", "19")
	if err == nil {
		err = account.Tables.Apply(t.Context(), table.UsageHours, row.Partition, table.Op{Verb: table.Delete, Row: row})
	}
	return err
}
