package verify

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/verify/billing"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/form"
)

// revision is a row of UsageDays and the manifest that it names: what it is made of.
// docs/formats/daily-files.md.
type revision struct {
	*look
	evidence.Row
	manifest
	billing.Biller
	carriedTo string   // 20191220
	keys      []string // in DayInputs

	off      bool   // usage reporting is
	waives   string // what it makes of quantities that operators decided not to bill: all of the difference, none, or empty: what was
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
	return fmt.Sprintf("carry_%s_%04d_%.16s", form.PlainDay(c.UsageDay), c.Revision, c.SHA256)
}

type batch struct {
	Number, Records, Bytes int
	SHA256, Blob           string
}

func (l *look) readRevisions() {
	for r := range l.List(table.UsageDays, l.cloudID, l.day) {
		n := len(l.revisions) + 1
		rev := &revision{look: l, Row: r, carriedTo: r.Text("carriedTo"), off: r.Text("reporting") == "off", Biller: billing.Biller{
			CloudID: l.cloudID, Day: l.day, Number: n, Incomplete: r.Text("missingHours") != "", Tenants: map[string]string{},
		}}
		l.revisions = append(l.revisions, rev)
		l.Check(r.Key == fmt.Sprintf("%s_%04d", l.day, n) && r.Count("revision") == int64(n), r.Where, "it is revision %d; revision says %d", n, r.Count("revision"))
		l.Try(func() {
			l.ReadFile(r.Text("manifest"), "", &rev.raw)
			l.ReadFile(r.Text("manifest"), "", &rev.manifest)
		})
		for _, i := range rev.Inputs {
			rev.keys = append(rev.keys, form.HourOf(i.ReportedHour).Compact()+"_"+i.SHA16)
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
		if !l.Check(r.File != "", r.Where, "its manifest names no daily file") {
			return
		}
		// What is stated once more, of the same inputs and with nobody asking, repeats what commerce declined.
		attempt := int64(0)
		if i > 0 && r.Text("restate") == "" && r.Text("inputs") == l.revisions[i-1].Text("inputs") {
			attempt = l.revisions[i-1].Count("attempt") + 1
		}
		l.Same(r.Where, r.Props, evidence.Props{"attempt": attempt})
		r.derive(before)
		before = append([]json.RawMessage{form.Object("blob", r.File, "sha256", r.SHA256)}, r.receipts...)
	}
	if n := len(l.revisions); n > 0 {
		l.checkStanding(l.revisions[n-1])
		l.checkConfirmed(l.revisions[n-1].Where)
	}
	for r := range l.List(table.UsageBatches, l.partition(), "") {
		revision, _, _ := strings.Cut(r.Key, "_")
		l.Check(l.Get(table.UsageDays, l.cloudID, l.day+"_"+revision).Found(), r.Where, "it is of a revision that UsageDays does not have")
	}
}

// derive holds a revision against what it is made from.
func (r *revision) derive(before []json.RawMessage) {
	path := r.Text("manifest")
	for n, i := range r.Inputs {
		in := r.inputs[r.keys[n]]
		evidence.Need(in != nil, path, "input %s has no row in DayInputs", r.keys[n])
		r.Same(in.Where, in.Props, evidence.Props{"partial": i.Partial, "sha256": i.SHA256, "lines": i.Lines, "rows": i.Rows})
	}
	for _, c := range r.Carries { // each was made for the day
		in, from := r.dayInputs[c.key()], r.carrying(c.key())
		evidence.Need(in.Found(), path, "%s has no row in DayInputs", c.key())
		r.Same(in.Where, in.Props, evidence.Props{"file": c.File, "sha256": c.SHA256})
		r.Same(from.Where, from.Props, evidence.Props{"file": c.File, "sha256": c.SHA256, "carriedTo": r.Day})
	}
	r.SameJSON(path, r.ReadFile(path, "", nil), form.Object("cloudId", r.CloudID, "usageDay", form.DashedDay(r.Day), "revision", r.Number, "file", r.File, "sha256", r.SHA256,
		"inputs", r.raw["inputs"], "carries?", r.raw["carries"], "before?", before, "batches", r.raw["batches"]))
	list := strings.Join(r.keys, ",")
	if len(list) > 30<<10 {
		list = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(list)))
	}
	r.settle()
	r.compare()
	r.Same(r.Where, r.Props, evidence.Props{"file": r.File, "sha256": r.SHA256, "batches": len(r.Batches), "inputs": list, "inputCount": len(r.keys),
		"rows": r.rows, "records": r.records, "carried": r.carried, "waived": r.waived, "complete": len(r.missing()) == 0})
	r.out.Records += r.records
	if r.carried > 0 { // the day that it is carried to has it, or it would be billed nowhere
		to := r.Get(table.DayInputs, r.CloudID+"_"+r.carriedTo, carry{UsageDay: r.Day, Revision: r.Number, SHA256: r.SHA256}.key())
		r.Same(to.Where, to.Props, evidence.Only(to.Props, evidence.Props{"file": r.File, "sha256": r.SHA256, "lines": r.carried, "reason": r.Text("reason"), "by": r.Text("by")}))
	}
}

