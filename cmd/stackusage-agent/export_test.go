package main

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/agent/spool"
	"stackusage/shared/delivery"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// withoutStorage replaces the section storage of a configuration.
func withoutStorage(text string) string {
	before, rest, _ := strings.Cut(text, "\nstorage:\n")
	end := strings.Index(rest, "\n#")
	if i := strings.Index(rest, "\nspool:"); i >= 0 && (end < 0 || i < end) {
		end = i
	}
	return before + "\nstorage: none" + rest[end:]
}

// TestExport: what a stack without a way to Azure has, from the configuration to the
// confirmed receipt.
func TestExport(t *testing.T) {
	path, dir := configured(t, "")
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(withoutStorage(string(text))), 0o600))
	in := func(args ...string) result { return call(t, stackSecret, append(args, "--config", path)...) }

	if got := in("config", "check"); got.err != nil || !strings.Contains(got.stdout, "\nstorage none: hours wait for stackusage-agent export\n") {
		t.Errorf("%+v", got)
	}
	to := filepath.Join(t.TempDir(), "stick")
	if got := in("export", "--to", to); got.err != nil || got.stdout != "nothing to export: no hour waits\n" {
		t.Errorf("an empty spool: %+v", got)
	}
	if got := in("once"); exitCode(got.err) != 2 || !strings.Contains(got.stdout, "; 0 wait to be exported; ") {
		t.Errorf("once: %+v", got)
	}
	sp, err := spool.Open(dir)
	must(t, err)
	defer sp.Close() // as the service does, beside which an export runs
	hour := usage.Hour(440000)
	name := landing.NameOf(cloudID, hour, sha256.Sum256([]byte("hour"))).File()
	f, err := sp.Create(hour)
	must(t, err)
	_, err = f.Write([]byte("hour"))
	must(t, err)
	must(t, sp.Seal(f, name))
	if got := in("status"); !strings.Contains(got.stdout, "\nwaiting for export   1 hour, 4 bytes\n") {
		t.Errorf("status: %+v", got)
	}
	manifest := filepath.Join(to, "manifest.json")
	if got := in("export", "--to", to); got.err != nil || got.stdout != "1 file written with 4 bytes, 0 were there\n"+manifest+" lists 1 file, "+hour.String()+" up to "+(hour+1).String()+"\n" {
		t.Errorf("export: %+v", got)
	}
	m, err := delivery.ReadManifest(manifest)
	must(t, err)
	receipt := filepath.Join(to, "receipt.json")
	give := func(files []delivery.File) {
		text, err := delivery.Encode(delivery.Receipt{Format: delivery.ReceiptFormat, CloudID: cloudID, Files: files})
		must(t, err)
		must(t, os.WriteFile(receipt, text, 0o600))
	}
	other := m.Files[0]
	other.Size++
	give([]delivery.File{other})
	if got := in("export", "--confirm", receipt); exitCode(got.err) != 2 || !strings.Contains(got.stdout, "0 files marked as uploaded, 0 were before; 1 wait\n") || !strings.Contains(got.stdout, "other bytes") {
		t.Errorf("another file: %+v", got)
	}
	give(m.Files)
	if got := in("export", "--confirm", receipt); got.err != nil || got.stdout != "1 file marked as uploaded, 0 were before; 0 wait\n" {
		t.Errorf("confirm: %+v", got)
	}
	if got := in("export", "--to", t.TempDir()); got.err != nil || got.stdout != "nothing to export: no hour waits\n" {
		t.Errorf("after it: %+v", got)
	}
	for _, args := range [][]string{{"export"}, {"export", "--to", to, "--confirm", receipt}, {"export", "--to", ""}, {"export", "--confirm", manifest}, {"export", "--confirm", receipt + "x"}} {
		if got := in(args...); exitCode(got.err) != 1 {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
