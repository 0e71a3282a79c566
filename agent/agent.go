// Package agent is what runs on the stack: it collects usage by reported hour,
// seals each hour in a spool on its own disk, and drops it as one blob. It is
// thin: rows go through as the API sent them, neither rounded nor interpreted.
//
//	Source (usage API, page by page) -> spool (one sealed file per hour) -> Drop (one blob, create only)
//
// An hour that is sealed is never asked for again, one that is dropped never
// dropped again; whatever is interrupted starts over at the next run.
package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"time"

	"stackusage/agent/spool"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// Source is the stack's usage API. Hour hands on each row of one reported hour
// exactly as sent; after an error the rows handed on are worthless.
type Source interface {
	Hour(ctx context.Context, start time.Time, row func(raw []byte) error) (pages int, err error)
	Subscriptions(ctx context.Context) (map[string]string, error)
}

// Drop stores a sealed hour. It succeeds when these very bytes are there,
// whoever put them.
type Drop interface {
	Put(ctx context.Context, name landing.Name, body io.ReadSeekCloser) error
}

// Stamp is what an hour's header says about the stack.
type Stamp struct {
	CloudID               string
	Region                string
	Domain                string
	ProviderSubscriptions []string
	AgentVersion          string
}

// Agent collects and drops. All fields are set before Collect.
type Agent struct {
	Source Source
	Drop   Drop
	Spool  *spool.Spool
	Stamp  Stamp
	Log    *slog.Logger
	Now    func() time.Time

	tenants map[string]string // last known; nil before it is asked for
}

// Report counts what a run did.
type Report struct {
	Hours     int   // of the range
	Collected int   // asked for and sealed in this run
	Dropped   int   // dropped in this run
	Rows      int64 // in the hours collected
}

// Collect makes sure that every reported hour from the first up to but without
// the last is sealed and dropped, oldest first. It stops at the first hour that
// fails: a later run goes on there.
func (a *Agent) Collect(ctx context.Context, from, to usage.Hour) (Report, error) {
	report := Report{Hours: int(to - from)}
	for h := from; h < to; h++ {
		if err := a.hour(ctx, h, &report); err != nil {
			return report, fmt.Errorf("hour %s: %w", h, err)
		}
	}
	return report, nil
}

func (a *Agent) hour(ctx context.Context, h usage.Hour, report *Report) error {
	state, file, err := a.Spool.Find(h.Compact())
	if err != nil || state == spool.Sent {
		return err
	}
	if state == spool.Absent {
		rows, name, err := a.seal(ctx, h)
		if err != nil {
			return err
		}
		file = name
		report.Collected++
		report.Rows += rows
	}
	name, err := a.nameOf(h, file)
	if err != nil {
		return err
	}
	body, err := a.Spool.Read(file)
	if err != nil {
		return err
	}
	err = a.Drop.Put(ctx, name, body)
	body.Close() // here, as an open file cannot be moved on Windows
	if err != nil {
		return err
	}
	if err := a.Spool.MarkSent(file); err != nil {
		return err
	}
	report.Dropped++
	a.Log.InfoContext(ctx, "hour dropped", slog.String("blob", name.String()))
	return nil
}

// seal collects one hour into the spool.
func (a *Agent) seal(ctx context.Context, h usage.Hour) (rows int64, file string, err error) {
	f, err := a.Spool.Create(h.Compact())
	if err != nil {
		return 0, "", err
	}
	defer a.Spool.Discard(f)
	name, trailer, err := a.collect(ctx, h, f)
	if err != nil {
		return 0, "", err
	}
	file = h.Compact() + "-" + name.SHA16 + landing.Suffix
	return trailer.Records, file, a.Spool.Seal(f, file)
}

func (a *Agent) collect(ctx context.Context, h usage.Hour, f *os.File) (landing.Name, landing.Trailer, error) {
	stale := a.lookUpTenants(ctx)
	w, err := landing.NewWriter(f, landing.Header{
		CloudID: a.Stamp.CloudID, Region: a.Stamp.Region, Domain: a.Stamp.Domain,
		ReportedStart: h.Start(), ReportedEnd: h.End(), CollectedAt: a.Now(), AgentVersion: a.Stamp.AgentVersion,
		ProviderSubscriptions: a.Stamp.ProviderSubscriptions, Tenants: a.tenants, TenantsStale: stale,
	})
	if err != nil {
		return landing.Name{}, landing.Trailer{}, err
	}
	pages, err := a.Source.Hour(ctx, h.Start(), w.Row)
	if err != nil {
		return landing.Name{}, landing.Trailer{}, err
	}
	return w.Close(pages)
}

// tenantsNote is where the spool keeps the last known map between runs.
const tenantsNote = "tenants.json"

// lookUpTenants renews the subscription -> directory tenant map. Its failure
// must not cost the hour: the last known map is used and marked stale.
// Subscriptions that left the list keep their last known tenant.
func (a *Agent) lookUpTenants(ctx context.Context) (stale bool) {
	if a.tenants == nil {
		a.tenants = a.recallTenants(ctx)
	}
	now, err := a.Source.Subscriptions(ctx)
	if err != nil {
		a.Log.WarnContext(ctx, "tenants not known, the last known map is used", slog.String("error", err.Error()))
		return true
	}
	merged := maps.Clone(a.tenants)
	maps.Copy(merged, now)
	if !maps.Equal(merged, a.tenants) {
		a.tenants = merged
		a.keepTenants(ctx)
	}
	return false
}

// recallTenants reads the map of an earlier run. Without it the hour is still
// told, so nothing here is an error.
func (a *Agent) recallTenants(ctx context.Context) map[string]string {
	known := map[string]string{}
	text, err := a.Spool.Kept(tenantsNote)
	if err == nil && text != nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		a.Log.WarnContext(ctx, "tenants of earlier runs not known", slog.String("error", err.Error()))
	}
	if err != nil || known == nil {
		return map[string]string{}
	}
	return known
}

func (a *Agent) keepTenants(ctx context.Context) {
	text, err := json.Marshal(a.tenants)
	if err == nil {
		err = a.Spool.Keep(tenantsNote, text)
	}
	if err != nil {
		a.Log.WarnContext(ctx, "tenants not kept for later runs", slog.String("error", err.Error()))
	}
}

// nameOf is the blob's name of a sealed file.
func (a *Agent) nameOf(h usage.Hour, file string) (landing.Name, error) {
	want := len(h.Compact()) + 1 + 16 + len(landing.Suffix)
	if len(file) != want {
		return landing.Name{}, fmt.Errorf("spool holds %q, which is no hour file", file)
	}
	n := landing.Name{CloudID: a.Stamp.CloudID, Hour: h, SHA16: file[len(h.Compact())+1:][:16]}
	return landing.ParseName(n.Container(), n.Blob())
}
