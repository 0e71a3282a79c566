// Package imports lands the hours that a person carried from a stack to Azure.
//
//	Check   manifest, then each file as ingest reads it; what is too late for commerce
//	Land    create-only into landing-<cloudId>, read back; the receipt lists what storage has
//
// It writes nothing but hour blobs: Event Grid announces them as it does those of an
// agent, and Sweep finds what is not announced.
package imports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/delivery"
	"stackusage/shared/landing"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Landing is the storage that hours land in.
type Landing interface {
	content.Opener
	// PutWhole stores a blob in one request, unless one of its name is there.
	PutWhole(ctx context.Context, container, name string, body io.ReadSeekCloser) error
}

// Importer imports one folder. All fields but Progress are set before its first use.
type Importer struct {
	Folder        string // that stackusage-agent export wrote
	Landing       Landing
	Limits        landing.Limits
	LatenessLimit time.Duration // how long after its end commerce takes a usage day; 0: for ever
	Now           func() time.Time
	Progress      func(doing string, done, of int) // called after each file; nil: nobody
}

// Checked is what Check found in the folder.
type Checked struct {
	Manifest delivery.Manifest
	Good     []delivery.File
	Bad      []Bad
	Rows     int64 // of the good files
	Late     []Late
	Unlisted int // hour files that the manifest does not list: they are left alone
}

// Bad is a file that does not land.
type Bad struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Late is a usage day that commerce takes no more.
type Late struct {
	Day          usage.Day `json:"usageDay"`
	Rows         int64     `json:"rows"`
	Until        time.Time `json:"until"`        // when commerce took it last
	ReportingOff bool      `json:"reportingOff"` // nothing of it goes to commerce anyway
}

// Open reads the manifest of the folder.
func (im *Importer) Open() (delivery.Manifest, error) {
	return delivery.ReadManifest(filepath.Join(im.Folder, delivery.ManifestName))
}

// Check reads every file that the manifest lists. Nothing lands. The error means that the
// folder cannot be read; what is wrong with a file is in Bad.
func (im *Importer) Check(ctx context.Context, m delivery.Manifest, history registration.History) (c Checked, err error) {
	c.Manifest = m
	days := map[usage.Day]int64{} // rows
	listed := map[string]bool{}
	for i, f := range m.Files {
		listed[f.Name] = true
		if err := ctx.Err(); err != nil {
			return c, err
		}
		rows, err := im.read(m.CloudID, f)
		if err != nil {
			c.Bad = append(c.Bad, Bad{f.Name, err.Error()})
		} else {
			c.Good = append(c.Good, f)
			for day, n := range rows {
				days[day] += n
				c.Rows += n
			}
		}
		im.progress("check", i+1, len(m.Files))
	}
	entries, err := os.ReadDir(im.Folder)
	if err != nil {
		return c, fmt.Errorf("import %s: %w", im.Folder, err)
	}
	for _, e := range entries {
		if _, err := landing.ParseFile(m.CloudID, e.Name()); err == nil && !listed[e.Name()] {
			c.Unlisted++
		}
	}
	c.Late, err = im.late(days, history)
	return c, err
}

func (im *Importer) progress(doing string, done, of int) {
	if im.Progress != nil {
		im.Progress(doing, done, of)
	}
}

// read reads a file to its end, and counts its rows by usage day. A row that ingest will
// reject counts on the day of the reported hour.
func (im *Importer) read(cloudID string, f delivery.File) (map[usage.Day]int64, error) {
	name, err := landing.ParseFile(cloudID, f.Name)
	if err != nil {
		return nil, err
	}
	if err := landing.CheckOver(name, im.Now()); err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Join(im.Folder, f.Name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r, err := landing.NewReader(file, name, im.Limits)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Header().Corrects != nil {
		return nil, errors.New("it is a corrected blob, which no agent writes")
	}
	rows := map[usage.Day]int64{}
	for {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		day := name.Hour.Day()
		if record, rejection := usage.ParseRecord(line.Bytes, name.Hour); rejection == nil {
			day = record.Hour.Day()
		}
		rows[day]++
	}
	if sum := r.SHA256(); sum != f.SHA256 || r.Size() != f.Size {
		return nil, fmt.Errorf("it has %d bytes with SHA-256 %s, the manifest lists %d with %s", r.Size(), sum, f.Size, f.SHA256)
	}
	return rows, nil
}

// late are the days that commerce takes no more, in order.
func (im *Importer) late(days map[usage.Day]int64, history registration.History) (late []Late, err error) {
	for _, day := range slices.Sorted(maps.Keys(days)) {
		until := day.End().Add(im.LatenessLimit)
		if im.LatenessLimit <= 0 || im.Now().Before(until) {
			continue
		}
		on, err := history.Reporting(day.Compact())
		if err != nil && !errors.Is(err, registration.ErrUnknown) {
			return nil, err
		}
		late = append(late, Late{Day: day, Rows: days[day], Until: until, ReportingOff: on == nil})
	}
	return late, nil
}

// Landed is what Land did.
type Landed struct {
	Receipt delivery.Receipt
	New     int // blobs that were not in storage before
	Bad     []Bad
}

// Land lands the good files, oldest first, and reads each back. The error means that
// storage cannot be used: a later run goes on with what is missing.
func (im *Importer) Land(ctx context.Context, c Checked) (l Landed, err error) {
	l.Receipt = delivery.Receipt{Format: delivery.ReceiptFormat, CloudID: c.Manifest.CloudID, Files: []delivery.File{}}
	for i, f := range c.Good {
		name, err := landing.ParseFile(c.Manifest.CloudID, f.Name)
		if err != nil {
			return l, err
		}
		sum, err := im.stored(ctx, name)
		if errors.Is(err, content.ErrNoBlob) {
			var bad error
			if bad, err = im.put(ctx, name, f); bad != nil {
				l.Bad = append(l.Bad, Bad{f.Name, bad.Error()})
				continue
			}
			if err == nil {
				l.New++
				sum, err = im.stored(ctx, name)
			}
		}
		if err != nil {
			return l, fmt.Errorf("import %s: %w", f.Name, err)
		}
		if sum == f.SHA256 {
			l.Receipt.Files = append(l.Receipt.Files, f)
		} else {
			l.Bad = append(l.Bad, Bad{f.Name, "storage has other bytes under this name: SHA-256 " + sum})
		}
		im.progress("land", i+1, len(c.Good))
	}
	l.Receipt.At = im.Now().UTC().Truncate(time.Second)
	return l, nil
}

// put lands a file, if it still is what was checked.
func (im *Importer) put(ctx context.Context, name landing.Name, f delivery.File) (bad, err error) {
	file, bad := os.Open(filepath.Join(im.Folder, f.Name))
	if bad != nil {
		return bad, nil
	}
	defer file.Close()
	sum, _, bad := delivery.Hash(file)
	if bad == nil && sum != f.SHA256 {
		bad = errors.New("it has changed since it was checked")
	}
	if bad == nil {
		_, bad = file.Seek(0, io.SeekStart)
	}
	if bad != nil {
		return bad, nil
	}
	return nil, im.Landing.PutWhole(ctx, name.Container(), name.Blob(), file)
}

// stored is the SHA-256 of what storage has.
func (im *Importer) stored(ctx context.Context, name landing.Name) (sum string, err error) {
	body, _, err := im.Landing.Open(ctx, name.Container(), name.Blob())
	if err != nil {
		return "", err
	}
	defer func() { err = cmp.Or(err, body.Close()) }()
	sum, _, err = delivery.Hash(body)
	return sum, err
}
