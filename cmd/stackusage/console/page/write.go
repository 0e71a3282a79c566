package page

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/usage"
)

//go:embed layout.html style.css
var files embed.FS

// Style is the style sheet of all pages.
func Style() []byte {
	text, err := files.ReadFile("style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	return text
}

var layout = template.Must(template.New("").Funcs(Funcs).ParseFS(files, "layout.html"))

// Funcs are the functions of templates.
var Funcs = template.FuncMap{
	"point":    usage.Point,
	"ago":      usage.Ago,
	"href":     Href,
	"quantity": func(q usage.Quantity) Cell { return Quantity(q) },
	"amount":   func(q usage.Quantity) Cell { return Amount(q) },
	"cell":     CellOf,
	"call":     CommandLine,
	"explain":  Explain,
	"add":      func(a, b int) int { return a + b },
	"sentence": sentence,
}

// sentence is a text of a command as a page has it: with a capital.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// Parse parses templates of an author, which may use those of the layout: cell, table,
// command.
func Parse(from embed.FS, patterns ...string) *template.Template {
	t := template.Must(layout.Clone())
	return template.Must(t.ParseFS(from, patterns...))
}

// CommandLine is a command as a shell reads it.
func CommandLine(args []string) string { return cli.CommandLine(args...) }

// sections of the navigation.
var sections = []Link{{"Overview", "/"}, {"Usage", "/usage"}, {"Quarantine", "/quarantine"}, {"Batches", "/batches"}, {"Decisions", "/decisions"}, {"Observations", "/findings"}, {"Messages", "/messages"}}

// Write answers a request with a page, or with the table of it that it wants as CSV.
func Write(w http.ResponseWriter, r *Request, status int, p *Page) {
	if r.CSV() != "" {
		writeCSV(w, r, p)
		return
	}
	var b bytes.Buffer
	err := layout.ExecuteTemplate(&b, "page", struct {
		*Page
		Sections []Link
		Now      time.Time
	}{p, sections, r.Now})
	if err != nil {
		http.Error(w, "the page cannot be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if p.Reload > 0 { // checkers of accessibility refuse an element of the page; it has a link to stop it
		w.Header().Set("Refresh", strconv.Itoa(int(p.Reload.Seconds())))
	}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser has gone
}

// csvWriter is where a table goes as CSV. The header goes out with the first bytes.
type csvWriter struct {
	name string
	to   http.ResponseWriter
	out  *bufio.Writer
	sent bool
}

func (c *csvWriter) Write(b []byte) (int, error) { return c.out.Write(b) }

// begin has CSV go to a response.
func (c *csvWriter) begin(w http.ResponseWriter) {
	c.to = w
	c.out = bufio.NewWriterSize(writerFunc(func(b []byte) (int, error) {
		if !c.sent {
			c.sent = true
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "stackusage-"+c.name+".csv"))
		}
		return w.Write(b)
	}), 64<<10)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

var _ io.Writer = (*csvWriter)(nil)

// writeCSV ends the CSV that a part has written. If it failed in the middle, the
// connection is cut: half a table must not be taken for a whole one.
func writeCSV(w http.ResponseWriter, r *Request, p *Page) {
	err := fmt.Errorf("this page has no table %q", r.CSV())
	if len(p.Parts) == 1 {
		err = p.Parts[0].Err
	}
	if err == nil {
		err = r.csv.out.Flush()
	}
	if err != nil && r.csv.sent {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintln(w, err)
	}
}

// Begin prepares a request for its response.
func (r *Request) Begin(w http.ResponseWriter) { r.csv.begin(w) }

// Sent reports whether a part of a table as CSV has gone out.
func (r *Request) Sent() bool { return r.csv.sent }

// WriteEnter answers the first call: a page that goes on to the console.
func WriteEnter(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = layout.ExecuteTemplate(w, "enter", nil) // the browser has gone
}

// Explain is what people are told of an error.
func Explain(err error) string {
	text := dump.ReplaceAllString(err.Error(), ": $1 $2")
	if errors.Is(err, context.DeadlineExceeded) {
		return "storage did not answer in time: " + text
	}
	return text
}

// dump is a response in an error of the Azure SDK: only its status and its code help.
var dump = regexp.MustCompile(`(?s)\n-{20,}\nRESPONSE (\d+)[^\n]*\nERROR CODE: ([^\n]*)\n-{20,}\n.*?\n-{20,}\n?`)
