package verify

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// revision is a row of UsageDays and the manifest that it names.
type revision struct {
	table.Row
	where string
	manifest
	number    int
	carriedTo string // 20191220
}

// manifest lists what a revision is made of. docs/formats/daily-files.md.
type manifest struct {
	File    string      `json:"file"`
	SHA256  string      `json:"sha256"`
	Inputs  []listed    `json:"inputs"`
	Carries []carry     `json:"carries"`
	Batches []sentBatch `json:"batches"`
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

type blobHash struct {
	Blob   string `json:"blob"`
	SHA256 string `json:"sha256"`
}

func (l *look) readRevisions() {
	for row := range l.list(table.UsageDays, l.cloudID, l.day) {
		r := &revision{Row: row, where: place(table.UsageDays, row), number: len(l.revisions) + 1, carriedTo: text(row.Props, "carriedTo")}
		l.same(r.where, "revision", row.Key+" "+show(row.Props["revision"]), fmt.Sprintf("%s_%04d %d", l.day, r.number, r.number))
		l.revisions = append(l.revisions, r)
		l.try(func() {
			path := text(row.Props, "manifest")
			if json.Unmarshal(l.readFile(path, ""), &r.manifest) != nil {
				damaged(path, "it is not the JSON of a manifest")
			}
		})
	}
}

// checkRevisions goes through the revisions in order: each begins with what
// stands of the one before.
func (l *look) checkRevisions() {
	var before []blobHash
	for _, r := range l.revisions {
		l.out.Revisions++
		if r.File == "" {
			return // its manifest could not be read
		}
		before = append([]blobHash{{r.File, r.SHA256}}, l.checkRevision(r, before)...)
	}
	l.checkStanding()
	l.checkConfirmed()
	for row := range l.list(table.UsageBatches, l.partition(), "") {
		revision, _, _ := strings.Cut(row.Key, "_")
		if _, is := l.get(table.UsageDays, l.cloudID, l.day+"_"+revision); !is {
			l.differs(place(table.UsageBatches, row), "it is of a revision that UsageDays does not have")
		}
	}
}

// checkRevision holds a revision against what it is made from, and returns the
// receipts of its batches.
func (l *look) checkRevision(r *revision, before []blobHash) []blobHash {
	path, p := text(r.Props, "manifest"), r.Props
	l.sameJSON(path, l.readFile(path, ""), object("cloudId", l.cloudID, "usageDay", dashedDay(l.day), "revision", r.number, "file", r.File, "sha256", r.SHA256,
		"inputs", append([]listed{}, r.Inputs...), "carries?", r.Carries, "before?", before, "batches", r.Batches))
	var keys []string
	for _, i := range r.Inputs {
		keys = append(keys, i.key())
		if in := l.inputs[i.key()]; in != nil {
			l.columns(in.where, in.Props, table.Props{"partial": i.Partial, "sha256": i.SHA256, "lines": i.Lines, "rows": i.Rows})
		} else {
			damaged(path, "input %s has no row in DayInputs", i.key())
		}
	}
	for _, c := range r.Carries {
		keys = append(keys, c.key())
		l.checkCarry(path, c)
	}
	list := strings.Join(keys, ",")
	if len(list) > 30<<10 {
		list = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(list)))
	}
	rules := l.rulesOf(r)
	expected := l.standing
	defer expected.close()
	l.standing = l.newItems()
	if !rules.unsettled {
		for u := range l.usageIn(r) {
			put(expected, item{line: rules.bill(u), Quantity: u.Quantity, Rows: 1, Hours: 1 << (u.Hour % 24)})
		}
	}
	l.expectCarried(r, expected)
	w := &walk{look: l, revision: r, rules: rules, sent: &sent{look: l, revision: r, batches: r.Batches}}
	w.walk(expected)
	missing := w.missingHours()
	l.columns(r.where, p, table.Props{"file": r.File, "sha256": r.SHA256, "batches": int64(len(r.Batches)), "inputs": list, "inputCount": int64(len(keys)),
		"rows": w.rows, "records": w.records, "complete": len(missing) == 0})
	l.same(r.where, "carried and waived", fmt.Sprint(count(p, "carried"), count(p, "waived")), fmt.Sprint(w.carried, w.waived))
	l.checkCarriedTo(r, w.carried)
	l.out.Records += w.records
	return w.sent.end()
}

// item is one thing that goes into a line: usage of the day, what another day
// carried, or what stands of the revision before.
type item struct {
	Key []string // of the line
	Of  int      // ofUsage, ofCarry, ofStanding
	line
	Quantity, Waived, Total *big.Rat // Waived: that an operator decided not to bill; Total: of what stands
	Rows                    int64
	Hours                   uint32
	Reason                  string // why it was carried
	RecordID                string // the last record that stands
	Stated                  bool   // a record of it was made, or it was carried
}

const (
	ofUsage = iota
	ofCarry
	ofStanding
)

func (a *auditor) newItems() *sorter[item] {
	return &sorter[item]{dir: a.o.TempDir, compare: func(a, b item) int {
		if c := slices.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return a.Of - b.Of
	}}
}

func put(to *sorter[item], i item) {
	i.Key = i.line.key()
	to.put(i, 600+2*len(strings.Join(i.Shown[:], "")))
}

// usageIn goes through the usage of a revision's inputs, in order of key.
func (l *look) usageIn(r *revision) iter.Seq[usage] {
	in := map[string]bool{}
	for _, i := range r.Inputs {
		in[i.key()] = true
	}
	return func(yield func(usage) bool) {
		for g := range l.rows.all() {
			if in[g.Input] && !yield(g.usage) {
				return
			}
		}
	}
}
