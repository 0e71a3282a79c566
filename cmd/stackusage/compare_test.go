package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/azurestore"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

// storedHour stores an hour blob with these rows.
func storedHour(t *testing.T, account *azurestore.Account, region string, rows ...string) (landing.Name, []byte) {
	t.Helper()
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, landing.Header{CloudID: cloudID, Region: region, ReportedStart: hour19.Start(), CollectedAt: hour19.End()})
	ok(t, err)
	for _, row := range rows {
		ok(t, w.Row([]byte(row)))
	}
	name, _, err := w.Close(1)
	ok(t, err)
	ok(t, account.Blobs.Put(t.Context(), name.Container(), name.Blob(), closer{bytes.NewReader(file.Bytes())}, int64(file.Len())))
	return name, file.Bytes()
}

// TestCompare: the two files of a conflict differ in what is listed, and nothing else is.
func TestCompare(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.ContainerPartials, table.ContainerQuarantine, landing.Container(cloudID)))
	row := func(resource int, quantity string) string { return fmt.Sprintf(usageRow, quantity, resource) }
	first, file := storedHour(t, account, "northwest", row(1, "1"), row(2, "2"), row(3, "3"), row(3, "0.5"), row(4, "4"), row(6, "-1"))
	second, _ := storedHour(t, account, "north", row(4, "2"), row(4, "2"), row(3, "3.25"), row(1, "1.0"), row(5, "5"), row(6, "-1"))
	commitFile(t, account, first, file)
	tables := account.Tables
	id := func(name landing.Name) hourlog.ID {
		return hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: name.SHA16}
	}
	standing, err := hourlog.Read(t.Context(), tables, id(first))
	ok(t, err)
	_, err = hourlog.Record(t.Context(), tables, id(second), hourlog.Beside(standing, hourlog.Hour{Blob: second.String(), RowSetHash: "other", Records: 6, LandedAt: hour19.End()}))
	ok(t, err)
	compare := func(more ...string) (string, string) {
		t.Helper()
		var out, errOut bytes.Buffer
		err := run(t.Context(), append([]string{"hour", "compare", "--registration", cloudID, "--hour", "2019-12-10T19:00Z", "--sha16", strings.ToUpper(second.SHA16)}, more...), getenv, &out, &errOut)
		if !errors.Is(err, cli.ErrDifferences) {
			t.Fatal(err)
		}
		return out.String(), errOut.String()
	}
	out, _ := compare()
	for _, want := range []string{
		"FIRST   " + first.String(), "SECOND  " + second.String(), "the headers differ in region\n",
		"onlyInFirst        2019-12-10T18:00Z", "sa2 (rg)    2            1\n", "onlyInSecond       2019-12-10T18:00Z", "sa5 (rg)           5     1\n",
		"sa3 (rg)    3.5    3.25  2\n", "otherNumberOfRows  2019-12-10T18:00Z", "sa4 (rg)    4      4     1 and 2\n",
		"\n1 only in the first file, 1 only in the second, 1 with other quantities, 1 in another number of rows\n",
	} {
		if !strings.Contains(out, want) {
			t.Logf("want %q", want)
			defer t.Errorf("output:\n%s", out)
		}
	}
	if strings.Contains(out, "sa1") || strings.Contains(out, "QuantityNegative") {
		t.Errorf("what is the same is listed:\n%s", out)
	}
	if out, errOut := compare("--limit", "1", "--output", "json", "--with", first.SHA16); strings.Count(out, "\n") != 1 || !strings.Contains(errOut, "... and 3 more; --limit 0 prints all\n") {
		t.Errorf("a limit:\n%s%s", out, errOut)
	}
	if out := tool(t, getenv, "hour", "compare", "--registration", cloudID, "--hour", "2019-12-10T19:00Z", "--sha16", second.SHA16, "--with", second.SHA16); !strings.HasSuffix(out, "the rows are the same\n") {
		t.Errorf("with itself:\n%s", out)
	}
	var none bytes.Buffer
	err = run(t.Context(), []string{"hour", "compare", "--registration", cloudID, "--hour", "2019-12-10T19:00Z", "--sha16", fileA}, getenv, &none, &none)
	if err == nil || !strings.Contains(err.Error(), "no such file has a verdict") {
		t.Errorf("an unknown file: %v", err)
	}
}
