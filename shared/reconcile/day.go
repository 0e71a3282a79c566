package reconcile

import (
	"context"
	"encoding/json"
	"fmt"

	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// dayState is what is kept of a usage day to compare a bill with.
type dayState struct {
	accepted   map[billKey]tally // by meter, payer and revision
	unanswered bool              // commerce owes answers to records of the last revision
}

type billKey struct {
	meterKey
	payer    string
	revision int64
}

// tally is a number of records and their sum.
type tally struct {
	n   int64
	sum usage.Quantity
}

func (t tally) add(q usage.Quantity) tally { return tally{t.n + 1, t.sum.Add(q)} }

func tallied[K comparable](m map[K]tally, key K, q usage.Quantity) { m[key] = m[key].add(q) }

// readDay enters what became of a usage day between its rows and the bill.
func (r *run) readDay(ctx context.Context, day usage.Day) (*dayState, error) {
	var revisions []daybook.Revision
	for rev, err := range daybook.Revisions(ctx, r.Tables, r.o.CloudID, day) {
		if err != nil {
			return nil, err
		}
		revisions = append(revisions, rev)
	}
	inputs, err := outbox.AcceptedInputs(ctx, r.Tables, r.o.CloudID, day)
	if err != nil {
		return nil, err
	}
	stated := map[string]bool{}
	var sent map[meterKey]tally // records of the last revision
	for i, rev := range revisions {
		if last := i == len(revisions)-1; last || rev.CarriedTo != "" {
			header, records, err := r.readDaily(ctx, day, rev, last)
			if err != nil {
				return nil, err
			}
			if last {
				sent = records
				for _, in := range header.Inputs {
					stated[in.ReportedHour.Compact()+"_"+in.SHA16] = true
				}
			}
		}
	}
	if err := r.enterInputs(ctx, day, inputs, stated, len(revisions)); err != nil {
		return nil, err
	}
	return r.readAnswers(ctx, day, len(revisions), sent)
}

// readDaily enters what the daily file of a revision carries to other days and,
// if it is the last, what it carries in and what it keeps. It answers the records
// that it states.
func (r *run) readDaily(ctx context.Context, day usage.Day, rev daybook.Revision, last bool) (daily.DayHeader, map[meterKey]tally, error) {
	body, err := r.open(ctx, r.Files.App, rev.File)
	if err != nil {
		return daily.DayHeader{}, nil, err
	}
	defer body.Close()
	file, err := daily.OpenDay(body)
	if err != nil {
		return daily.DayHeader{}, nil, fmt.Errorf("%s: %w", rev.File, err)
	}
	header := file.Header()
	records := map[meterKey]tally{}
	for l, err := range file.Lines() {
		if err != nil {
			return header, nil, fmt.Errorf("%s: %w", rev.File, err)
		}
		key := meterKey{usage.NormalGUID(l.MeterID), l.MeterClass == meter.Admin}
		if !r.wants(key.meter, usage.NormalGUID(l.SubscriptionID)) {
			continue
		}
		if l.Carried.Sign() != 0 {
			r.books.enter(key, day, CarriedAway, header.CarriedTo.String(), neg(l.Carried))
		}
		if !last {
			continue
		}
		if l.CarriedFrom != 0 {
			r.books.enter(key, day, CarriedIn, l.CarriedFrom.String(), l.Total)
		}
		if l.Waived.Sign() != 0 {
			r.books.enter(key, day, Waived, "", neg(l.Waived))
		}
		if header.Reporting == daily.ReportingOff && header.CarriedTo == 0 {
			r.books.enter(key, day, ReportingOff, "", l.Before.Add(l.Waived).Sub(l.Total))
		}
		if l.Record != nil {
			var record struct {
				Quantity usage.Quantity `json:"quantity"`
			}
			if err := json.Unmarshal(l.Record, &record); err != nil {
				return header, nil, fmt.Errorf("%s: record: %w", rev.File, err)
			}
			tallied(records, key, record.Quantity)
		}
	}
	return header, records, nil
}

// enterInputs enters what counts and is not closed, and what is stated and does
// not count any more.
func (r *run) enterInputs(ctx context.Context, day usage.Day, inputs []openday.Input, stated map[string]bool, revision int) error {
	for _, in := range inputs {
		name := in.Hour.Compact() + "_" + in.SHA16
		if stated[name] {
			delete(stated, name)
			continue
		}
		kind, detail := NotClosed, ""
		if revision > 0 {
			kind, detail = NotCorrected, fmt.Sprintf("revision %d", revision)
		}
		sums := r.blobs[hourlog.ID{CloudID: r.o.CloudID, Hour: in.Hour, SHA16: in.SHA16}]
		if sums == nil {
			continue // counts since the hours were read: left unexplained, and looked at again
		}
		for key, byHour := range sums.counted {
			for used, q := range byHour {
				if used.Day() == day {
					r.books.enter(key, day, kind, detail, neg(q))
				}
			}
		}
	}
	if len(stated) == 0 {
		return nil
	}
	// Their partials are kept: the next revision is still to be made.
	all, err := openday.Inputs(ctx, r.Tables, r.o.CloudID, day)
	if err != nil {
		return err
	}
	for _, in := range all {
		if stated[in.Hour.Compact()+"_"+in.SHA16] {
			if err := r.enterPartial(ctx, day, in, revision); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) enterPartial(ctx context.Context, day usage.Day, in openday.Input, revision int) error {
	path := table.ContainerPartials + "/" + in.Partial
	body, err := r.open(ctx, r.Files.App, path)
	if err != nil {
		return err
	}
	defer body.Close()
	partial, err := daily.OpenPartial(body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	own := daily.Infrastructure(partial.Header().ProviderSubscriptions)
	for s, err := range partial.Sums() {
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		key := s.Key()
		if r.wants(key.MeterID, key.SubscriptionID) {
			r.books.enter(meterKey{key.MeterID, r.free(key.SubscriptionID, s.FirstHour(), own)}, day, NotReversed, fmt.Sprintf("revision %d", revision), s.Quantity)
		}
	}
	return nil
}

// readAnswers enters what commerce accepted, and what it did not of the last
// revision: what it refused before, the next revision stated again.
func (r *run) readAnswers(ctx context.Context, day usage.Day, last int, sent map[meterKey]tally) (*dayState, error) {
	state := &dayState{accepted: map[billKey]tally{}}
	answered := map[meterKey]tally{}
	for b, err := range outbox.BilledLines(ctx, r.Tables, r.o.CloudID, day) {
		if err != nil {
			return nil, err
		}
		key := meterKey{usage.NormalGUID(b.MeterID), b.MeterClass == string(meter.Admin)}
		subscription := usage.NormalGUID(b.SubscriptionID)
		if err := r.know(subscription); err != nil {
			return nil, err
		}
		if !r.wants(key.meter, subscription) {
			continue
		}
		book := r.books.of(key)
		book.name, book.unit = b.MeterName, b.Unit
		if outcome.InBill(b.Answer) {
			add(book.bill, day, b.Stands)
			tallied(state.accepted, billKey{key, usage.NormalGUID(b.Payer), b.Revision}, b.Stands)
		}
		if b.Revision != int64(last) {
			continue
		}
		tallied(answered, key, b.Quantity)
		if kind, short := shortfalls[b.Answer]; short {
			r.books.enter(key, day, kind, fmt.Sprintf("revision %d", last), b.Stands.Sub(b.Quantity))
		}
	}
	var err error
	if len(sent) > 0 {
		state.unanswered, err = r.unanswered(ctx, day, last)
	}
	if err != nil || !state.unanswered {
		return state, err
	}
	for key, t := range sent {
		if n := t.n - answered[key].n; n > 0 {
			r.books.enter(key, day, NoOutcome, fmt.Sprintf("records of revision %d", last), answered[key].sum.Sub(t.sum))
		}
	}
	return state, nil
}

var shortfalls = map[string]Kind{outcome.Rejected: Rejected, outcome.Expired: Expired, outcome.Conflict: Conflict}

// unanswered reports whether commerce owes answers to a revision.
func (r *run) unanswered(ctx context.Context, day usage.Day, revision int) (bool, error) {
	ids, batches, err := outbox.OfRevision(ctx, r.Tables, r.o.CloudID, day, revision)
	if err != nil {
		return false, err
	}
	for _, b := range batches {
		if b.State != outbox.BatchDone {
			return true, nil
		}
	}
	// A revision whose batches are not listed yet has none that is answered.
	return len(ids) == 0, nil
}
