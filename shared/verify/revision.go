package verify

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/table"
)

// revision is a row of UsageDays and the manifest that it names.
type revision struct {
	row
	manifest
	carriedTo string // 20191220
}

// manifest lists what a revision is made of. docs/formats/daily-files.md.
type manifest struct {
	CloudID  string        `json:"cloudId"`
	UsageDay string        `json:"usageDay"`
	Revision int           `json:"revision"`
	File     string        `json:"file"`
	SHA256   string        `json:"sha256"`
	Inputs   []listed      `json:"inputs"`
	Carries  []carry       `json:"carries,omitempty"`
	Before   []blobHash    `json:"before,omitempty"` // that the difference is against
	Batches  []listedBatch `json:"batches"`
}

// listed is an input as manifest and daily file name it.
type listed struct {
	ReportedHour time.Time `json:"reportedHour"`
	SHA16        string    `json:"sha16"`
	Partial      string    `json:"partial"`
	SHA256       string    `json:"sha256"`
	Lines        int64     `json:"lines"`
	Rows         int64     `json:"rows"`
}

func (i listed) key() string { return hourOf(i.ReportedHour).compact() + "_" + i.SHA16 }

// carry is a revision of another day whose differences the day takes in.
type carry struct {
	UsageDay string `json:"usageDay"`
	Revision int    `json:"revision"`
	File     string `json:"file"`
	SHA256   string `json:"sha256"`
}

// key is its RowKey in DayInputs.
func (c carry) key() string {
	return fmt.Sprintf("carry_%s_%04d_%.16s", strings.ReplaceAll(c.UsageDay, "-", ""), c.Revision, c.SHA256)
}

// listedBatch is a batch as a manifest names it.
type listedBatch struct {
	Number  int    `json:"number"`
	Records int    `json:"records"`
	SHA256  string `json:"sha256"`
	Bytes   int    `json:"bytes"`
	Blob    string `json:"blob"`
}

type blobHash struct {
	Blob   string `json:"blob"`
	SHA256 string `json:"sha256"`
}

// keys are the RowKeys in DayInputs of what the revision is made of.
func (r *revision) keys() (keys []string) {
	for _, i := range r.Inputs {
		keys = append(keys, i.key())
	}
	for _, c := range r.Carries {
		keys = append(keys, c.key())
	}
	return keys
}

func (l *look) readRevisions() {
	for r := range l.list(table.UsageDays, l.cloudID, l.day) {
		rev := &revision{row: r, carriedTo: r.text("carriedTo")}
		l.revisions = append(l.revisions, rev)
		n := len(l.revisions)
		l.check(r.Key == fmt.Sprintf("%s_%04d", l.day, n) && r.count("revision") == int64(n), r.where, "it is revision %d; revision says %d", n, r.count("revision"))
		l.try(func() { l.readObject(r.text("manifest"), "", &rev.manifest) })
	}
}

// checkRevisions goes through the revisions in order: each begins with what
// stands of the one before.
func (l *look) checkRevisions() {
	var before []blobHash
	for i, r := range l.revisions {
		l.out.Revisions++
		if r.File == "" {
			return // its manifest could not be read
		}
		// What is stated once more, of the same inputs and with nobody asking, repeats what commerce declined.
		attempt := int64(0)
		if i > 0 && r.text("restate") == "" && r.text("inputs") == l.revisions[i-1].text("inputs") {
			attempt = l.revisions[i-1].count("attempt") + 1
		}
		l.same(r.where, r.Props, props{"attempt": attempt})
		before = append([]blobHash{{r.File, r.SHA256}}, l.checkRevision(r, i+1, before)...)
	}
	if len(l.revisions) > 0 {
		l.checkStanding()
		l.checkConfirmed()
	}
	for r := range l.list(table.UsageBatches, l.partition(), "") {
		revision, _, _ := strings.Cut(r.Key, "_")
		l.check(l.get(table.UsageDays, l.cloudID, l.day+"_"+revision).found(), r.where, "it is of a revision that UsageDays does not have")
	}
}

// checkRevision holds a revision against what it is made from, and returns the
// receipts of its batches.
func (l *look) checkRevision(r *revision, number int, before []blobHash) (receipts []blobHash) {
	path, must := r.text("manifest"), r.manifest
	must.CloudID, must.UsageDay, must.Revision, must.Before = l.cloudID, dashedDay(l.day), number, before
	l.sameJSON(path, l.readFile(path, ""), encode(must))
	for _, i := range r.Inputs {
		in := l.inputs[i.key()]
		need(in != nil, path, "input %s has no row in DayInputs", i.key())
		l.same(in.where, in.Props, props{"partial": i.Partial, "sha256": i.SHA256, "lines": i.Lines, "rows": i.Rows})
	}
	for _, c := range r.Carries { // each was made for the day
		in, from := l.carries[c.key()], l.carrying(c.key())
		need(in.found(), path, "%s has no row in DayInputs", c.key())
		l.same(in.where, in.Props, props{"file": c.File, "sha256": c.SHA256})
		l.same(from.where, from.Props, props{"file": c.File, "sha256": c.SHA256, "carriedTo": l.day})
	}
	list := strings.Join(r.keys(), ",")
	if len(list) > 30<<10 {
		list = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(list)))
	}
	f := &dayFile{look: l, revision: r, rules: l.rulesOf(r, number)}
	f.compare()
	l.same(r.where, r.Props, props{"file": r.File, "sha256": r.SHA256, "batches": len(r.Batches), "inputs": list, "inputCount": len(r.Inputs) + len(r.Carries),
		"rows": f.rows, "records": f.records, "carried": f.carried, "waived": f.waived, "complete": len(f.missing()) == 0})
	l.out.Records += f.records
	if f.carried > 0 { // the day that it is carried to has it, or it would be billed nowhere
		to := l.get(table.DayInputs, l.cloudID+"_"+r.carriedTo, carry{UsageDay: l.day, Revision: number, SHA256: r.SHA256}.key())
		l.same(to.where, to.Props, only(to.Props, props{"file": r.File, "sha256": r.SHA256, "lines": f.carried, "reason": r.text("reason"), "by": r.text("by")}))
	}
	return f.receipts
}

// carrying reads the row of the revision that a carry's key names.
func (l *look) carrying(key string) row {
	parts := strings.Split(key+"__", "_") // carry_<day>_<revision>_<hash>
	return l.get(table.UsageDays, l.cloudID, parts[1]+"_"+parts[2])
}
