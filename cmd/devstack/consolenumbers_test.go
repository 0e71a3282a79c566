package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"stackusage/internal/browsertest"
)

// part is a part of a page with a command.
type part struct {
	ID, Command string
	Total       string
	Paged       bool
	Rows        [][]string // the whole numbers of the table's rows
}

// numbers compares the page with the commands that it names: each row of a table is one of
// the command's, and there are no others.
func (w *walker) numbers(t *testing.T, at string) {
	t.Helper()
	var parts []part
	browsertest.Run(t, w.ctx, chromedp.Evaluate(`(whole => Array.from(document.querySelectorAll('section'), s => ({
		ID: s.id, Command: s.querySelector('.command code')?.textContent ?? '', Total: s.querySelector('.big')?.title ?? '',
		Paged: !!s.querySelector('.paging [rel=next], .paging [rel=prev]'),
		Rows: Array.from(s.querySelectorAll('table')).slice(0, 1).flatMap(table => Array.from(table.tBodies[0].rows, r =>
			Array.from(r.querySelectorAll('td.number')).filter(c => !table.tHead.rows[0].cells[c.cellIndex].textContent.includes('%')).map(whole)))})))(
		c => c.querySelector('[title]')?.getAttribute('title') ?? c.getAttribute('title') ?? c.textContent.trim())`, &parts))
	commands := 0
	for _, p := range parts {
		if p.Command == "" {
			continue
		}
		commands++
		records := w.ask(t, p.Command)
		if strings.Contains(p.Command, " list") && len(p.Rows) > 0 && !p.Paged && len(p.Rows) != len(records) {
			t.Errorf("%s, %s: %d rows, and %s has %d", at, p.ID, len(p.Rows), p.Command, len(records))
		}
		for _, row := range p.Rows {
			if strings.HasPrefix(at, "/explain") { // a row may stand for many hours, which are folded below
				break
			}
			if w.compared++; !among(row, records) {
				t.Errorf("%s, %s: no record of %s has the numbers %q", at, p.ID, p.Command, row)
			}
		}
		if p.Total != "" {
			w.total(t, at, p, records)
		}
	}
	if commands == 0 {
		t.Errorf("%s names no command", at)
	}
}

// cards compares the stacks of the overview with status, day list and usage.
func (w *walker) cards(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); len(browsertest.Texts(t, w.ctx, ".card dd .quiet")) > 0 && time.Now().Before(end); { // sums are still read
		browsertest.Run(t, w.ctx, chromedp.Sleep(200*time.Millisecond), chromedp.Reload())
	}
	var cards []struct{ Name, Month, Registration, Total, Day string }
	browsertest.Run(t, w.ctx, chromedp.Evaluate(`Array.from(document.querySelectorAll('.card'), c => (usage => ({Name: c.querySelector('h3').textContent,
		Month: usage.searchParams.get('month'), Registration: usage.searchParams.get('registration'), Total: c.querySelector('dd a[href^="/usage"]').title,
		Day: c.querySelector('dd a[href^="/day"]').textContent}))(new URL(c.querySelector('dd a[href^="/usage"]').href)))`, &cards))
	status := w.ask(t, "stackusage status")[0].(map[string]any)
	if len(cards) != len(status["registrations"].([]any)) || len(browsertest.Texts(t, w.ctx, ".findings > li")) != len(status["findings"].([]any)) {
		t.Errorf("the overview has stacks %v, status has %v", cards, status)
	}
	for _, c := range cards {
		days := w.ask(t, "stackusage day list --registration "+c.Name)
		if last := days[len(days)-1].(map[string]any)["usageDay"]; last != c.Day {
			t.Errorf("%s: last closed day %s, day list has %v", c.Name, c.Day, last)
		}
		w.total(t, "/", part{Total: c.Total, Command: "usage of " + c.Name}, w.ask(t, "stackusage usage --month "+c.Month+" --registration "+c.Registration))
	}
}

// total compares the sum of a page with that of the command's rows.
func (w *walker) total(t *testing.T, at string, p part, records []any) {
	t.Helper()
	sum := new(big.Rat)
	for _, r := range records {
		if amount, ok := r.(map[string]any)["amount"].(string); ok && amount != "" {
			sum.Add(sum, rat(t, amount))
		}
	}
	if rat(t, p.Total).Cmp(sum) != 0 {
		t.Errorf("%s: total %s, the rows of %s have %s", at, p.Total, p.Command, sum.FloatString(30))
	}
}

// ask runs a command that a page names, in a shell, and reads its JSON.
func (w *walker) ask(t *testing.T, command string) (records []any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command+" --output json")
	cmd.Env = append(w.env, "PATH="+filepath.Dir(w.tool)+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 2 {
		exit, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("%s: %v\n%s%s", command, err, out, exit.Stderr)
	}
	in := json.NewDecoder(bytes.NewReader(out))
	in.UseNumber()
	for {
		var v any
		if err := in.Decode(&v); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		records = append(records, v)
	}
	if len(records) == 1 { // one answer, of many things
		records = append(records, inside(records[0])...)
	}
	return records
}

// inside are the objects in a value, at any depth.
func inside(v any) (all []any) {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			if _, is := x.(map[string]any); is {
				all = append(all, x)
			}
			all = append(all, inside(x)...)
		}
	case []any:
		for _, x := range v {
			all = append(append(all, x), inside(x)...)
		}
	}
	return all
}

// among reports whether a record has all numbers of a row.
func among(row []string, records []any) bool {
	for _, r := range records {
		have, all := map[string]bool{}, true
		values(r, have)
		for _, text := range row {
			n, ok := number(text)
			all = all && (!ok || have[n])
		}
		if all {
			return true
		}
	}
	return false
}

// values puts all numbers in a value into a set.
func values(v any, set map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			values(x, set)
		}
	case []any:
		for _, x := range v {
			values(x, set)
		}
	case json.Number:
		values(v.String(), set)
	case string:
		if n, ok := number(v); ok {
			set[n] = true
		}
	}
}

// number is a number in one form. Shares in percent are rounded, and so are no numbers here.
func number(text string) (string, bool) {
	text = strings.NewReplacer(",", "", " ", "", "\u00a0", "", "\u202f", "", "\u2009", "", "−", "-").Replace(text)
	if strings.HasSuffix(text, "%") {
		return "", false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", false
	}
	return r.RatString(), true
}
