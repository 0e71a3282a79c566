package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"stackusage/shared/daily"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/strictjson"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
	"stackusage/shared/usage"
)

// sending is one try of one batch.
type sending struct {
	id       outbox.ID
	batch    outbox.Batch
	body     []byte
	records  []daily.Record
	rows     func() []table.Row        // of DailyUsage, without answers; made once
	raw      []strictjson.Value        // the records' bytes as they stand in body; use bytesOf
	outcomes map[string]outcome.Result // final ones, by recordId
	taken    bool                      // commerce answered a request of this try record by record

	lease       string    // the name of this try; its row says whose lease holds
	leased      bool      // this try may have leased the batch, and has not noted how it ended
	leasedUntil time.Time // as its row says: nobody else sends before that
	ends        time.Time // just before that, by the process's own clock
	whole       bool      // leased until this invocation must have ended
	unread      bool      // an answer of this try had no result that could be read
	silent      bool      // an operator settles what is open, and requests with it had no answer
	again       bool      // an operator asked for another try while this one was under way
}

func newSending(id outbox.ID, batch outbox.Batch, body []byte) (*sending, error) {
	records, err := daily.DecodeBatch(body)
	if err != nil {
		return nil, err
	}
	return &sending{id: id, batch: batch, body: body, records: records, outcomes: make(map[string]outcome.Result, len(records)), lease: uuid.NewString(),
		rows: sync.OnceValue(func() []table.Row { return outbox.Rows(id, records) })}, nil
}

// prepare makes the rows while commerce has the batch. A panic comes again where they
// are used: there it ends this invocation, and not the process.
func (s *sending) prepare() {
	defer func() { _ = recover() }()
	s.rows()
}

// bytesOf are the bytes of a record as they stand in the body. Few tries need them.
func (s *sending) bytesOf(record int) []byte {
	if s.raw == nil {
		raw, err := daily.SplitBatch(s.body)
		if err != nil { // newSending has read its records: cannot happen
			panic(fmt.Sprintf("forward: split batch %s: %v", s.id, err))
		}
		s.raw = raw
	}
	return s.raw[record]
}

// open lists the records without a final answer, by their place in the batch.
func (s *sending) open() []int {
	var open []int
	for i, r := range s.records {
		if _, ok := s.outcomes[r.RecordID]; !ok {
			open = append(open, i)
		}
	}
	return open
}

// openOf lists those of some records that have no final answer.
func (s *sending) openOf(some []int) []int {
	return slices.DeleteFunc(slices.Clone(some), func(i int) bool { _, ok := s.outcomes[s.records[i].RecordID]; return ok })
}

// request is the body of a request with some of the records, byte for byte as
// they were committed, and its id. With all of them it is the batch.
func (s *sending) request(some []int) (id string, body []byte) {
	id = s.id.String()
	if len(some) == len(s.records) {
		return id, s.body
	}
	parts := make([][]byte, len(some))
	for i, n := range some {
		parts[i] = s.bytesOf(n)
	}
	id = fmt.Sprintf("%s_%d-%d", id, some[0]+1, some[len(some)-1]+1)
	return id, slices.Concat([]byte(`{"records":[`), bytes.Join(parts, []byte{','}), []byte(`]}`))
}

// readBackAfter is how many tries in a row may have an unknown outcome before
// commerce is asked what it has accepted. Sending again alone does no harm, but
// it does not end where replies are lost on their way every time.
const readBackAfter = 2

// send sends what is open to commerce until each record has an outcome or cause says why
// the rest must wait. An err is storage's; table.ErrChanged among them means
// that another sender has the batch.
func (f *Forwarder) send(ctx context.Context, s *sending) (cause, err error) {
	if s.batch.Partial {
		if err := f.recall(ctx, s); err != nil {
			return nil, err
		}
	}
	if from := s.batch.SettleFrom; s.batch.SettledAs() == outbox.SettleDeclined && !from.IsZero() {
		if f.Now().Before(from) || f.onItsWay(s) > 0 {
			return errOnItsWay, nil
		}
		return f.settleOpen(ctx, s)
	}
	if s.batch.Unknowns >= readBackAfter {
		if cause, err := f.readBack(ctx, s, s.open()); cause != nil || err != nil {
			if failure := failureOf(cause); err != nil || failure != nil && (failure.Kind == Busy || failure.Kind == Credentials) {
				return cause, err
			}
			// Sending goes on without it: nothing that commerce has is taken twice.
			telemetry.Logger(ctx).WarnContext(ctx, "read-back failed", slog.String("batch", s.id.String()), slog.String("cause", cause.Error()))
		} else {
			s.batch.Unknowns = 0
		}
	}
	if open := s.open(); len(open) > 0 {
		cause, err = f.post(ctx, s, open)
		if f.apart(s, cause) {
			cause, err = f.sendApart(ctx, s, open, cause)
		}
	}
	if err != nil {
		return nil, err
	}
	if s.taken {
		s.batch.DeclinedSince = time.Time{}
	}
	if cause == nil {
		cause = s.leftOut(s.open())
	}
	return cause, nil
}

