package agent_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stackusage/agent"
	"stackusage/agent/spool"
	"stackusage/shared/usage"
)

func TestAFullDiskStopsCollectingAndNotUploading(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=755"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("a full disk needs the right to mount one: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })

	p := &played{storage: func(usage.Hour) error { return errBroken }}
	begin := func() *agent.Agent {
		a := p.agent(t, dir, clock(9))
		src := p.source()
		src.hour = func(_ context.Context, start time.Time, row func([]byte) error) (int, error) {
			p.asked = append(p.asked, usage.HourOf(start))
			for range 2000 { // what gzip makes no smaller than 32 KiB
				if err := row(fmt.Appendf(nil, `{"n":"%016x%016x"}`, rand.Uint64(), rand.Uint64())); err != nil {
					return 0, err
				}
			}
			return 1, nil
		}
		a.Source = src
		a.Spool.Limits = spool.Limits{MinFree: -1}
		a.Settings.KeepSent = 0
		return a
	}
	a := begin()
	report, err := a.Once(t.Context())
	var full *spool.FullError
	if !errors.As(err, &full) || full.Bound != "disk" || report.Collected == 0 || report.Collected > 8 {
		t.Fatalf("%+v, %v", report, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("tmp holds %v, %v", left, err)
	}
	if s, err := a.Status(); err != nil || s.BacklogHours != report.Collected || s.CollectError == nil {
		t.Errorf("%+v, %v", s, err)
	}
	p.storage = nil
	if again, err := begin().Once(t.Context()); err != nil || again.Uploaded != 10 || again.Collected != 10-report.Collected {
		t.Errorf("%+v, %v", again, err)
	}
	if len(p.uploaded) != 10 {
		t.Errorf("uploaded %v", p.uploaded)
	}
}
