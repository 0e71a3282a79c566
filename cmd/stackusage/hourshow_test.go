package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/clitest"
	"stackusage/cmd/stackusage/hours"
	"stackusage/shared/azurestore"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

// shownHour is storage with an accepted file of four rows, one of them rejected and one
// that is no JSON, and a file in conflict with it of one row.
func shownHour(t *testing.T) (getenv func(string) string, account *azurestore.Account, accepted, conflict landing.Name) {
	t.Helper()
	getenv, account = clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.ContainerPartials, table.ContainerQuarantine, table.ContainerCorrected, landing.Container(cloudID)))
	accepted, file := storedHour(t, account, "northwest", fmt.Sprintf(usageRow, "1", 1), fmt.Sprintf(usageRow, "-1", 2), "no \x1b[2J JSON", fmt.Sprintf(usageRow, "0.00000000000000000025", 4))
	commitFile(t, account, accepted, file)
	conflict, _ = storedHour(t, account, "northwest", fmt.Sprintf(usageRow, "5", 1))
	id := hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: accepted.SHA16}
	standing, err := hourlog.Read(t.Context(), account.Tables, id)
	ok(t, err)
	id.SHA16 = conflict.SHA16
	_, err = hourlog.Record(t.Context(), account.Tables, id, hourlog.Beside(standing, hourlog.Hour{Blob: conflict.String(), RowSetHash: "other", Records: 1, LandedAt: hour19.End()}))
	ok(t, err)
	return getenv, account, accepted, conflict
}

// about19 is a call of hour show for the hour.
func about19(more ...string) []string {
	return append([]string{"hour", "show", "--registration", cloudID, "--hour", "2019-12-10T19:00Z"}, more...)
}

// failed is what a call prints, and its error.
func failed(t *testing.T, getenv func(string) string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, getenv, &out, &out)
	if err == nil {
		t.Errorf("%v: no error", args)
		err = errors.New("none")
	}
	return out.String(), err
}

// TestHourShow: rows are those of the file, with what became of them, in every form.
func TestHourShow(t *testing.T) {
	t.Parallel()
	getenv, _, accepted, conflict := shownHour(t)
	has := func(out string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in:\n%s", want, out)
			}
		}
	}
	has(tool(t, getenv, about19()...), "hour blob "+accepted.String()+", accepted, 4 rows\n", "1  accepted", "2  rejected  QuantityNegative", "3  rejected", `"no \x1b[2J JSON"`,
		"sa4 (rg)", "0.00000000000000000025  IP addresses", "the file was read to its end: 4 rows, and its SHA-256 matches\n")
	has(tool(t, getenv, about19("--limit", "2")...), "... and more rows; --limit 0 prints all. The hash was not checked")
	if out := tool(t, getenv, about19("--limit", "4")...); strings.Contains(out, "more rows") || !strings.Contains(out, "SHA-256 matches") {
		t.Errorf("a limit that is the number of rows:\n%s", out)
	}
	has(tool(t, getenv, about19("--sha16", strings.ToUpper(conflict.SHA16))...), "1  conflict", "sa1 (rg)")
	has(tool(t, getenv, about19("--by", "meter")...), "Static IP Address Usage  accepted", "2  1.00000000000000000025  IP addresses", "rejected  QuantityNegative", "SHA-256 matches")
	has(tool(t, getenv, about19("--line", "1")...), "1 IP addresses of Static IP Address Usage, used 2019-12-10T18:00Z\n", "stackusage explain --registration "+cloudID+" --day 2019-12-10 --resource /subscriptions/",
		"the row as the stack sent it:\n"+fmt.Sprintf(usageRow, "1", 1)+"\n", "SHA-256 matches")
	has(tool(t, getenv, about19("--line", "3")...), "rejected: ", `"no \x1b[2J JSON"`)

	var one hours.OneRow
	ok(t, json.Unmarshal([]byte(tool(t, getenv, about19("--line", "2", "--output", "json")...)), &one))
	if one.SHA16 != accepted.SHA16 || one.Header.Region != "northwest" || !one.HashChecked || one.Row.Code != "QuantityNegative" || one.Row.Line != 2 || one.Records != 4 {
		t.Errorf("line 2: %+v", one)
	}
	var all []hours.BlobRow
	for d := json.NewDecoder(strings.NewReader(tool(t, getenv, about19("--output", "json")...))); d.More(); {
		var r hours.BlobRow
		ok(t, d.Decode(&r))
		all = append(all, r)
	}
	if len(all) != 4 || all[3].Quantity.String() != "0.00000000000000000025" || all[2].Text != "no \x1b[2J JSON" || all[0].Code != "" {
		t.Errorf("JSON: %+v", all)
	}
	rows, err := csv.NewReader(strings.NewReader(tool(t, getenv, about19("--by", "meter", "--output", "csv")...))).ReadAll()
	if err != nil || len(rows) != 4 || strings.Join(rows[1][2:], " ") != "accepted  2 1.00000000000000000025 IP addresses" {
		t.Errorf("CSV: %v, %q", err, rows)
	}
}

// TestHourShowSaysWhatIsNotThere: a line, a file and an hour that never were, a blob that
// is gone, and one that is damaged behind the line.
func TestHourShowSaysWhatIsNotThere(t *testing.T) {
	t.Parallel()
	getenv, account, _, _ := shownHour(t)
	wrong := func(want string, args ...string) string {
		t.Helper()
		out, err := failed(t, getenv, args...)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want %q", args, err, want)
		}
		return out
	}
	wrong("has no line 5: it has 4 rows", about19("--line", "5")...)
	wrong("--line 0: must be 1 or more", about19("--line", "0")...)
	wrong("leave --by out", about19("--line", "1", "--by", "meter")...)
	wrong("hour list --hour 2019-12-10T19:00Z shows what landed", about19("--sha16", fileA)...)
	wrong("--sha16 names a file of it", "hour", "show", "--registration", cloudID, "--hour", "2019-12-10T20:00Z")

	var damaged bytes.Buffer
	w, err := landing.NewWriter(&damaged, landing.Header{CloudID: cloudID, Region: "northwest", ReportedStart: hour19.Start(), CollectedAt: hour19.End()})
	ok(t, err)
	for i, q := range []string{"1", "-1", "2", "2"} {
		ok(t, w.Row([]byte(fmt.Sprintf(usageRow, q, i+1))))
	}
	_, _, err = w.Close(1)
	ok(t, err)
	gone := landing.Name{CloudID: cloudID, Hour: hour19, SHA16: strings.Repeat("e", 16)}
	id := hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: gone.SHA16}
	_, err = hourlog.Record(t.Context(), account.Tables, id, hourlog.Hour{Verdict: hourlog.Rejected, Blob: gone.String(), LandedAt: hour19.End()})
	ok(t, err)
	for _, more := range [][]string{{"--limit", "1"}, {"--line", "1"}, {"--by", "meter"}} {
		wrong("storage has removed it, or somebody has", about19(append(more, "--sha16", gone.SHA16)...)...)
	}
	ok(t, account.Blobs.Put(t.Context(), gone.Container(), gone.Blob(), closer{bytes.NewReader(damaged.Bytes())}, int64(damaged.Len())))
	if out := wrong("SHA-256", about19("--line", "1", "--sha16", gone.SHA16)...); !strings.Contains(out, "sa1") || !strings.Contains(out, "the hash of the file was not checked") || strings.Contains(out, "matches") {
		t.Errorf("a damaged file:\n%s", out)
	}
	wrong("SHA-256", about19("--by", "meter", "--sha16", gone.SHA16)...)
}
