package commerce

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"stackusage/internal/devstack/commerce/record"
)

// store holds what was accepted, in memory: like everything around it, it ends with
// the process. A record never changes.
type store struct {
	mu       sync.Mutex
	accepted map[string]taken // by recordId
}

// taken is an accepted record.
type taken struct {
	*record.Record
	at time.Time
}

// decide answers a record that is well formed, and keeps it if it is accepted.
// What was accepted before is answered first: a repeat of it is a success
// however late it comes.
func (st *store) decide(r *record.Record, now time.Time, refuse func(*record.Record) (status, code, message string)) (out result) {
	out = result{RecordID: r.RecordID}
	before, known := st.accepted[r.RecordID]
	switch {
	case known && bytes.Equal(before.Raw, r.Raw):
		out.Status = duplicate
	case known && before.Quantity != r.Quantity:
		out.Status, out.Quantity = conflict, before.Quantity
		out.Code, out.Message = "QuantityDiffers", "the recordId is known with another quantity"
	case known:
		out.Status, out.Quantity = conflict, before.Quantity
		out.Code, out.Message = "ContentDiffers", "the recordId is known with the same quantity and other content"
	default:
		if out.Status, out.Code, out.Message = refuse(r); out.Status == "" {
			out.Status, st.accepted[r.RecordID] = accepted, taken{r, now}
		}
	}
	return out
}

// receipt is one accepted record in the read-back.
type receipt struct {
	RecordID   string `json:"recordId"`
	Quantity   string `json:"quantity"`
	AcceptedAt string `json:"acceptedAt"`
	SHA256     string `json:"sha256"`
}

// receipts returns those of some records of a usage day that were accepted, by id.
func (st *store) receipts(q query) []receipt {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := []receipt{}
	for _, id := range q.RecordIDs {
		if r, known := st.accepted[id]; known && r.CloudID == q.CloudID && r.UsageDate == q.UsageDate {
			sum := sha256.Sum256(r.Raw)
			out = append(out, receipt{id, r.Quantity, r.at.UTC().Format(time.RFC3339), hex.EncodeToString(sum[:])})
		}
	}
	return out
}

// records returns the accepted records that pass, by usage day and id.
func (st *store) records(pass func(*record.Record) bool) []*record.Record {
	st.mu.Lock()
	defer st.mu.Unlock()
	var out []*record.Record
	for r := range maps.Values(st.accepted) {
		if pass(r.Record) {
			out = append(out, r.Record)
		}
	}
	slices.SortFunc(out, func(a, b *record.Record) int {
		return cmp.Or(strings.Compare(a.UsageDate, b.UsageDate), strings.Compare(a.RecordID, b.RecordID))
	})
	return out
}
