package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"stackusage/shared/table"
)

// revision is a row of UsageDays and the manifest that it names: what it is made of.
// docs/formats/daily-files.md.
type revision struct {
	*look
	row
	manifest
	number    int
	carriedTo string   // 20191220
	keys      []string // in DayInputs

	off      bool              // usage reporting is
	parts    []part            // of the settlement
	tenants  map[string]string // of subscriptions, plain
	meters   map[string]meter  // by plain id
	region   string            // the stack's own, for rows that name none
	waives   string            // what it makes of quantities that operators decided not to bill: all of the difference, none, or empty: what was
	receipts []json.RawMessage

	lines, rows, records, carried, waived int64
}

type manifest struct {
	raw          map[string]json.RawMessage
	File, SHA256 string
	Inputs       []struct {
		ReportedHour           time.Time
		SHA16, Partial, SHA256 string
		Lines, Rows            int64
	}
	Carries []carry
	Batches []batch
}

// carry is a revision of another day whose differences the day reads.
type carry struct {
	UsageDay, File, SHA256 string
	Revision               int
}

func (c carry) key() string {
	return fmt.Sprintf("carry_%s_%04d_%.16s", plainDay(c.UsageDay), c.Revision, c.SHA256)
}

type batch struct {
	Number, Records, Bytes int
	SHA256, Blob           string
}

func (l *look) readRevisions() {
	for r := range l.list(table.UsageDays, l.cloudID, l.day) {
		n := len(l.revisions) + 1
		rev := &revision{look: l, row: r, number: n, carriedTo: r.text("carriedTo"), off: r.text("reporting") == "off", tenants: map[string]string{}}
		l.revisions = append(l.revisions, rev)
		l.check(r.Key == fmt.Sprintf("%s_%04d", l.day, n) && r.count("revision") == int64(n), r.where, "it is revision %d; revision says %d", n, r.count("revision"))
		l.try(func() {
			l.readFile(r.text("manifest"), "", &rev.raw)
			l.readFile(r.text("manifest"), "", &rev.manifest)
		})
		for _, i := range rev.Inputs {
			rev.keys = append(rev.keys, hourOf(i.ReportedHour).compact()+"_"+i.SHA16)
		}
		for _, c := range rev.Carries {
			rev.keys = append(rev.keys, c.key())
		}
	}
}

// checkRevisions goes through the revisions in order: each begins with what
// stands of the one before.
func (l *look) checkRevisions() {
	var before []json.RawMessage
	for i, r := range l.revisions {
		l.out.Revisions++
		if !l.check(r.File != "", r.where, "its manifest names no daily file") {
			return
		}
		// What is stated once more, of the same inputs and with nobody asking, repeats what commerce declined.
		attempt := int64(0)
		if i > 0 && r.text("restate") == "" && r.text("inputs") == l.revisions[i-1].text("inputs") {
			attempt = l.revisions[i-1].count("attempt") + 1
		}
		l.same(r.where, r.Props, props{"attempt": attempt})
		r.derive(before)
		before = append([]json.RawMessage{object("blob", r.File, "sha256", r.SHA256)}, r.receipts...)
	}
	if n := len(l.revisions); n > 0 {
		l.checkStanding(l.revisions[n-1])
		l.checkConfirmed(l.revisions[n-1].where)
	}
	for r := range l.list(table.UsageBatches, l.partition(), "") {
		revision, _, _ := strings.Cut(r.Key, "_")
		l.check(l.get(table.UsageDays, l.cloudID, l.day+"_"+revision).found(), r.where, "it is of a revision that UsageDays does not have")
	}
}

