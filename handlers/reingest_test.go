package handlers_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
)

// TestARejectedFileIsIngestedAgain: a file that is right by the rules of now was
// rejected for good. An operator has it read again, and it counts.
func TestARejectedFileIsIngestedAgain(t *testing.T) {
	t.Parallel()
	rejected := func(t *testing.T) (*rig, landing.Name) {
		r := registered(t)
		r.ingest(t, hour22, rowsOf(hour22)...)
		r.ingest(t, hour00, rowsOf(hour00)...)
		name := r.land(t, hour23, rowsOf(hour23)...)
		_, err := hourlog.Record(t.Context(), r.Tables, hourID(name), hourlog.Hour{Blob: name.String(), Verdict: hourlog.Rejected, Code: landing.RejectedHeader, LandedAt: time.Now()})
		ok(t, err)
		return r, name
	}
	r, name := rejected(t)
	bill := newBilling(t, r)
	r.done(t, "IngestHour", landedMessage(name))
	if h := r.hourRow(t, name); h.Verdict != hourlog.Rejected {
		t.Errorf("the functions changed a final verdict: %+v", h)
	}
	_, err := hourlog.AskReingest(t.Context(), r.Tables, hourID(name), because("we read it wrongly"))
	ok(t, err)
	r.daysPass(t) // the message is lost: Sweep announces it
	if h := r.hourRow(t, name); h.Verdict != hourlog.Accepted || h.Decision != hourlog.DecisionReingest || h.DecidedBy != "olga" {
		t.Errorf("row %+v", h)
	}
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00))

	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r, _ := rejected(t)
			return r
		},
		func(r *rig) (int, string) {
			if _, err := hourlog.AskReingest(t.Context(), r.Tables, hourID(name), because("we read it wrongly")); err != nil {
				if h := r.hourRow(t, name); h.Verdict != hourlog.Accepted {
					return 500, err.Error()
				}
			}
			return r.call("IngestHour", landedMessage(name))
		},
		sameStorage)

	t.Run("one that is rejected again is so for good, with its history", func(t *testing.T) {
		r := registered(t)
		bad := r.drop(t, nameFor(hour23, []byte("no gzip")), []byte("no gzip"))
		r.done(t, "IngestHour", landedMessage(bad))
		_, err := hourlog.AskReingest(t.Context(), r.Tables, hourID(bad), because("perhaps"))
		ok(t, err)
		r.done(t, "IngestHour", landedMessage(bad))
		if h := r.hourRow(t, bad); h.Verdict != hourlog.Rejected || h.AwaitsReingest() || h.Earlier != "2019-12-12T09:00:00Z reingest by olga: perhaps" {
			t.Errorf("row %+v", h)
		}
	})
}

// TestADuplicateIsLetInForItsHeader: the same rows under another header are no dead
// end.
func TestADuplicateIsLetInForItsHeader(t *testing.T) {
	t.Parallel()
	r := registered(t)
	bill := newBilling(t, r)
	r.complete(t)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, landing.Header{CloudID: cloudID, Region: "northwest", ReportedStart: hour00.Start(),
		CollectedAt: hour00.End().Add(24 * time.Hour), ProviderSubscriptions: []string{subscription}})
	ok(t, err)
	for _, row := range rowsOf(hour00) {
		ok(t, w.Row([]byte(row)))
	}
	name, _, err := w.Close(1)
	ok(t, err)
	r.drop(t, name, file.Bytes())
	r.done(t, "IngestHour", landedMessage(name))
	if h := r.hourRow(t, name); h.Verdict != hourlog.Duplicate {
		t.Fatalf("row %+v", h)
	}
	_, err = hourlog.AskTakeOver(t.Context(), r.Tables, hourID(name), because("the header is right in this one"))
	ok(t, err)
	_, err = hourlog.KeepOut(t.Context(), r.Tables, hourID(name), because("no, it is not"))
	ok(t, err)
	if h := r.hourRow(t, name); h.Verdict != hourlog.Duplicate || h.TakesOver() {
		t.Errorf("withdrawn: %+v", h)
	}
	r.supersede(t, name)
	if h := r.hourRow(t, name); h.Verdict != hourlog.Accepted || h.Accepted != 3 {
		t.Errorf("row %+v", h)
	}
	// Whether a closed day is free is settled: the header alone changes no bill.
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00))
}

// TestAnAgentCorrectsNothing: a header with corrects in a landing container would
// leave rows out of the bill.
func TestAnAgentCorrectsNothing(t *testing.T) {
	t.Parallel()
	r := registered(t)
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, landing.Header{CloudID: cloudID, Region: "northwest", ReportedStart: hour00.Start(), CollectedAt: hour00.End(),
		Corrects: &landing.Corrects{Original: "x", Rejected: [][2]int64{{1, 3}}}})
	ok(t, err)
	for _, row := range rowsOf(hour00) {
		ok(t, w.Row([]byte(row)))
	}
	name, _, err := w.Close(1)
	ok(t, err)
	r.drop(t, name, file.Bytes())
	r.done(t, "IngestHour", landedMessage(name))
	if h := r.hourRow(t, name); h.Verdict != hourlog.Rejected || h.Code != landing.RejectedHeader {
		t.Errorf("row %+v", h)
	}
}
