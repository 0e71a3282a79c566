package usagesums_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/internal/closeddays"
	"stackusage/internal/memstore"
	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagesums"
)

const (
	cloudID      = "b31316d4-de02-43a4-903d-eb74f8258b01"
	subscription = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	tenant       = "3c1d9d6e-36d9-4d3c-9c0a-0d6f3b1f1a01"
	other        = "4c1d9d6e-36d9-4d3c-9c0a-0d6f3b1f1a02"
)

var first = usage.HourOf(time.Date(2019, 12, 10, 0, 0, 0, 0, time.UTC)).Day()

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scene is a stack in memory.
type scene struct {
	closeddays.Stack
	account *memstore.Account
	reader  *usagelines.Reader
}

func newScene(t testing.TB) *scene {
	meters, err := meter.BuiltIn()
	ok(t, err)
	account := memstore.New()
	ok(t, account.Tables.Create(context.Background(), table.Names()...))
	ok(t, account.Blobs.Create(context.Background(), table.Containers()...))
	return &scene{account: account, reader: &usagelines.Reader{Tables: account.Tables, Blobs: account.Blobs, Meters: meters},
		Stack: closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(),
			Billing: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11", Model: registration.PayAsYouUse, Tenants: map[string]string{subscription: tenant}}}
}

func (s *scene) use(t testing.TB, day usage.Day, resource, quantity string) {
	t.Helper()
	q, err := usage.ParseQuantity(quantity)
	ok(t, err)
	s.Use(usage.Record{Hour: day.First(), Quantity: q, Shown: usage.Shown{SubscriptionID: subscription, MeterID: meter.BaseVM,
		ResourceURI: "/subscriptions/" + subscription + "/resourceGroups/rg/providers/a/b/" + resource}})
}

// head is the last revision of a day.
func (s *scene) head(t testing.TB, day usage.Day) *usagelines.Day {
	t.Helper()
	days, err := s.reader.Closed(t.Context(), usagelines.Query{CloudID: cloudID, First: day, Last: day})
	ok(t, err)
	if len(days) != 1 {
		t.Fatalf("%d days", len(days))
	}
	return days[0]
}

func (s *scene) find(t testing.TB, c *usagesums.Cache, day usage.Day) (found, final bool) {
	t.Helper()
	sums, final, err := c.Find(t.Context(), s.head(t, day))
	ok(t, err)
	if sums != nil {
		ok(t, sums.Close())
	}
	return sums != nil, final
}

func (s *scene) make(t testing.TB, c *usagesums.Cache, day usage.Day) (*usagesums.Day, bool) {
	t.Helper()
	_, final := s.find(t, c, day)
	sums, kept, err := c.Make(t.Context(), s.head(t, day), usagesums.Making{Final: final, TempDir: t.TempDir(), Line: func() {}})
	ok(t, err)
	t.Cleanup(func() { _ = sums.Close() })
	return sums, kept
}

func cacheIn(t testing.TB, dir string, size int64) *usagesums.Cache {
	t.Helper()
	c, err := usagesums.In(dir, size)
	ok(t, err)
	return c
}

func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ok(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func say(status string) func(int, daily.Record) outcome.Result {
	return func(int, daily.Record) outcome.Result { return outcome.Result{Status: status} }
}

func TestADayIsFoundOnceItIsMade(t *testing.T) {
	s, dir := newScene(t), filepath.Join(t.TempDir(), "a", "b")
	s.use(t, first, "a", "4")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
	c := cacheIn(t, dir, 1<<20)
	if found, final := s.find(t, c, first); found || !final {
		t.Error("found before it is made, or not final")
	}
	sums, kept := s.make(t, c, first)
	if found, _ := s.find(t, c, first); !kept || !found || sums.Lines != 1 || sums.Owners[0].Tenant != tenant {
		t.Errorf("kept %v, found %v, %+v", kept, found, sums)
	}
	name := s.head(t, first).Revision.SHA256 + ".sums"
	if got := names(t, dir); got != name {
		t.Errorf("files %s, want %s", got, name)
	}
	file, err := os.Stat(filepath.Join(dir, name))
	ok(t, err)
	folder, err := os.Stat(dir)
	ok(t, err)
	if file.Mode().Perm() != 0o600 || folder.Mode().Perm() != 0o700 {
		t.Errorf("modes %v and %v", file.Mode(), folder.Mode())
	}
}

// TestWhatLinesDependOn: each change of it makes what is cached as good as none.
func TestWhatLinesDependOn(t *testing.T) {
	expire := closeddays.Revision{Outcome: say(outcome.Expired)}
	for name, c := range map[string]struct {
		before, after func(*scene)
	}{
		"a new revision": {func(*scene) {}, func(s *scene) {
			s.use(t, first+1, "b", "3")
			ok(t, s.Close(t.Context(), first+1, closeddays.Revision{}))
		}},
		"the settlement of a day that usage was carried from": {func(*scene) {}, func(s *scene) {
			s.Tenants[subscription] = other
			ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
		}},
		"a receipt": {func(*scene) {}, func(s *scene) {
			for row, err := range s.account.Tables.List(t.Context(), table.UsageBatches, cloudID+"_"+(first+1).Compact(), "", "") {
				ok(t, err)
				row.Props["receiptSha256"] = strings.Repeat("0", 64)
				ok(t, s.account.Tables.Apply(t.Context(), table.UsageBatches, row.Partition, table.Op{Verb: table.Put, Row: row}))
			}
		}},
		"another catalogue": {func(*scene) {}, func(s *scene) {
			for row, err := range s.account.Tables.List(t.Context(), table.UsageDays, cloudID, (first + 1).Compact(), "") {
				ok(t, err)
				row.Props["catalogue"] = strings.Repeat("0", 64)
				ok(t, s.account.Tables.Apply(t.Context(), table.UsageDays, row.Partition, table.Op{Verb: table.Put, Row: row}))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.use(t, first, "a", "4")
			ok(t, s.Close(t.Context(), first, expire))
			ok(t, s.Close(t.Context(), first, closeddays.Revision{CarryTo: first + 1}))
			ok(t, s.Close(t.Context(), first+1, closeddays.Revision{}))
			cache := cacheIn(t, t.TempDir(), 1<<20)
			s.make(t, cache, first+1)
			if found, _ := s.find(t, cache, first+1); !found {
				t.Fatal("it is not in the cache")
			}
			c.after(s)
			if found, _ := s.find(t, cache, first+1); found {
				t.Error("it is still found")
			}
		})
	}
}

// TestOpenDaysAreNotKept: records without an outcome may get one at any time.
func TestOpenDaysAreNotKept(t *testing.T) {
	s, dir := newScene(t), t.TempDir()
	s.use(t, first, "a", "4")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{Outcome: say("")}))
	c := cacheIn(t, dir, 1<<20)
	sums, kept := s.make(t, c, first)
	if found, final := s.find(t, c, first); kept || found || final || names(t, dir) != "" {
		t.Errorf("kept %v, found %v, final %v, files %s", kept, found, final, names(t, dir))
	}
	ok(t, sums.Close())
}

// TestTheFolderIsBounded: what was not used for longest goes first, and what an
// interrupted process left goes too.
func TestTheFolderIsBounded(t *testing.T) {
	s, dir := newScene(t), t.TempDir()
	c := cacheIn(t, dir, 1<<20)
	for day := first; day < first+4; day++ {
		s.use(t, day, "a", "4")
		ok(t, s.Close(t.Context(), day, closeddays.Revision{}))
		s.make(t, c, day)
	}
	size := int64(0)
	for i, day := range []usage.Day{first + 1, first, first + 2, first + 3} { // in order of use
		path := filepath.Join(dir, s.head(t, day).Revision.SHA256+".sums")
		at := time.Now().Add(time.Duration(i-10) * 24 * time.Hour)
		ok(t, os.Chtimes(path, at, at))
		info, err := os.Stat(path)
		ok(t, err)
		size = info.Size()
	}
	left, fresh := filepath.Join(dir, "left.tmp"), filepath.Join(dir, "fresh.tmp")
	ok(t, os.WriteFile(left, nil, 0o600))
	ok(t, os.WriteFile(fresh, nil, 0o600))
	old := time.Now().Add(-2 * time.Hour)
	ok(t, os.Chtimes(left, old, old))
	if found, _ := s.find(t, c, first); !found { // it is used now
		t.Fatal("not found")
	}
	s.use(t, first+4, "a", "4")
	ok(t, s.Close(t.Context(), first+4, closeddays.Revision{}))
	s.make(t, cacheIn(t, dir, 3*size+size/2), first+4)
	for day, want := range map[usage.Day]bool{first: true, first + 1: false, first + 2: false, first + 3: true, first + 4: true} {
		if found, _ := s.find(t, c, day); found != want {
			t.Errorf("day %s: found %v, want %v", day-first, found, want)
		}
	}
	if got := names(t, dir); strings.Contains(got, "left.tmp") || !strings.Contains(got, "fresh.tmp") {
		t.Errorf("files %s", got)
	}
}

// TestNoFolder: a folder that takes no files is an error of Open, and sums are made
// without it.
func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(file, nil, 0o600))
	if _, err := usagesums.Open(func(string) string { return file }); err == nil || !strings.Contains(err.Error(), usagesums.Env) {
		t.Errorf("error %v", err)
	}
	s, dir := newScene(t), filepath.Join(t.TempDir(), "gone")
	s.use(t, first, "a", "4")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
	c := cacheIn(t, dir, 1<<20)
	ok(t, os.RemoveAll(dir)) // it may be deleted at any time
	if sums, kept := s.make(t, c, first); kept || sums.Lines != 1 {
		t.Errorf("kept %v, %d lines", kept, sums.Lines)
	}
	if os.Geteuid() == 0 {
		t.Log("root writes to folders that are read only: not tried")
		return
	}
	ok(t, os.MkdirAll(dir, 0o500))
	if _, err := usagesums.In(dir, 1<<20); !errors.Is(err, os.ErrPermission) {
		t.Errorf("error %v", err)
	}
}