// leftOut is an error if some records have no answer that can be read.
func (s *sending) leftOut(open []int) error {
	if len(open) == 0 {
		return nil
	}
	return &Failure{Kind: Unreadable, Status: http.StatusOK, Err: fmt.Errorf("%d of %d records have no answer", len(open), len(s.records))}
}

// failureOf is the failure of commerce in an error; nil if there is none.
func failureOf(err error) *Failure {
	var failure *Failure
	errors.As(err, &failure)
	return failure
}

func unreadable(cause error) bool {
	failure := failureOf(cause)
	return failure != nil && failure.Kind == Unreadable
}

// post sends some of the records and keeps their answers.
func (f *Forwarder) post(ctx context.Context, s *sending, some []int) (cause, err error) {
	id, body := s.request(some)
	// Not one request may be on its way when somebody else takes over.
	limited, cancel := context.WithDeadline(ctx, s.ends)
	defer cancel()
	go s.prepare()
	results, cause := f.Commerce.Send(limited, id, body)
	if noResponse(cause) != nil {
		s.batch.NoResponseAt = table.UTC(f.Now())
	}
	waits := false
	if cause == nil && s.batch.Tries > 1 {
		if waits, cause, err = f.readUnbilled(ctx, s, some, results); cause != nil || err != nil {
			return cause, err
		}
	}
	if cause == nil {
		if err := f.keep(ctx, s, some, results, true); err != nil {
			return nil, err
		}
		if cause = s.leftOut(s.openOf(some)); waits {
			cause = errOnItsWay
		}
	}
	if unreadable(cause) && !s.unread {
		s.unread = true
		s.batch.Unread++
	}
	return cause, nil
}

// keep records the answers to some of the records. Results for others are
// ignored, and a conflict that does not say what is stored is no answer yet:
// the next revision could not be stated against it.
func (f *Forwarder) keep(ctx context.Context, s *sending, some []int, results map[string]outcome.Result, taken bool) error {
	records, rows := make([]daily.Record, 0, len(some)), make([]table.Row, 0, len(some))
	answers := make(map[string]outbox.Answer, len(some))
	billed := true
	for _, i := range some {
		r, ok := results[s.records[i].RecordID]
		if !ok {
			continue
		}
		if r.Status == outcome.Conflict {
			stored, err := usage.ParseForeignSum(r.Quantity)
			if err != nil {
				continue
			}
			r.Quantity = stored.String() // as the receipt writes it
		}
		if taken {
			r.Code = foreignCode(r.Code)
		}
		billed = billed && outcome.Taken(r.Status)
		records, rows = append(records, s.records[i]), append(rows, s.rows()[i])
		answers[r.RecordID] = outbox.Answer{Status: r.Status, Code: r.Code, Message: r.Message, Quantity: r.Quantity}
	}
	if len(records) == 0 {
		return nil
	}
	// A billed record may be sent again: the answer is Duplicate. One that is not
	// could be taken the next time, and be billed while DailyUsage says it is not.
	if !billed {
		if err := f.leasePartial(ctx, s); err != nil {
			return err
		}
	}
	stand, err := outbox.KeepRows(ctx, f.Tables, s.id, records, rows, answers)
	if err != nil {
		return err
	}
	for id, k := range stand {
		if was, is := outcome.InBill(k.Status), outcome.InBill(answers[id].Status); was != is {
			telemetry.Logger(ctx).ErrorContext(ctx, "final outcome changed; the first one stands", slog.String("batch", s.id.String()),
				slog.String("recordId", id), slog.String("first", k.Status), slog.String("now", answers[id].Status))
		}
		s.outcomes[id] = resultOf(id, k)
	}
	s.taken = s.taken || taken
	return nil
}

// foreignCode is a code of commerce's. One that is spelled as ours for an operator's
// decision is changed, or its record would be waived without a decision.
func foreignCode(code string) string {
	if code == outbox.CodeDecided {
		return "Commerce" + code
	}
	return code
}

func resultOf(id string, k outbox.Answer) outcome.Result {
	return outcome.Result{RecordID: id, Status: k.Status, Code: k.Code, Message: k.Message, Quantity: k.Quantity}
}

// recall reads the answers that earlier tries recorded. A record that has one
// is not sent again: another answer would contradict the row.
func (f *Forwarder) recall(ctx context.Context, s *sending) error {
	answers, err := outbox.Answers(ctx, f.Tables, s.id, s.records)
	for id, k := range answers {
		s.outcomes[id] = resultOf(id, k)
	}
	return err
}
