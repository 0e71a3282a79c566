package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"stackusage/shared/table"
)

// outcome is commerce's final word on a record, as a receipt keeps it.
type outcome struct {
	RecordID, Status, Code, Message string
	Stands                          bool
	Quantity, Waived                string
}

// sent goes through the records of a revision's batches, each with its outcome, if it
// has one.
func (f *dayFile) sent() iter.Seq2[[]byte, outcome] {
	return func(yield func([]byte, outcome) bool) {
		for i, b := range f.revision.Batches {
			var content struct{ Records []json.RawMessage }
			body := f.readObject(b.Blob, b.SHA256, &content)
			records := content.Records
			need(bytes.Equal(body, object("records", records)) && len(records) == b.Records && b.Records > 0 && b.Records <= 500 && len(body) == b.Bytes && len(body) <= 1_000_000 && b.Number == i+1,
				b.Blob, "it is not batch %d with %d records in %d bytes, or too large", i+1, b.Records, b.Bytes)
			outcomes := f.answers(b, records)
			for n, record := range records {
				if !yield(record, outcomes[n]) {
					return
				}
			}
		}
	}
}

// answers are the outcomes of a batch, in order; without anything where it waits.
func (f *dayFile) answers(b listedBatch, records []json.RawMessage) []outcome {
	number := fmt.Sprintf("%04d_%05d", f.rules.number, b.Number)
	r := f.get(table.UsageBatches, f.partition(), number)
	if r.found() {
		f.same(r.where, r.Props, props{"blob": b.Blob, "sha256": b.SHA256, "records": b.Records})
	}
	if r.text("state") != "answered" {
		f.waiting[number] = true
		f.out.Unsettled += int64(b.Records)
		f.check(f.get(table.OpenDays, f.cloudID, f.revision.Key).found(), r.where, "it has no final outcome, and OpenDays has no row %s", f.revision.Key)
		settleable := !r.when("refusedSince").IsZero() || r.count("unread") >= 3 || r.count("tries") >= 5 // by an operator
		f.waits(!settleable, r.where, "%d records have no outcome after %d tries; the last met: %.300s", b.Records, r.count("tries"), r.text("lastAnswer"))
		return make([]outcome, len(records))
	}
	path, sum := r.text("receipt"), r.text("receiptSha256")
	f.receipts = append(f.receipts, blobHash{path, sum})
	var receipt struct {
		Batch   string
		Answers []outcome
	}
	f.readObject(path, sum, &receipt)
	need(receipt.Batch == f.partition()+"_"+number && len(receipt.Answers) == len(records), path, "it is not the receipt of batch %s_%s with %d records", f.partition(), number, len(records))
	tally := map[string]int{}
	for i, o := range receipt.Answers {
		tally[o.Status]++
		if f.answered(fmt.Sprintf("%s outcome %d", path, i+1), records[i], o, b.Number) {
			tally["declined"]++
		}
	}
	want := props{"accepted": tally["Accepted"], "duplicate": tally["Duplicate"], "conflict": tally["Conflict"], "rejected": tally["Rejected"], "expired": tally["Expired"]}
	if r.Props["declined"] != nil { // rows of earlier versions do not say it
		want["declined"] = tally["declined"]
	}
	f.same(r.where, r.Props, want)
	f.out.Answers += int64(len(records))
	f.out.Refused += int64(tally["Conflict"] + tally["Rejected"] + tally["Expired"])
	return receipt.Answers
}

// answered compares an outcome with its record, and says what DailyUsage must have.
// declined: something else stands than was sent, and is not waived.
func (f *dayFile) answered(where string, record []byte, o outcome, batch int) (declined bool) {
	var r struct {
		RecordID, SubscriptionID, ResourceURI, Quantity string
		Flags                                           []string
		Hours                                           []int
		AdditionalInfo                                  map[string]string
	}
	var columns props // all others as they are
	need(json.Unmarshal(record, &r) == nil && json.Unmarshal(record, &columns) == nil && r.RecordID == o.RecordID, where, "it is of record %s, not of %s", o.RecordID, r.RecordID)
	stands, stored := "0", ""
	switch o.Status {
	case "Accepted", "Duplicate":
		stands = r.Quantity
	case "Conflict":
		stands, stored = o.Quantity, o.Quantity // what commerce said
	}
	left, waived := unlessZero(minus(rational(r.Quantity), rational(stands))), ""
	if o.Code == "RejectedByDecision" {
		left, waived = nil, optional(left)
	}
	f.same(where, props{"stands": o.Stands, "quantity": o.Quantity, "waived": o.Waived}, props{"stands": !among(o.Status, "Rejected", "Expired"), "quantity": stands, "waived": waived})
	for _, name := range []string{"additionalInfo", "cloudId", "usageDate"} {
		delete(columns, name)
	}
	for name, value := range r.AdditionalInfo {
		columns[strings.NewReplacer("azureStack.", "azureStack", "stamp", "additionalInfo").Replace(name)] = value
	}
	columns["flags"], columns["hours"] = strings.Join(r.Flags, ","), strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Hours), " ", ","), "[]")
	columns["batch"], columns["answer"], columns["answerCode"] = batch, o.Status, clipped(o.Code)
	columns["answerMessage"], columns["storedQuantity"] = clipped(o.Message), clipped(stored)
	for name, value := range columns {
		columns[name] = show(value)
	}
	uri := sha256.Sum256([]byte(strings.ToLower(r.ResourceURI)))
	f.outcomes.put(fmt.Sprintf("%s_%x_%s", r.SubscriptionID, uri[:4], r.RecordID), pair{Must: columns}, 1000+2*len(record))
	return left != nil
}

// clipped is a foreign text as a column keeps it.
func clipped(s string) string {
	if len(s) > 1003 {
		return strings.ToValidUTF8(s[:1000], "") + "..."
	}
	return s
}

// checkOutcomes compares DailyUsage with the receipts. A row without an outcome may be
// of a batch that waits for others, or of a revision made since.
func (l *look) checkOutcomes() {
	l.sameRows(table.DailyUsage, "", l.outcomes, func(r row) bool {
		revision, batch := r.count("revision"), r.count("batch")
		return revision <= int64(len(l.revisions)) && !l.waiting[fmt.Sprintf("%04d_%05d", revision, batch)]
	})
}
