package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/agent"
	"stackusage/agent/blobs"
	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// snapshot copies a spool as a kill at this moment would leave it on the disk,
// and returns the error with which the run that goes on in the original ends.
func (s *stand) snapshot(t *testing.T) error {
	t.Helper()
	killed := t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	s.dir = killed
	return errBroken
}

// rename moves a folder of the spool.
func (s *stand) rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(s.dir, from), filepath.Join(s.dir, to)); err != nil {
		t.Fatal(err)
	}
}

func TestAnInterruptedHourLandsOnce(t *testing.T) {
	const hours, at = 4, 2           // the third hour is interrupted
	const third = usage.Hour(474820) // of the scenario; it takes a few pages of the size below
	hit := third.Start()
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, s *stand, a *agent.Agent)
		mend    func(t *testing.T, s *stand)
		asked   bool // the next run has to ask the stack for the hour again
	}{
		{name: "the stack cuts the answer", asked: true, prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Source = s.faulting(t, hit, `{"status":0,"cutAfter":5000}`)
		}},
		{name: "the stack fails at the second page", asked: true, prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Source = s.faulting(t, hit, `{"status":503,"skip":1}`)
		}},
		{name: "a kill in the middle of an hour", asked: true, prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Source = source{Source: s.source, hour: func(ctx context.Context, start time.Time, row func([]byte) error) (int, error) {
				n := 0
				return s.source.Hour(ctx, start, func(raw []byte) error {
					if n++; start.Equal(hit) && n == 30 {
						return s.snapshot(t)
					}
					return row(raw)
				})
			}}
		}},
		{name: "a failure after the last row", asked: true, prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Source = source{Source: s.source, hour: func(ctx context.Context, start time.Time, row func([]byte) error) (int, error) {
				pages, err := s.source.Hour(ctx, start, row)
				if start.Equal(hit) {
					err = errBroken
				}
				return pages, err
			}}
		}},
		{name: "the hour cannot be sealed", asked: true, prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Source = source{Source: s.source, hour: func(ctx context.Context, start time.Time, row func([]byte) error) (int, error) {
				if start.Equal(hit) {
					s.rename(t, "sealed", "away")
				}
				return s.source.Hour(ctx, start, row)
			}}
		}, mend: func(t *testing.T, s *stand) { s.rename(t, "away", "sealed") }},
		{name: "a kill after the seal and before the upload", prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Storage = s.uploading(hit, func(context.Context, func() error) error { return s.snapshot(t) })
		}},
		{name: "the upload fails", prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Storage = s.uploading(hit, func(context.Context, func() error) error { return errBroken })
		}},
		{name: "the upload is stored and reported as failed", prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Storage = s.uploading(hit, func(_ context.Context, put func() error) error { return errors.Join(put(), errBroken) })
		}},
		{name: "a kill after the upload and before it is marked", prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Storage = s.uploading(hit, func(_ context.Context, put func() error) error { return errors.Join(put(), s.snapshot(t)) })
		}},
		{name: "the hour cannot be marked", prepare: func(t *testing.T, s *stand, a *agent.Agent) {
			a.Storage = s.uploading(hit, func(_ context.Context, put func() error) error {
				s.rename(t, "sent", "away")
				return put()
			})
		}, mend: func(t *testing.T, s *stand) { s.rename(t, "away", "sent") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScenario(t, azurestack.Options{PageSize: 25})
			from := third - at
			a := s.agent(t)
			tt.prepare(t, s, a)
			report, err := collect(t.Context(), a, from, third+1)
			if err == nil || tt.asked && !strings.HasPrefix(err.Error(), "hour "+third.String()+": ") {
				t.Fatalf("the run ended with %v", err)
			}
			if report.Uploaded != at {
				t.Errorf("%d hours were uploaded before, want %d", report.Uploaded, at)
			}
			if tt.mend != nil {
				tt.mend(t, s)
			}

			want := agent.Report{Hours: hours - at - 1, Collected: hours - at - 1, Uploaded: hours - at}
			if tt.asked {
				want.Hours, want.Collected = want.Hours+1, want.Collected+1
			}
			report, err = collect(t.Context(), s.agent(t), from, from+hours)
			if err != nil {
				t.Fatal(err)
			}
			report.Rows = 0
			if diff := cmp.Diff(want, report); diff != "" {
				t.Errorf("the next run (-want +got)\n%s", diff)
			}
			s.mustHaveLanded(t, from, from+hours)
			if left, err := os.ReadDir(filepath.Join(s.dir, "tmp")); err != nil || len(left) != 0 {
				t.Errorf("tmp holds %v, %v", left, err)
			}
		})
	}
}

