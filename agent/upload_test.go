package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/agent/spool"
	"stackusage/shared/usage"
)

// TestFilesThatTheDiskDoesNotGiveAwayHoldUpNothing has more damaged files than
// storage may refuse in a row, and a disk on which they cannot be set aside.
func TestFilesThatTheDiskDoesNotGiveAwayHoldUpNothing(t *testing.T) {
	p, dir := &played{}, t.TempDir()
	a := p.agent(t, dir, clock(1))
	const bad = 10
	for n := range bad {
		name := spool.Entry{Hour: smallFirst - 100, SHA16: strings.Repeat("0", 15) + string(rune('0'+n))}.Name()
		if err := os.WriteFile(filepath.Join(dir, "sealed", name), []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	aside := filepath.Join(dir, "damaged")
	if err := os.Remove(aside); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(aside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := a.Once(t.Context())
	if err == nil || !strings.Contains(err.Error(), "set the damaged file") || !strings.HasSuffix(err.Error(), "\nand 7 more") {
		t.Errorf("got %v", err)
	}
	if report.Uploaded != 2 {
		t.Errorf("%+v", report)
	}
	p.mustHave(t, hours(0, 1), hours(0, 1))
}

// TestADiskThatCannotTellWhatIsUploaded has a spool in which nothing can be marked
// sent: storage is not sent the whole backlog in each try.
func TestADiskThatCannotTellWhatIsUploaded(t *testing.T) {
	p, dir := &played{storage: func(usage.Hour) error { return errBroken }}, t.TempDir()
	a := p.agent(t, dir, clock(9))
	if _, err := a.Once(t.Context()); err == nil {
		t.Fatal("uploaded")
	}
	if err := os.Remove(filepath.Join(dir, "sent")); err != nil {
		t.Fatal(err)
	}
	p.storage, p.uploaded = nil, nil
	if _, err := a.Once(t.Context()); err == nil || len(p.uploaded) != 3 {
		t.Errorf("%d hours were sent, %v", len(p.uploaded), err)
	}
}
