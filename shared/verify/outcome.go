package verify

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"stackusage/shared/table"
)

// sentBatch is a batch as a manifest names it.
type sentBatch struct {
	Number  int    `json:"number"`
	Records int    `json:"records"`
	SHA256  string `json:"sha256"`
	Bytes   int    `json:"bytes"`
	Blob    string `json:"blob"`
}

// sent walks the batches of a revision, record by record.
type sent struct {
	*look
	revision *revision
	batches  []sentBatch
	at       int // of the batch that is open, from 1
	records  []json.RawMessage
	outcomes []outcome // of the batch that is open; nil: it waits
	place    int       // of the next record
	receipts []blobHash
}

// outcome is commerce's final word on a record, as a receipt keeps it.
type outcome struct {
	RecordID string `json:"recordId"`
	Status   string `json:"status"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Stands   bool   `json:"stands"`
	Quantity string `json:"quantity"`
	Waived   string `json:"waived"`
}

// record takes the next record of the batches, which must be this one.
func (s *sent) record(record []byte) (o outcome) {
	if s.place == len(s.records) {
		s.open()
	}
	if !bytes.Equal(s.records[s.place], record) {
		damaged(s.batches[s.at-1].Blob, "record %d is not that of the daily file", s.place+1)
	}
	if s.outcomes != nil {
		o = s.outcomes[s.place]
	}
	s.place++
	return o
}

// add takes in what stands of a line by an outcome.
func (o outcome) add(to *item) {
	if q, ok := new(big.Rat).SetString(o.Quantity); ok && o.Stands {
		to.Quantity, to.RecordID = new(big.Rat).Add(to.Quantity, q), o.RecordID
	}
	if q, ok := new(big.Rat).SetString(o.Waived); ok {
		to.Waived = new(big.Rat).Add(to.Waived, q)
	}
}

// end: no batch is left over.
func (s *sent) end() []blobHash {
	if s.place < len(s.records) || s.at < len(s.batches) {
		damaged(s.revision.File, "the batches have more records than the daily file")
	}
	return s.receipts
}

// open reads the next batch and, if it is answered, its receipt.
func (s *sent) open() {
	if s.at == len(s.batches) {
		damaged(s.revision.File, "the batches have fewer records than the daily file")
	}
	b := s.batches[s.at]
	s.at++
	body := s.readFile(b.Blob, b.SHA256)
	var content struct{ Records []json.RawMessage }
	_ = json.Unmarshal(body, &content)
	if !bytes.Equal(body, object("records", content.Records)) || len(content.Records) != b.Records || b.Records < 1 || b.Records > 500 || len(body) != b.Bytes || len(body) > 1_000_000 || b.Number != s.at {
		damaged(b.Blob, "it is not batch %d with %d records in %d bytes, or too large", s.at, b.Records, b.Bytes)
	}
	s.records, s.outcomes, s.place = content.Records, nil, 0
	number := fmt.Sprintf("%04d_%05d", s.revision.number, b.Number)
	row, ok := s.get(table.UsageBatches, s.partition(), number)
	where, p := "UsageBatches "+s.partition()+"/"+number, row.Props
	if ok {
		s.columns(where, p, table.Props{"blob": b.Blob, "sha256": b.SHA256, "records": int64(b.Records)})
	}
	if text(p, "state") != "answered" {
		s.waiting[number] = true
		s.out.Unsettled += int64(b.Records)
		if _, open := s.get(table.OpenDays, s.cloudID, s.revision.Key); !open {
			s.differs(where, "it has no final outcome, and OpenDays has no row %s", s.revision.Key)
		}
		return
	}
	path := text(p, "receipt")
	s.receipts = append(s.receipts, blobHash{path, text(p, "receiptSha256")})
	var receipt struct {
		Batch   string    `json:"batch"`
		Answers []outcome `json:"answers"`
	}
	if json.Unmarshal(s.readFile(path, text(p, "receiptSha256")), &receipt) != nil || receipt.Batch != s.partition()+"_"+number || len(receipt.Answers) != len(s.records) {
		damaged(path, "it is not the receipt of batch %s_%s with %d records", s.partition(), number, len(s.records))
	}
	s.outcomes = receipt.Answers
	s.answered(where, p, b.Number)
}

// record is what is read of a daily record.
type record struct {
	RecordID       string            `json:"recordId"`
	SubscriptionID string            `json:"subscriptionId"`
	ResourceURI    string            `json:"resourceUri"`
	Quantity       string            `json:"quantity"`
	Flags          []string          `json:"flags"`
	Hours          []int             `json:"hours"`
	Info           map[string]string `json:"additionalInfo"`
}

// answered compares a receipt with its batch, and says what DailyUsage must have.
func (s *sent) answered(where string, p table.Props, number int) {
	tally, declined := map[string]int64{}, int64(0)
	for i, o := range s.outcomes {
		var rec record
		var all map[string]any
		if json.Unmarshal(s.records[i], &rec) != nil || json.Unmarshal(s.records[i], &all) != nil || rec.RecordID != o.RecordID {
			damaged(text(p, "receipt"), "outcome %d is of record %s, not of %s", i+1, o.RecordID, rec.RecordID)
		}
		tally[strings.ToLower(o.Status)]++
		stands, stored := "0", ""
		switch o.Status {
		case "Accepted", "Duplicate":
			stands = rec.Quantity
		case "Conflict":
			stands, stored = o.Quantity, o.Quantity // DailyUsage has what commerce said
		}
		left, decided := new(big.Rat), ""
		if _, ok := left.SetString(rec.Quantity); ok {
			if q, ok := new(big.Rat).SetString(stands); ok {
				left.Sub(left, q)
			}
		}
		if o.Code == "RejectedByDecision" && left.Sign() != 0 {
			decided = decimal(left)
		} else if left.Sign() != 0 {
			declined++
		}
		s.same(text(p, "receipt"), fmt.Sprintf("waived of outcome %d", i+1), o.Waived, decided)
		if billed := o.Status != "Rejected" && o.Status != "Expired"; o.Stands != billed || o.Quantity != stands {
			s.differs(text(p, "receipt"), "outcome %d, %s with quantity %s, does not fit record %s of %s", i+1, o.Status, o.Quantity, rec.RecordID, rec.Quantity)
		}
		columns := map[string]string{"batch": fmt.Sprint(number), "answer": o.Status, "answerCode": clipped(o.Code), "answerMessage": clipped(o.Message), "storedQuantity": clipped(stored),
			"flags": strings.Join(rec.Flags, ","), "hours": strings.Trim(strings.ReplaceAll(fmt.Sprint(rec.Hours), " ", ","), "[]"), "additionalInfo": rec.Info["stamp"]}
		for name, value := range all {
			if _, is := value.([]any); !is && name != "additionalInfo" && name != "cloudId" && name != "usageDate" {
				columns[name] = fmt.Sprint(value)
			}
		}
		for name, value := range rec.Info {
			if column, is := strings.CutPrefix(name, "azureStack."); is {
				columns["azureStack"+column] = value
			}
		}
		uri := sha256.Sum256([]byte(strings.ToLower(rec.ResourceURI)))
		s.look.outcomes.put(wantedRow{fmt.Sprintf("%s_%x_%s", rec.SubscriptionID, uri[:4], rec.RecordID), columns}, 2000+2*len(s.records[i]))
	}
	s.out.Answers += int64(len(s.outcomes))
	s.out.Refused += tally["conflict"] + tally["rejected"] + tally["expired"]
	for _, status := range []string{"accepted", "duplicate", "conflict", "rejected", "expired"} {
		s.same(where, status, count(p, status), tally[status])
	}
	s.same(where, "declined", count(p, "declined"), declined)
}

// clipped is a foreign text as a column keeps it.
func clipped(s string) string {
	if len(s) > 1003 {
		return strings.ToValidUTF8(s[:1000], "") + "..."
	}
	return s
}

// wantedRow is a row that a table must have: columns as texts. One that is empty
// may be absent.
type wantedRow struct {
	Key   string
	Props map[string]string
}

func (a *auditor) newWanted() *sorter[wantedRow] {
	return &sorter[wantedRow]{dir: a.o.TempDir, compare: func(a, b wantedRow) int { return cmp.Compare(a.Key, b.Key) }}
}

// compareRows compares the rows of a day in a table, as far as they are looked at,
// with those that it must have, column by column.
func (l *look) compareRows(name, prefix string, want *sorter[wantedRow], looked func(table.Row) bool, but ...string) {
	rows := func(yield func(table.Row) bool) {
		for row := range l.list(name, l.partition(), prefix) {
			if looked(row) && !yield(row) {
				return
			}
		}
	}
	lockstep(want.all(), rows, func(w wantedRow, row table.Row) int { return cmp.Compare(w.Key, row.Key) }, func(w *wantedRow, row *table.Row) {
		switch {
		case row == nil:
			l.differs(name+" "+l.partition()+"/"+w.Key, "the row is not there")
		case w == nil:
			l.differs(place(name, *row), "there must be no such row")
		default:
			have, must := table.Props{}, table.Props{}
			for column, value := range row.Props {
				if have[column] = show(value); have[column] == "" {
					delete(have, column)
				}
			}
			for column, value := range w.Props {
				if must[column] = value; value == "" {
					delete(must, column)
				}
			}
			l.sameProps(place(name, *row), have, must, but...)
		}
	})
}

// checkOutcomes compares DailyUsage with the receipts. A row without an outcome may be
// of a batch that waits for others, or of a revision made since.
func (l *look) checkOutcomes() {
	l.compareRows(table.DailyUsage, "", l.outcomes, func(row table.Row) bool {
		revision, batch := count(row.Props, "revision"), count(row.Props, "batch")
		return revision <= int64(len(l.revisions)) && !l.waiting[fmt.Sprintf("%04d_%05d", revision, batch)]
	})
}
