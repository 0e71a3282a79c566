package handlers_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"stackusage/shared/landing"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// TestARowWithoutALocationIsRejectedAlone: commerce declines a record without a
// location, so a row for which nobody names one waits in quarantine. Its blob counts.
func TestARowWithoutALocationIsRejectedAlone(t *testing.T) {
	t.Parallel()
	bare := func(text string) string {
		return strings.Replace(text, `\"location\":\"northwest\"`, `\"location\":\"\"`, 1)
	}
	land := func(t *testing.T, r *rig, h usage.Hour, region string, rows ...string) landing.Name {
		t.Helper()
		file, name := blobWith(t, landing.Header{CloudID: cloudID, Region: region, ReportedStart: h.Start(), CollectedAt: h.End()}, rows...)
		r.drop(t, name, file)
		r.done(t, "IngestHour", landedMessage(name))
		return name
	}
	for _, c := range []struct {
		name                 string
		registration, header string // region in each
		quarantined          int64
		location             string // of the bare row's record
	}{
		{"nobody names one", "", "", 1, ""},
		{"the header does", "", "west", 0, "west"},
		{"the registration does", "south", "", 0, "south"},
		{"both do", "south", "west", 0, "west"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			newBilling(t, r)
			r.registerAs(t, func(reg *registration.Registration) { reg.Region = c.registration })
			name := land(t, r, hour22, c.header, row(1, hour22-1, "1"), bare(row(2, hour22-1, "2")))
			land(t, r, hour23, "", row(1, hour22-1, "1")) // names no region, and is later
			land(t, r, hour00, "", row(1, hour22-1, "1"))
			if h := r.hourRow(t, name); h.Quarantined != c.quarantined || h.Accepted != 2-c.quarantined {
				t.Errorf("%d accepted, %d quarantined", h.Accepted, h.Quarantined)
			}
			for key, q := range r.rows(t, table.Quarantine) {
				if q["code"] != "LocationMissing" || !strings.HasSuffix(key, "_0000000002") {
					t.Errorf("%s: %v", key, q)
				}
			}
			r.untilNothingIsOpen(t, rand.New(rand.NewPCG(1, 1)))
			locations := map[any]bool{}
			for _, line := range r.rows(t, table.DailyUsage) {
				if line["outcome"] != "Accepted" {
					t.Errorf("%v %v: %v", line["outcome"], line["outcomeCode"], line["outcomeMessage"])
				}
				locations[line["azureStackLocation"]] = true
			}
			if want := 2 - int(c.quarantined); len(locations) != want || c.location != "" && !locations[c.location] {
				t.Errorf("locations %v", locations)
			}
		})
	}
}
