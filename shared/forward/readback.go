package forward

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"stackusage/shared/outcome"
	"stackusage/shared/usage"
)

// codeReadBack is the answer code of a record whose answer got lost and was
// read back.
const codeReadBack = "ReadBack"

// readBack asks which of some records commerce has accepted already, and keeps
// that as their answers.
func (f *Forwarder) readBack(ctx context.Context, s *sending, some []int) (cause, err error) {
	ids := make([]string, len(some))
	for i, n := range some {
		ids[i] = s.records[n].RecordID
	}
	accepted, cause := f.Commerce.Accepted(ctx, s.id.CloudID, s.id.Day.String(), ids)
	if cause != nil || len(accepted) == 0 {
		return cause, nil
	}
	found := map[string]outcome.Result{}
	var unreadable error
	for _, i := range some {
		r, has := accepted[s.records[i].RecordID]
		if !has {
			continue
		}
		result := outcome.Result{RecordID: r.RecordID, Status: outcome.Accepted, Code: codeReadBack}
		if sum := sha256.Sum256(s.bytesOf(i)); r.SHA256 != hex.EncodeToString(sum[:]) {
			result.Status, result.Quantity, result.Message = outcome.Conflict, r.Quantity, "commerce has other bytes under this recordId"
			if _, err := usage.ParseForeignSum(r.Quantity); err != nil { // it must not count as one that commerce has not got
				unreadable = &Failure{Kind: Unknown, Status: http.StatusOK, Err: fmt.Errorf("read back record %s: stored quantity: %w", r.RecordID, err)}
			}
		}
		found[r.RecordID] = result
	}
	if err := f.leasePartial(ctx, s); err != nil {
		return nil, err
	}
	return unreadable, f.keep(ctx, s, some, found, false)
}

// readUnbilled reads back records that are told Rejected or Expired now: an
// earlier try may have been taken while its answer, or this process, got lost.
// What commerce has is billed, whatever it says of a repeat, and the next
// revision must not bill it again. While a request may still be on its way, what is
// told so has no answer yet: waits.
func (f *Forwarder) readUnbilled(ctx context.Context, s *sending, some []int, results map[string]outcome.Result) (waits bool, cause, err error) {
	var unbilled []int
	for _, i := range some {
		if r, ok := results[s.records[i].RecordID]; ok && !outcome.InBill(r.Status) {
			unbilled = append(unbilled, i)
		}
	}
	if len(unbilled) == 0 {
		return false, nil, nil
	}
	if cause, err = f.readBack(ctx, s, unbilled); cause != nil || err != nil {
		return false, cause, err
	}
	early := f.onItsWay(s) > 0
	for _, i := range unbilled {
		_, has := s.outcomes[s.records[i].RecordID]
		if has || early {
			delete(results, s.records[i].RecordID)
		}
		waits = waits || !has && early
	}
	return waits, nil, nil
}
