package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackusage/agent/export"
	"stackusage/agent/spool"
	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/delivery"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// collected is a spool with an hour file for each of n hours.
func collected(t *testing.T, first usage.Hour, n int) *spool.Spool {
	t.Helper()
	sp, err := spool.Open(filepath.Join(t.TempDir(), "spool"))
	ok(t, err)
	t.Cleanup(func() { sp.Close() })
	for h := first; h < first+usage.Hour(n); h++ {
		f, err := sp.Create(h)
		ok(t, err)
		w, err := landing.NewWriter(f, landing.Header{CloudID: cloudID, Region: "local", ReportedStart: h.Start(), CollectedAt: h.End(), AgentVersion: "1"})
		ok(t, err)
		ok(t, w.Row([]byte(`{"properties":{"subscriptionId":"11111111-1111-4111-8111-111111111111","meterId":"6dab500f-a4fd-49c4-956d-229bb9c8c793","usageStartTime":"`+h.Start().Format(time.RFC3339)+
			`","usageEndTime":"`+h.End().Format(time.RFC3339)+`","quantity":1.5,"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm\",\"location\":\"local\"}}"}}`)))
		name, _, err := w.Close(1)
		ok(t, err)
		ok(t, sp.Seal(f, name.File()))
	}
	return sp
}

// TestImport goes the whole way of a stack without a connection: spool, folder, storage,
// receipt, spool.
func TestImport(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	sp := collected(t, hour19, 3)
	to := filepath.Join(t.TempDir(), "stick")
	_, err := export.Write(t.Context(), sp.Dir(), cloudID, to)
	ok(t, err)
	var out, errOut bytes.Buffer
	imported := func(args ...string) (string, string, int) {
		t.Helper()
		out.Reset()
		errOut.Reset()
		err := run(t.Context(), append([]string{"import"}, args...), getenv, &out, &errOut)
		if cli.ExitCode(err) == 1 {
			errOut.WriteString(err.Error())
		}
		return out.String(), errOut.String(), cli.ExitCode(err)
	}
	if _, text, code := imported(to); code != 1 || !strings.Contains(text, "no registration has cloudId "+cloudID) {
		t.Errorf("%d: %s", code, text)
	}
	tool(t, getenv, strings.Fields("registration create --name hamburg --subscription 7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11 --kind EA --model Capacity --region local --from 2019-12-10 --reason new --cloud-id "+cloudID)...)
	ok(t, account.Blobs.Create(t.Context(), landing.Container(cloudID)))
	base := getenv
	getenv = func(name string) string {
		if name == "COMMERCE_LATENESS_LIMIT" {
			return "720h"
		}
		return base(name)
	}
	got, told, code := imported(to, "--check")
	if !strings.Contains(told, "stackusage registration update --delivered-every 30d --reason TEXT --registration hamburg\n") {
		t.Errorf("no hint: %s", told)
	}
	tool(t, base, "registration", "update", "--delivered-every", "30d", "--reason", "no connection")
	if code != 0 || got != "3 files with 3 rows checked: 3 good, 0 bad; nothing landed\n" || !strings.Contains(told, "import: 1 usage day too late for commerce") || !strings.Contains(told, "2019-12-10     3  2020-01-10T00:00Z  nothing: usage reporting is off, and it is counted\n") {
		t.Errorf("%d: %s%s", code, got, told)
	}
	n := 0
	count := func(string, time.Time) error { n++; return nil }
	if ok(t, account.Blobs.List(t.Context(), landing.Container(cloudID), count)); n != 0 {
		t.Errorf("--check has landed %d blobs", n)
	}
	receipt := filepath.Join(to, delivery.ReceiptName)
	for _, want := range []string{"3 files with 3 rows: storage has 3, 3 of them new; 0 bad\nreceipt: " + receipt + "\n", "3 files with 3 rows: storage has 3, 0 of them new; 0 bad\nreceipt: " + receipt + "\n"} {
		if got, told, code := imported(to); code != 0 || got != want {
			t.Errorf("%d: %s%s, want %s", code, got, told, want)
		}
	}
	if ok(t, account.Blobs.List(t.Context(), landing.Container(cloudID), count)); n != 3 {
		t.Errorf("%d blobs", n)
	}
	r, err := delivery.ReadReceipt(receipt)
	ok(t, err)
	c, err := export.Confirm(sp.Dir(), cloudID, r)
	if ok(t, err); c.Moved != 3 || c.Waiting != 0 {
		t.Errorf("%+v", c)
	}
	bad := filepath.Join(to, r.Files[1].Name)
	ok(t, os.WriteFile(bad, []byte("torn"), 0o600))
	got, told, code = imported(to, "--output", "json", "--receipt", filepath.Join(to, "other.json"))
	var result struct {
		Stored int
		Bad    []struct{ File string }
	}
	if err := json.Unmarshal([]byte(got), &result); err != nil || code != 2 || result.Stored != 2 || len(result.Bad) != 1 || !strings.Contains(told, r.Files[1].Name+" does not land: NotGzip") {
		t.Errorf("%v, %d: %s%s", err, code, got, told)
	}
	if got, _, _ = imported(to, "--output", "csv"); !strings.HasPrefix(got, "cloudId,from,to,files,") {
		t.Error(got)
	}
	for want, args := range map[string][]string{"FOLDER is missing": nil, "read manifest": {t.TempDir()}, "accepts at most 1 arg": {to, to}} {
		if _, told, code := imported(args...); code != 1 || !strings.Contains(told, want) {
			t.Errorf("%v: %d %s", args, code, told)
		}
	}
}