// carrying reads the row of the revision that a carry's key names.
func (l *look) carrying(key string) evidence.Row {
	parts := strings.Split(key+"__", "_") // carry_<day>_<revision>_<hash>
	return l.Get(table.UsageDays, l.cloudID, parts[1]+"_"+parts[2])
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
			body := r.ReadFile(b.Blob, b.SHA256, &content)
			records := content.Records
			evidence.Need(bytes.Equal(body, form.Object("records", records)) && len(records) == b.Records && b.Records > 0 && b.Records <= 500 && len(body) == b.Bytes && len(body) <= 1_000_000 && b.Number == i+1,
				b.Blob, "it is not batch %d with %s in %d bytes, or too large", i+1, form.Count(b.Records, "record", "records"), b.Bytes)
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
	number := fmt.Sprintf("%04d_%05d", r.Number, b.Number)
	row := r.Get(table.UsageBatches, r.partition(), number)
	if row.Found() {
		r.Same(row.Where, row.Props, evidence.Props{"blob": b.Blob, "sha256": b.SHA256, "records": b.Records})
	}
	if row.Text("state") != "done" {
		r.waiting[number] = true
		r.out.Unsettled += int64(b.Records)
		r.Check(r.Get(table.OpenDays, r.CloudID, r.Key).Found(), row.Where, "it has no final outcome, and OpenDays has no row %s", r.Key)
		settleable := !row.When("declinedSince").IsZero() || row.Count("unread") >= 3 || row.Count("tries") >= 5 // by an operator
		r.Waits(!settleable, row.Where, "%s no outcome after %s; the last met: %.300s", form.Count(b.Records, "record has", "records have"), form.Count(row.Count("tries"), "try", "tries"), row.Text("lastResponse"))
		return make([]outcome, len(records))
	}
	path, sum := row.Text("receipt"), row.Text("receiptSha256")
	r.receipts = append(r.receipts, form.Object("blob", path, "sha256", sum))
	var receipt struct {
		Batch    string
		Outcomes []outcome
	}
	r.ReadFile(path, sum, &receipt)
	evidence.Need(receipt.Batch == r.partition()+"_"+number && len(receipt.Outcomes) == len(records), path, "it is not the receipt of batch %s_%s with %s", r.partition(), number, form.Count(len(records), "record", "records"))
	tally := map[string]int{}
	for i, o := range receipt.Outcomes {
		tally[o.Status]++
		if r.answered(fmt.Sprintf("%s outcome %d", path, i+1), records[i], o, b.Number) {
			tally["declined"]++
		}
	}
	must := evidence.Props{"accepted": tally["Accepted"], "duplicate": tally["Duplicate"], "conflict": tally["Conflict"], "rejected": tally["Rejected"], "expired": tally["Expired"]}
	if row.Props["declined"] != nil { // rows of earlier versions do not say it
		must["declined"] = tally["declined"]
	}
	r.Same(row.Where, row.Props, must)
	r.out.Answers += int64(len(records))
	r.out.Refused += int64(tally["Conflict"] + tally["Rejected"] + tally["Expired"])
	return receipt.Outcomes
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
	var columns evidence.Props // all others as they are
	evidence.Need(json.Unmarshal(record, &was) == nil && json.Unmarshal(record, &columns) == nil && was.RecordID == o.RecordID, where, "it is of record %s, not of %s", o.RecordID, was.RecordID)
	stands := map[string]string{"Accepted": was.Quantity, "Duplicate": was.Quantity, "Conflict": o.Quantity, "Rejected": "0", "Expired": "0"}[o.Status] // in a conflict, what commerce said
	left, waived, stored := form.Minus(was.Quantity, stands), "", ""
	if o.Code == "RejectedByDecision" {
		left, waived = "0", cmp.Or(form.When(left != "0", left))
	}
	if o.Status == "Conflict" {
		stored = stands
	}
	r.Same(where, evidence.Props{"stands": o.Stands, "quantity": o.Quantity, "waived": o.Waived}, evidence.Props{"stands": !form.Among(o.Status, "Rejected", "Expired"), "quantity": stands, "waived": waived})
	for name, value := range columns {
		columns[name] = form.Show(value)
	}
	for name, value := range was.AdditionalInfo {
		columns[strings.Replace(name, "azureStack.", "azureStack", 1)] = value
	}
	maps.Copy(columns, evidence.Props{"additionalInfo": was.AdditionalInfo["stamp"], "flags": strings.Join(was.Flags, ","), "hours": strings.Trim(strings.ReplaceAll(fmt.Sprint(was.Hours), " ", ","), "[]"),
		"batch": fmt.Sprint(batch), "outcome": o.Status, "outcomeCode": clipped(o.Code), "outcomeMessage": clipped(o.Message), "storedQuantity": clipped(stored), "cloudId": "", "usageDate": "", "stamp": ""})
	uri := sha256.Sum256([]byte(strings.ToLower(was.ResourceURI)))
	r.outcomes.Put(fmt.Sprintf("%s_%x_%s", was.SubscriptionID, uri[:4], was.RecordID), pair{Must: &columns}, 1000+2*len(record))
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
	l.sameRows(table.DailyUsage, "", l.outcomes, func(r evidence.Row) bool {
		revision, batch := r.Count("revision"), r.Count("batch")
		return revision <= int64(len(l.revisions)) && !l.waiting[fmt.Sprintf("%04d_%05d", revision, batch)]
	})
}