// faulting is the real source, with a fault of the stack while it tells one hour.
func (s *stand) faulting(t *testing.T, hour time.Time, fault string) agent.Source {
	return source{Source: s.source, hour: func(ctx context.Context, start time.Time, row func([]byte) error) (int, error) {
		if start.Equal(hour) {
			s.post(t, "/_devstack/faults", strings.NewReader(fault))
		}
		return s.source.Hour(ctx, start, row)
	}}
}

// uploading is the real upload, with the first Put of one hour replaced and its others
// failing. put is the real one.
func (s *stand) uploading(hour time.Time, instead func(ctx context.Context, put func() error) error) agent.Storage {
	real, done := blobs.Storage{Client: s.blobs}, false
	return upload(func(ctx context.Context, name landing.Name, body io.ReadSeekCloser) error {
		put := func() error { return real.Put(ctx, name, body) }
		if !name.Hour.Start().Equal(hour) {
			return put()
		}
		if done {
			return errBroken
		}
		done = true
		return instead(ctx, put)
	})
}

// shelf is a storage that takes each name once.
type shelf map[string][]byte

func (s shelf) put(name landing.Name, body io.Reader) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if have, ok := s[name.Blob()]; ok && !bytes.Equal(have, text) {
		return fmt.Errorf("%s has two contents", name)
	}
	s[name.Blob()] = text
	return nil
}

func TestWhateverBreaksEachHourLandsOnce(t *testing.T) {
	const first, hours, rows = usage.Hour(438000), 4, 5
	root := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		dir := filepath.Join(root, fmt.Sprint(run))
		stored := shelf{}
		// Which of the next steps break; after them all goes well.
		broken := rapid.SliceOfN(rapid.Bool(), 0, 60).Draw(rt, "broken")
		step := func() error {
			if len(broken) == 0 {
				return nil
			}
			bad := broken[0]
			broken = broken[1:]
			if bad {
				return errBroken
			}
			return nil
		}
		src := source{
			subscriptions: func(context.Context) (map[string]string, error) { return nil, step() },
			hour: func(_ context.Context, start time.Time, row func([]byte) error) (int, error) {
				for n := range rows {
					if err := errors.Join(step(), row(fmt.Appendf(nil, "%s row %d", start, n))); err != nil {
						return 0, err
					}
				}
				return 1, step()
			},
		}
		put := upload(func(_ context.Context, name landing.Name, body io.ReadSeekCloser) error {
			if err := step(); err != nil {
				return err
			}
			return errors.Join(stored.put(name, body), step())
		})
		for tries := 0; ; tries++ {
			a := newAgent(t, dir, src, put)
			_, err := collect(t.Context(), a, first, first+hours)
			if err == nil {
				break
			}
			if !errors.Is(err, errBroken) || tries > 60 {
				rt.Fatalf("after %d tries: %v", tries, err)
			}
		}
		if len(stored) != hours {
			rt.Fatalf("%d blobs for %d hours", len(stored), hours)
		}
		for blob, text := range stored {
			name, err := landing.ParseName(landing.Container(cloudID), blob)
			if err != nil {
				rt.Fatal(err)
			}
			var want strings.Builder
			for n := range rows {
				fmt.Fprintf(&want, "%s row %d\n", name.Hour.Start(), n)
			}
			if got := read(t, name, text); got.Rows != want.String() {
				rt.Fatalf("hour %s: %s", name.Hour, got.Rows)
			}
		}
	})
}