// TestTwoFillAtOnce: several makers of one day leave one file, which is whole.
func TestTwoFillAtOnce(t *testing.T) {
	s, dir := newScene(t), t.TempDir()
	for i := range 200 {
		s.use(t, first, fmt.Sprint(i), "4")
	}
	ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
	var all sync.WaitGroup
	for range 4 {
		c := cacheIn(t, dir, 1<<20) // as another process has it
		for range 2 {
			all.Go(func() {
				sums, kept, err := c.Make(t.Context(), s.head(t, first), usagesums.Making{Final: true, TempDir: dir, Line: func() {}})
				if err != nil || !kept || sums.Lines != 200 {
					t.Errorf("kept %v: %v", kept, err)
					return
				}
				ok(t, sums.Close())
			})
		}
	}
	all.Wait()
	if found, _ := s.find(t, cacheIn(t, dir, 1<<20), first); !found || strings.Contains(names(t, dir), " ") {
		t.Errorf("found %v, files %s", found, names(t, dir))
	}
}

// TestKilledWhileWriting: a process that is killed leaves a temporary file, which is not
// used.
func TestKilledWhileWriting(t *testing.T) {
	if dir := os.Getenv("STACKUSAGE_TEST_KILL"); dir != "" {
		s := newScene(t)
		s.use(t, first, "a", "4")
		ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
		_, _, _ = cacheIn(t, dir, 1<<20).Make(t.Context(), s.head(t, first), usagesums.Making{Final: true, TempDir: dir, Line: func() {
			process, err := os.FindProcess(os.Getpid())
			ok(t, err)
			ok(t, process.Kill())
			select {}
		}})
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledWhileWriting$")
	child.Env = append(os.Environ(), "STACKUSAGE_TEST_KILL="+dir)
	if err := child.Run(); err == nil {
		t.Fatal("it was not killed")
	}
	if !strings.Contains(names(t, dir), ".tmp") {
		t.Fatalf("files %s", names(t, dir))
	}
	s := newScene(t)
	s.use(t, first, "a", "4")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
	c := cacheIn(t, dir, 1<<20)
	if found, _ := s.find(t, c, first); found {
		t.Error("what was not written whole is found")
	}
	if sums, kept := s.make(t, c, first); !kept || sums.Lines != 1 {
		t.Errorf("kept %v", kept)
	}
}
