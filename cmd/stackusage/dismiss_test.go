package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/reasoned"
)

func TestDismiss(t *testing.T) {
	t.Parallel()
	getenv := refusedRows(t, "-4", "-5")
	dismiss := func(more ...string) (out, errOut string, err error) {
		var o, e bytes.Buffer
		err = run(t.Context(), about("dismiss", append(more, "--reason", "a test of the stack", "--by", "olga")...), getenv, &o, &e)
		return o.String(), e.String(), err
	}
	shown, _, _ := strings.Cut(tool(t, getenv, about("show", "--line", "2")...), "\n")
	tool(t, getenv, about("redrive", "--fixed", rowsFile(t, strings.Replace(shown, `"quantity":-2`, `"quantity":2`, 1)), "--reason", "x", "--by", "olga")...)
	tool(t, getenv, about("dismiss", "--line", "3", "--reason", "x", "--by", "ivan")...)

	t.Run("a line that is named and counts is refused, and no other row changes", func(t *testing.T) {
		if _, _, err := dismiss("--line", "2", "--line", "4"); !errors.Is(err, reasoned.ErrDecided) {
			t.Errorf("error %v", err)
		}
		if out := tool(t, getenv, "quarantine", "list", "--state", "rejected"); !strings.Contains(out, "rejected     2           4") {
			t.Errorf("output %s", out)
		}
	})
	t.Run("nothing is dismissed while another file is about to take the place of the hour's", func(t *testing.T) {
		tables, way := onItsWay(t, getenv)
		if _, _, err := dismiss("--code", "QuantityNegative"); !errors.Is(err, reasoned.ErrDecided) || !strings.Contains(err.Error(), "file aaaaaaaaaaaaaaaa is to take its place") {
			t.Errorf("error %v", err)
		}
		if out := tool(t, getenv, "hour", "resolve", "--registration", cloudID, "--hour", "2019-12-10T19:00:00Z", "--sha16", way.SHA16, "--keep", "--reason", "it died", "--by", "olga"); !strings.Contains(out, "is kept-out: it died (olga") {
			t.Errorf("output %s", out)
		}
		if h, err := hourlog.AcceptedHour(t.Context(), tables, way); err != nil || h.Challenger != "" {
			t.Errorf("pointer %+v, error %v", h, err)
		}
	})
	t.Run("rows that count or are dismissed are no obstacle", func(t *testing.T) {
		out, errOut, err := dismiss("--code", "QuantityNegative")
		ok(t, err)
		for _, want := range []string{"line 2 is left as it is: it is in the bill, by a redrive\n", "line 3 is left as it is: it was dismissed by ivan\n"} {
			if !strings.Contains(errOut, want) {
				t.Errorf("said %s, want %q", errOut, want)
			}
		}
		if out != "2 rows dismissed\n2 rows left unchanged: 1 in the bill by a redrive, 1 dismissed already\n" {
			t.Errorf("output %s", out)
		}
		out, errOut, err = dismiss("--code", "QuantityNegative")
		ok(t, err) // a second time
		if out != "0 rows dismissed\n4 rows left unchanged: 1 in the bill by a redrive, 3 dismissed already\n" || !strings.Contains(errOut, "line 4 is left as it is: it was dismissed by olga\n") {
			t.Errorf("again: %s\n%s", out, errOut)
		}
		if out, _, err := dismiss("--line", "3"); err != nil || !strings.Contains(out, "1 row left unchanged: 0 in the bill by a redrive, 1 dismissed already") {
			t.Errorf("a line again: %v\n%s", err, out)
		}
		if _, _, err := dismiss("--line", "99"); err == nil || !strings.Contains(err.Error(), "no rejected rows in the accepted file of hour 2019-12-10T19:00Z of "+cloudID+" in line 99") {
			t.Errorf("a line that is none: %v", err)
		}
		if out := tool(t, getenv, "quarantine", "list", "--state", "dismissed"); !strings.Contains(out, "dismissed     3           3") {
			t.Errorf("output %s", out)
		}
		var report strings.Builder
		err = run(t.Context(), []string{"verify"}, getenv, &report, io.Discard) // nobody is registered here, and no such file was made
		if !errors.Is(err, cli.ErrDifferences) || strings.Contains(report.String(), "DIFFERS Quarantine") {
			t.Errorf("%v\n%s", err, report.String())
		}
	})
}