// derive holds a revision against what it is made from.
func (r *revision) derive(before []json.RawMessage) {
	path := r.text("manifest")
	for n, i := range r.Inputs {
		in := r.inputs[r.keys[n]]
		need(in != nil, path, "input %s has no row in DayInputs", r.keys[n])
		r.same(in.where, in.Props, props{"partial": i.Partial, "sha256": i.SHA256, "lines": i.Lines, "rows": i.Rows})
	}
	for _, c := range r.Carries { // each was made for the day
		in, from := r.dayInputs[c.key()], r.carrying(c.key())
		need(in.found(), path, "%s has no row in DayInputs", c.key())
		r.same(in.where, in.Props, props{"file": c.File, "sha256": c.SHA256})
		r.same(from.where, from.Props, props{"file": c.File, "sha256": c.SHA256, "carriedTo": r.day})
	}
	r.sameJSON(path, r.readFile(path, "", nil), object("cloudId", r.cloudID, "usageDay", dashedDay(r.day), "revision", r.number, "file", r.File, "sha256", r.SHA256,
		"inputs", r.raw["inputs"], "carries?", r.raw["carries"], "before?", before, "batches", r.raw["batches"]))
	list := strings.Join(r.keys, ",")
	if len(list) > 30<<10 {
		list = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(list)))
	}
	r.settle()
	r.compare()
	r.same(r.where, r.Props, props{"file": r.File, "sha256": r.SHA256, "batches": len(r.Batches), "inputs": list, "inputCount": len(r.keys),
		"rows": r.rows, "records": r.records, "carried": r.carried, "waived": r.waived, "complete": len(r.missing()) == 0})
	r.out.Records += r.records
	if r.carried > 0 { // the day that it is carried to has it, or it would be billed nowhere
		to := r.get(table.DayInputs, r.cloudID+"_"+r.carriedTo, carry{UsageDay: r.day, Revision: r.number, SHA256: r.SHA256}.key())
		r.same(to.where, to.Props, only(to.Props, props{"file": r.File, "sha256": r.SHA256, "lines": r.carried, "reason": r.text("reason"), "by": r.text("by")}))
	}
}

// carrying reads the row of the revision that a carry's key names.
func (l *look) carrying(key string) row {
	parts := strings.Split(key+"__", "_") // carry_<day>_<revision>_<hash>
	return l.get(table.UsageDays, l.cloudID, parts[1]+"_"+parts[2])
}

// outcome is commerce's final word on a record, as a receipt keeps it.
type outcome struct {
	RecordID, Status, Code, Message string
	Stands                          bool
	Quantity, Waived                string
}

// sent goes through the records of a revision's batches, each with its outcome, if it
// has one.
func (r *revision) sent() iter.Seq2[[]byte, outcome] {
	return func(yield func([]byte, outcome) bool) {
		for i, b := range r.Batches {
			var content struct{ Records []json.RawMessage }
			body := r.readFile(b.Blob, b.SHA256, &content)
			records := content.Records
			need(bytes.Equal(body, object("records", records)) && len(records) == b.Records && b.Records > 0 && b.Records <= 500 && len(body) == b.Bytes && len(body) <= 1_000_000 && b.Number == i+1,
				b.Blob, "it is not batch %d with %d records in %d bytes, or too large", i+1, b.Records, b.Bytes)
			outcomes := r.answers(b, records)
			for n, record := range records {
				if !yield(record, outcomes[n]) {
					return
				}
			}
		}
	}
}

