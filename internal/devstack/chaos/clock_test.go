package chaos

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMovedClock(t *testing.T) {
	c := movedClock{file: filepath.Join(t.TempDir(), "clock")}
	for _, by := range []time.Duration{5 * time.Hour, -2 * time.Hour} {
		if err := c.move(by); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(c.file)
		if err != nil || string(got) != by.String() {
			t.Errorf("the handlers are told %q (%v), want %s", got, err, by)
		}
	}
	if err := c.settle(); err != nil {
		t.Fatal(err)
	}
	if c.by != 12*time.Hour {
		t.Errorf("settled at %s, want seven hours after the latest time it ever showed", c.by)
	}
}
