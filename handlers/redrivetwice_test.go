package handlers_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/redrive"
)

// TestTheSameRedriveTwiceAtOnce: a redrive is overtaken by one of the same rows,
// wherever it is. Both are told that the rows count, and they count once.
func TestTheSameRedriveTwiceAtOnce(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 3; at++ {
		r, name := refusedHour(t)
		rnd := rand.New(rand.NewPCG(4, 4))
		bill := newBilling(t, r)
		r.settle(t, rnd)
		slow := r.redriver()
		slow.Tables = r.pausing(at, func() {
			out, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
			ok(t, err)
			if out.Already {
				t.Errorf("listing %d: the one that overtakes: %+v", at, out)
			}
		})
		out, err := slow.Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
		// One that is overtaken after it announced itself finds that all is done.
		if err != nil || out.Already != (at < 2) || out.Rows != 1 || out.UsageDays != "20191210" {
			t.Errorf("listing %d: outcome %+v, error %v", at, out, err)
		}
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "8")})
	}
}

// TestRowsAsTheyCameTwice: the rules of today take a row that was rejected.
func TestRowsAsTheyCameTwice(t *testing.T) {
	t.Parallel()
	r := registered(t)
	file, name := blobOf(t, hour23, append(rowsOf(hour23), row(4, hour22, "8"))...)
	r.drop(t, name, file)
	r.commitRejecting(t, name, file, 4)
	req := redrive.Request{ID: hourID(name), Why: because("the rules take it now")}
	dry := req
	dry.DryRun = true
	was := len(r.dump(t))
	if out, err := r.redriver().Redrive(t.Context(), dry); err != nil || out.Rows != 1 || len(r.dump(t)) != was {
		t.Errorf("dry run: outcome %+v, error %v", out, err)
	}
	first, err := r.redriver().Redrive(t.Context(), req)
	ok(t, err)
	again, err := r.redriver().Redrive(t.Context(), req)
	ok(t, err)
	if first.Already || first.Rows != 1 || !again.Already || again.Rows != 1 || again.Corrected != first.Corrected {
		t.Errorf("outcomes %+v, %+v", first, again)
	}
	// The auditor reads by the rules of today, and would find the original wrong.
	if h, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name)); err != nil || h.Counts != first.Corrected || h.Accepted != 4 || h.Quarantined != 0 {
		t.Errorf("pointer %+v, error %v", h, err)
	}
}

// commitRejecting makes a file count as rules would that reject some of its lines.
func (r *rig) commitRejecting(t *testing.T, name landing.Name, file []byte, rejected ...int64) {
	t.Helper()
	in, err := ingest.New(ingest.Settings{TempDir: t.TempDir(), SpillSums: 100, Days: hourlog.OwnDays(name.Hour, r.Settings.SettlingHours)}, hourID(name))
	ok(t, err)
	defer in.Close()
	reader, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
	ok(t, err)
	defer reader.Close()
	for {
		line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		line.LeftOut = slices.Contains(rejected, line.Number)
		ok(t, in.Row(line))
	}
	h := hourlog.Hour{Blob: name.String(), SHA256: reader.SHA256(), RowSetHash: reader.RowSetHash(), Bytes: reader.Size(), Records: in.Accepted + in.Rejected, Pages: 1,
		Accepted: in.Accepted, Quarantined: in.Rejected, LandedAt: name.Hour.End()}
	inputs, err := in.PutPartials(t.Context(), r.Blobs, h, reader.Header())
	ok(t, err)
	h.UsageDays = ingest.UsageDays(inputs)
	h.RejectedFile, err = in.PutRejected(t.Context(), r.Blobs, r.Tables, h.Blob)
	ok(t, err)
	_, err = hourlog.Commit(t.Context(), r.Tables, hourID(name), h, inputs)
	ok(t, err)
}

// TestManyRedrivesAtOnce: whoever of them does it, all are told that the
// rows count.
func TestManyRedrivesAtOnce(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	bill := newBilling(t, r)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			out, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
			if err != nil || out.Rows != 1 {
				t.Errorf("outcome %+v, error %v", out, err)
			}
		})
	}
	all.Wait()
	r.settle(t, rand.New(rand.NewPCG(4, 4)))
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "8")})
}
