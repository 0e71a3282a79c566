package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/azurestore"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

const usageRow = `{"properties":{"subscriptionId":"09065051-cfe9-4fcf-b90c-87f2af292fc9","meterId":"F271A8A388C44D93956A063E1D2FA80B",` +
	`"quantity":%s,"usageStartTime":"2019-12-10T18:00:00Z","usageEndTime":"2019-12-10T19:00:00Z","instanceData":` +
	`"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/09065051-cfe9-4fcf-b90c-87f2af292fc9/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa%d\",\"location\":\"northwest\"}}"}}`

// refusedRows is storage where an hour counts that has three rows, two of them
// refused, and rows of more quantities.
func refusedRows(t *testing.T, more ...string) func(string) string {
	t.Helper()
	getenv, account := clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.ContainerPartials, table.ContainerQuarantine, table.ContainerCorrected, landing.Container(cloudID)))
	var rows []string
	for i, q := range append([]string{"1", "-2", "-3"}, more...) {
		rows = append(rows, fmt.Sprintf(usageRow, q, i+1))
	}
	name, file := storedHour(t, account, "northwest", rows...)
	commitFile(t, account, name, file)
	return getenv
}

type closer struct{ io.ReadSeeker }

func (closer) Close() error { return nil }

// commitFile does what IngestHour does.
func commitFile(t *testing.T, account *azurestore.Account, name landing.Name, file []byte) {
	t.Helper()
	id := hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: name.SHA16}
	tables := account.Tables
	in, err := ingest.New(ingest.Settings{TempDir: t.TempDir(), SpillSums: 100}, id)
	ok(t, err)
	defer in.Close()
	r, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
	ok(t, err)
	defer r.Close()
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		ok(t, in.Row(line))
	}
	h := hourlog.Hour{Blob: name.String(), SHA256: r.SHA256(), RowSetHash: r.RowSetHash(), Bytes: r.Size(), Records: in.Accepted + in.Rejected, Pages: 1,
		Accepted: in.Accepted, Quarantined: in.Rejected, LandedAt: hour19.End()}
	inputs, err := in.PutPartials(t.Context(), account.Blobs, h, r.Header())
	ok(t, err)
	h.UsageDays = ingest.UsageDays(inputs)
	h.RejectedFile, err = in.PutRejected(t.Context(), account.Blobs, tables, h.Blob)
	ok(t, err)
	_, err = hourlog.Commit(t.Context(), tables, id, h, inputs)
	ok(t, err)
}

