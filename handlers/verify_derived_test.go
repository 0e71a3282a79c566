package handlers_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/registration"
)

// otherwise gives other bytes of a blob when it is opened for the second time.
type otherwise struct {
	content.Opener
	opened int
	file   []byte
}

func (o *otherwise) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	if o.opened++; o.opened == 2 {
		return io.NopCloser(bytes.NewReader(o.file)), time.Time{}, nil
	}
	return o.Opener.Open(ctx, container, name)
}

// TestVerifyCorrectedBlobs: a redrive that changes a row which nobody fixed.
func TestVerifyCorrectedBlobs(t *testing.T) {
	t.Parallel()
	for _, broken := range []bool{false, true} {
		r := registered(t)
		newBilling(t, r)
		rows := []string{row(1, hour22, "1"), row(4, hour22, "-8"), `{}`}
		name := r.ingest(t, hour23, rows...)
		redriver := r.redriver()
		if broken {
			rows[0] = row(1, hour22, "1000")
			file, _ := blobOf(t, hour23, rows...)
			redriver.Landing = &otherwise{Opener: redriver.Landing, file: file}
		}
		out, err := redriver.Redrive(t.Context(), fix(name, 2, row(4, hour22, "8")))
		ok(t, err)
		r.untilNothingIsOpen(t, rand.New(rand.NewPCG(1, 1)))
		if report := r.audit(t); names(report, "UsageHours "+cloudID+"_20191210/23_"+out.Corrected) != broken || len(report.Differences) > 1 {
			t.Errorf("broken %t: %q", broken, report.Differences)
		}
	}
}

// TestVerifyRecordedInfrastructure: CloseDay records a list that neither an activation
// key nor a header names.
func TestVerifyRecordedInfrastructure(t *testing.T) {
	t.Parallel()
	r := registered(t)
	newBilling(t, r)
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	parts, err := history.Parts("20191210")
	ok(t, err)
	_, err = r.registrar().RecordInfrastructure(t.Context(), history, parts[0], []string{operators}, registration.Note{By: "CloseDay", Reason: "found when usage day 2019-12-10 was closed; to be confirmed"})
	ok(t, err)
	r.complete(t)
	r.untilNothingIsOpen(t, rand.New(rand.NewPCG(1, 1)))
	if report := r.audit(t); !names(report, "Registrations "+cloudID+"/infrastructure_20191210") {
		t.Errorf("%q", report.Differences)
	}
}