// answers are the outcomes of a batch, in order; without anything where it waits.
func (r *revision) answers(b batch, records []json.RawMessage) []outcome {
	number := fmt.Sprintf("%04d_%05d", r.number, b.Number)
	row := r.get(table.UsageBatches, r.partition(), number)
	if row.found() {
		r.same(row.where, row.Props, props{"blob": b.Blob, "sha256": b.SHA256, "records": b.Records})
	}
	if row.text("state") != "answered" {
		r.waiting[number] = true
		r.out.Unsettled += int64(b.Records)
		r.check(r.get(table.OpenDays, r.cloudID, r.Key).found(), row.where, "it has no final outcome, and OpenDays has no row %s", r.Key)
		settleable := !row.when("declinedSince").IsZero() || row.count("unread") >= 3 || row.count("tries") >= 5 // by an operator
		r.waits(!settleable, row.where, "%d records have no outcome after %d tries; the last met: %.300s", b.Records, row.count("tries"), row.text("lastResponse"))
		return make([]outcome, len(records))
	}
	path, sum := row.text("receipt"), row.text("receiptSha256")
	r.receipts = append(r.receipts, object("blob", path, "sha256", sum))
	var receipt struct {
		Batch   string
		Answers []outcome
	}
	r.readFile(path, sum, &receipt)
	need(receipt.Batch == r.partition()+"_"+number && len(receipt.Answers) == len(records), path, "it is not the receipt of batch %s_%s with %d records", r.partition(), number, len(records))
	tally := map[string]int{}
	for i, o := range receipt.Answers {
		tally[o.Status]++
		if r.answered(fmt.Sprintf("%s outcome %d", path, i+1), records[i], o, b.Number) {
			tally["declined"]++
		}
	}
	must := props{"accepted": tally["Accepted"], "duplicate": tally["Duplicate"], "conflict": tally["Conflict"], "rejected": tally["Rejected"], "expired": tally["Expired"]}
	if row.Props["declined"] != nil { // rows of earlier versions do not say it
		must["declined"] = tally["declined"]
	}
	r.same(row.where, row.Props, must)
	r.out.Answers += int64(len(records))
	r.out.Refused += int64(tally["Conflict"] + tally["Rejected"] + tally["Expired"])
	return receipt.Answers
}

// answered compares an outcome with its record, and says what DailyUsage must have.
// declined: something else stands than was sent, and is not waived.
func (r *revision) answered(where string, record []byte, o outcome, batch int) (declined bool) {
	var was struct {
		RecordID, SubscriptionID, ResourceURI, Quantity string
		Flags                                           []string
		Hours                                           []int
		AdditionalInfo                                  map[string]string
	}
	var columns props // all others as they are
	need(json.Unmarshal(record, &was) == nil && json.Unmarshal(record, &columns) == nil && was.RecordID == o.RecordID, where, "it is of record %s, not of %s", o.RecordID, was.RecordID)
	stands := map[string]string{"Accepted": was.Quantity, "Duplicate": was.Quantity, "Conflict": o.Quantity, "Rejected": "0", "Expired": "0"}[o.Status] // in a conflict, what commerce said
	left, waived, stored := minus(was.Quantity, stands), "", ""
	if o.Code == "RejectedByDecision" {
		left, waived = "0", first(finding{left != "0", left})
	}
	if o.Status == "Conflict" {
		stored = stands
	}
	r.same(where, props{"stands": o.Stands, "quantity": o.Quantity, "waived": o.Waived}, props{"stands": !among(o.Status, "Rejected", "Expired"), "quantity": stands, "waived": waived})
	for name, value := range columns {
		columns[name] = show(value)
	}
	for name, value := range was.AdditionalInfo {
		columns[strings.Replace(name, "azureStack.", "azureStack", 1)] = value
	}
	maps.Copy(columns, props{"additionalInfo": was.AdditionalInfo["stamp"], "flags": strings.Join(was.Flags, ","), "hours": strings.Trim(strings.ReplaceAll(fmt.Sprint(was.Hours), " ", ","), "[]"),
		"batch": fmt.Sprint(batch), "outcome": o.Status, "outcomeCode": clipped(o.Code), "outcomeMessage": clipped(o.Message), "storedQuantity": clipped(stored), "cloudId": "", "usageDate": "", "stamp": ""})
	uri := sha256.Sum256([]byte(strings.ToLower(was.ResourceURI)))
	r.outcomes.put(fmt.Sprintf("%s_%x_%s", was.SubscriptionID, uri[:4], was.RecordID), pair{Must: &columns}, 1000+2*len(record))
	return left != "0"
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
