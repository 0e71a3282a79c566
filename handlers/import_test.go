package handlers_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/shared/delivery"
	"stackusage/shared/imports"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
)

// TestImportedHoursAreCountedAndBilledNowhere: a disconnected stack has the capacity
// model. Nobody announces its hours: Sweep finds them.
func TestImportedHoursAreCountedAndBilledNowhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bill := newBilling(t, r)
	r.registerAs(t, func(reg *registration.Registration) {
		reg.SubscriptionKind, reg.BillingModel, reg.ReportingOff, reg.DeliveredEvery = registration.EA, registration.Capacity, true, 30
	})
	m := delivery.Manifest{Format: delivery.ManifestFormat, CloudID: cloudID}
	im := &imports.Importer{Folder: t.TempDir(), Landing: r.store.Blobs, Now: r.Now}
	for _, h := range allDay {
		file, name := blobOf(t, h, rowsOf(h)...)
		ok(t, os.WriteFile(filepath.Join(im.Folder, name.File()), file, 0o600))
		m.Add(delivery.File{Name: name.File(), Size: int64(len(file)), SHA256: fmt.Sprintf("%x", sha256.Sum256(file))})
	}
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	c, err := im.Check(t.Context(), m, history)
	ok(t, err)
	l, err := im.Land(t.Context(), c)
	ok(t, err)
	if len(l.Receipt.Files) != 3 || l.New != 3 {
		t.Fatalf("%+v %+v", c, l)
	}
	r.advance(r.Settings.SweepGrace * 2)
	r.sweep(t)
	announced := 0
	ok(t, r.store.Queues.Drain(t.Context(), queue.Landed, func(text string) error {
		announced++
		r.done(t, "IngestHour", text)
		return nil
	}))
	if announced != 3 {
		t.Errorf("Sweep announced %d of %d blobs", announced, len(allDay))
	}
	r.untilNothingIsOpen(t, rand.New(rand.NewPCG(1, 1)))
	r.verified(t)
	if records := bill.records(t); len(records) != 0 {
		t.Errorf("billed: %v", records)
	}
	report, err := usagereport.Run(t.Context(), &usagelines.Reader{Tables: r.Tables, Blobs: r.store.Blobs, Meters: r.Meters},
		usagereport.Options{Registrations: []registration.History{history}, Month: usage.Month(theDay - 9), By: []string{usagereport.Registration}, Now: r.Now()})
	ok(t, err)
	defer report.Close()
	var rows []string
	for row, err := range report.Rows() {
		ok(t, err)
		rows = append(rows, fmt.Sprint(row.State, " ", row.Quantity))
	}
	if got := strings.Join(rows, "\n"); got != "reportingOff 54.634277698583901" {
		t.Errorf("usage\n%s", got)
	}
}
