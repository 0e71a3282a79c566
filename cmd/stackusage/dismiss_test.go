package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"stackusage/shared/ledger"
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
		if _, _, err := dismiss("--line", "2", "--line", "4"); !errors.Is(err, ledger.ErrDecided) {
			t.Errorf("error %v", err)
		}
		if out := tool(t, getenv, "quarantine", "list", "--state", "refused"); !strings.Contains(out, "refused  2     4") {
			t.Errorf("output %s", out)
		}
	})
	t.Run("a row on its way is left, with an exit code of its own; the others are dismissed", func(t *testing.T) {
		way := onItsWay(t, getenv)
		ok(t, way.Claim(t.Context(), func(yield func(int64, error) bool) { yield(5, nil) }))
		out, errOut, err := dismiss("--code", "QuantityNegative")
		if !errors.Is(err, errDifferences) ||
			out != "1 rows dismissed\n3 rows left as they are: 1 count by a redrive, 1 are dismissed already, 1 are on their way in a redrive\n" {
			t.Errorf("error %v, output %s", err, out)
		}
		for _, want := range []string{"line 2 is left as it is: it counts, by supplement ", "line 3 is left as it is: it was dismissed by ivan\n", "line 5 is left as it is: it is on its way, in supplement aaaaaaaaaaaaaaaa\n"} {
			if !strings.Contains(errOut, want) {
				t.Errorf("said %s, want %q", errOut, want)
			}
		}
		if _, _, err := dismiss("--code", "QuantityNegative"); !errors.Is(err, ledger.ErrDecided) {
			t.Errorf("with none left to dismiss: error %v", err)
		}
		ok(t, way.Withdraw(t.Context()))
	})
	t.Run("rows that count or are dismissed are no obstacle", func(t *testing.T) {
		out, _, err := dismiss("--code", "QuantityNegative")
		ok(t, err)
		if out != "1 rows dismissed\n3 rows left as they are: 1 count by a redrive, 2 are dismissed already, 0 are on their way in a redrive\n" {
			t.Errorf("output %s", out)
		}
		if out := tool(t, getenv, "quarantine", "list", "--state", "dismissed"); !strings.Contains(out, "dismissed  3     3") {
			t.Errorf("output %s", out)
		}
		if err := run(t.Context(), []string{"verify"}, getenv, io.Discard, io.Discard); err != nil {
			t.Error(err)
		}
	})
}