// about is a command about the rows of that hour.
func about(verb string, more ...string) []string {
	return append([]string{"quarantine", verb, "--registration", cloudID, "--hour", "2019-12-10T19:00:00Z"}, more...)
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	getenv := refusedRows(t)
	list := func(t *testing.T, want ...string) {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(tool(t, getenv, "quarantine", "list")), "\n")
		if len(lines) != len(want)+1 || strings.Index(lines[0], "CODE") != strings.Index(lines[1], "QuantityNegative") {
			t.Fatalf("output:\n%s", strings.Join(lines, "\n"))
		}
		for i, w := range want {
			if got := strings.Join(strings.Fields(lines[i+1])[3:7], " "); got != "QuantityNegative "+w {
				t.Errorf("line %q, want %q", got, w)
			}
		}
	}
	list(t, "rejected 2 2")
	shown := tool(t, getenv, about("show")...)
	if strings.Count(shown, "\n") != 2 || !strings.Contains(shown, `"line":2,"state":"rejected","code":"QuantityNegative"`) || !strings.Contains(shown, `"quantity":-2`) {
		t.Fatalf("shown:\n%s", shown)
	}
	t.Run("they are shown as a table and as CSV, too", func(t *testing.T) {
		if out := tool(t, getenv, about("show", "--output", "table")...); !strings.HasPrefix(out, "LINE  STATE     CODE              REASON") || strings.Count(out, "\n") != 3 {
			t.Errorf("output:\n%s", out)
		}
		if out := tool(t, getenv, about("show", "--output", "csv")...); !strings.HasPrefix(out, "line,state,code,reason,") || !strings.Contains(out, `""quantity"":-2`) {
			t.Errorf("output:\n%s", out)
		}
	})
	t.Run("as they came they are refused again, with an exit code of its own", func(t *testing.T) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), about("redrive", "--reason", "again", "--by", "olga"), getenv, &out, &errOut)
		if !errors.Is(err, cli.ErrDifferences) || !strings.Contains(errOut.String(), "line 3 is rejected again: QuantityNegative") {
			t.Errorf("error %v, output %s%s", err, &out, &errOut)
		}
		list(t, "rejected 2 2")
	})
	t.Run("a dry run tells what would become of them", func(t *testing.T) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), about("redrive", "--dry-run"), getenv, &out, &errOut)
		if !errors.Is(err, cli.ErrDifferences) || !strings.Contains(errOut.String(), "line 3 would be rejected again: QuantityNegative") ||
			out.String() != "0 rows would be accepted; this is a dry run, and nothing is written\n2 rows would be rejected again, and stay in quarantine\n" {
			t.Errorf("error %v, output %s%s", err, &out, &errOut)
		}
	})
	t.Run("none is no silence", func(t *testing.T) {
		var out, errOut bytes.Buffer
		ok(t, run(t.Context(), about("show", "--code", "Nonsense", "--line", "2,3"), getenv, &out, &errOut))
		if out.Len() > 0 || errOut.String() != "no rejected rows in the accepted file of hour 2019-12-10T19:00Z of "+cloudID+" with code Nonsense in line 2, 3; stackusage quarantine list shows what there is\n" {
			t.Errorf("output %s%s", &out, &errOut)
		}
	})
	first, _, _ := strings.Cut(shown, "\n")
	fixed := filepath.Join(t.TempDir(), "rows.ndjson")
	ok(t, os.WriteFile(fixed, []byte(strings.Replace(first, `"quantity":-2`, `"quantity":2`, 1)+"\n"), 0o600))
	t.Run("a corrected row is accepted, once", func(t *testing.T) {
		if out := tool(t, getenv, about("redrive", "--fixed", fixed, "--dry-run")...); out != "1 row would be accepted; this is a dry run, and nothing is written\n" {
			t.Errorf("output %s", out)
		}
		list(t, "rejected 2 2")
		if out := tool(t, getenv, about("redrive", "--fixed", fixed, "--reason", "read again", "--by", "olga")...); !strings.Contains(out, "1 row accepted, in corrected blob") || !strings.Contains(out, "The usage days of the hour, 2019-12-10, are") {
			t.Errorf("output %s", out)
		}
		list(t, "redriven 1 2", "rejected 1 3")
		if out := tool(t, getenv, about("redrive", "--fixed", fixed, "--reason", "once more", "--by", "ivan")...); !strings.HasPrefix(out, "1 row in the bill already, in corrected blob") || !strings.HasSuffix(out, "(read again, olga); nothing changes\n") {
			t.Errorf("output %s", out)
		}
		other := rowsFile(t, strings.Replace(first, `"quantity":-2`, `"quantity":4`, 1))
		err := run(t.Context(), about("redrive", "--fixed", other, "--reason", "read again", "--by", "olga"), getenv, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "row 2 is accepted already") || !strings.HasSuffix(err.Error(), "and which of them is accepted") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the rest is dismissed", func(t *testing.T) {
		if out := tool(t, getenv, about("dismiss", "--line", "3", "--reason", "a test of the stack", "--by", "olga")...); out != "1 row dismissed\n" {
			t.Errorf("output %s", out)
		}
		list(t, "redriven 1 2", "dismissed 1 3")
		if out := tool(t, getenv, "quarantine", "list"); !strings.Contains(out, "; dismissed by olga: a test of the stack") {
			t.Errorf("output %s", out)
		}
		if err := run(t.Context(), about("dismiss", "--line", "2", "--reason", "x", "--by", "olga"), getenv, io.Discard, io.Discard); !errors.Is(err, reasoned.ErrDecided) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("Verify knows the corrected blob", func(t *testing.T) {
		var report strings.Builder
		err := run(t.Context(), []string{"verify"}, getenv, &report, io.Discard)
		if got := report.String(); err != nil && strings.Count(got, "DIFFERS") > strings.Count(got, "the registration does not accept the hour") { // nobody is registered here
			t.Errorf("%v\n%s", err, got)
		}
	})
	t.Run("what cannot be meant is refused", func(t *testing.T) {
		for want, args := range map[string][]string{
			"--reason is missing":              about("redrive"),
			"--line and --code are missing":    about("dismiss", "--reason", "x"),
			"in line 99; stackusage":           about("dismiss", "--line", "99", "--reason", "x"),
			"the reason is missing":            about("dismiss", "--line", "3", "--reason", "  "),
			"of " + cloudID + " in line 99":    about("redrive", "--line", "99", "--reason", "x"),
			"comes twice":                      about("redrive", "--fixed", rowsFile(t, `{"line":2,"line":3,"row":{}}`), "--reason", "x"),
			"nothing of registration":          {"verify", "--registration", "00000000-0000-4000-8000-000000000001"},
			"no such file has a verdict":       {"hour", "resolve", "--registration", cloudID, "--hour", "2019-12-10T20:00:00Z", "--sha16", strings.Repeat("a", 16), "--keep", "--reason", "x"},
			"want one of rejected, redriven":   {"quarantine", "list", "--state", "bogus"},
			`invalid argument "conflicts" for`: {"hour", "list", "--verdict", "conflicts"},
			"no file is accepted for the hour": {"quarantine", "show", "--registration", cloudID, "--hour", "2019-12-10T20:00:00Z"},
			"--hour":                           {"quarantine", "show", "--registration", cloudID, "--hour", "19"},
			`needs "line", each once, and "r`:  about("redrive", "--fixed", rowsFile(t, `{"line":2}`), "--reason", "x"),
		} {
			if err := run(t.Context(), args, getenv, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: error %v, want %q", args, err, want)
			}
		}
	})
}

// onItsWay lets a corrected blob be about to take the place of the hour's, as a
// redrive does that dies then.
func onItsWay(t *testing.T, getenv func(string) string) (tables table.Store, id hourlog.ID) {
	t.Helper()
	account, err := azurestore.Connect(getenv, "UsageStorage")
	ok(t, err)
	tables = account.Tables
	for h, err := range hourlog.QuarantinedHours(t.Context(), tables, cloudID) {
		ok(t, err)
		id = h.ID
	}
	replaces := id.SHA16
	id.SHA16 = strings.Repeat("a", 16)
	_, err = hourlog.AskCorrect(t.Context(), tables, id, hourlog.Hour{Blob: "corrected/" + id.SHA16, Original: replaces}, replaces,
		reasoned.Decision{Reason: "it dies", By: "ivan", At: hour19.End()})
	ok(t, err)
	return tables, id
}

func rowsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.ndjson")
	ok(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
