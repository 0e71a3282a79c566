package verify

import (
	"cmp"

	"stackusage/shared/table"
	"stackusage/shared/verify/billing"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/extsort"
	"stackusage/shared/verify/form"
	"stackusage/shared/verify/history"
	"stackusage/shared/verify/hourblob"
)

// look is one look at one day.
type look struct {
	*auditor
	dayID
	evidence.Findings
	out  Day
	book history.Book

	hours     map[string]evidence.Row // of UsageHours: the day's files and hours, by RowKey
	dayInputs map[string]evidence.Row // of DayInputs
	inputs    map[string]*input       // those that are no carries
	mark      evidence.Row            // of OpenDays
	revisions []*revision
	settled   settlement                      // of the revision that was looked at last
	rows      *extsort.Sorter[hourblob.Usage] // of the day, of all inputs
	observed  *extsort.Sorter[said]           // by all inputs
	standing  *extsort.Sorter[billing.Item]   // what stands after that revision
	outcomes  *extsort.Sorter[pair]           // DailyUsage
	waiting   map[string]bool                 // batches without a final outcome, <revision>_<number>
}

func (a *auditor) look(d dayID) Day {
	l := &look{auditor: a, dayID: d, Findings: evidence.Findings{Limit: a.o.Limit}, waiting: map[string]bool{}, book: history.ReadBook(&a.Reader, d.cloudID), rows: &extsort.Sorter[hourblob.Usage]{Dir: a.o.TempDir},
		observed: &extsort.Sorter[said]{Dir: a.o.TempDir}, standing: &extsort.Sorter[billing.Item]{Dir: a.o.TempDir}, outcomes: &extsort.Sorter[pair]{Dir: a.o.TempDir}}
	defer func() { l.rows.Close(); l.observed.Close(); l.standing.Close(); l.outcomes.Close() }()
	l.out.CloudID, l.out.Day = l.cloudID, form.DashedDay(l.day)
	// What is read first is written last: a counted hour has its inputs, an input
	// its mark, and a mark goes after the revision that has the input.
	landed := l.landed()
	l.hours, l.dayInputs = l.index(table.UsageHours), l.index(table.DayInputs)
	l.readInputs()
	l.mark = l.Get(table.OpenDays, l.cloudID, l.day)
	l.readRevisions()
	for _, key := range landed {
		l.Check(l.hours[key].Found(), "UsageHours "+l.partition()+"/"+key, "the row is not there; the hour blob landed more than %s ago, and nobody ingested it", l.o.SweepGrace)
	}
	for _, step := range []func(){l.checkHours, l.checkInputs, l.checkOpen, l.checkRevisions, l.checkOutcomes} {
		l.Try(step)
	}
	if len(l.revisions)+len(l.inputs) > 0 {
		l.out.Days = 1
	}
	l.out.Differences, l.out.Open = l.Differences, l.Open
	return l.out
}

// index is the rows of a day by RowKey.
func (l *look) index(name string) map[string]evidence.Row {
	rows := map[string]evidence.Row{}
	for r := range l.List(name, l.partition(), "") {
		rows[r.Key] = r
	}
	return rows
}

// pair is a row as it must be and as it is, in texts; nil: there is none.
type pair struct{ Must, Have *evidence.Props }

// Add puts the two together.
func (p pair) Add(q pair) pair { return pair{cmp.Or(p.Must, q.Must), cmp.Or(p.Have, q.Have)} }

// sameRows compares the rows of a day in a table, as far as they are looked at, with
// those that it must have.
func (l *look) sameRows(name, prefix string, pairs *extsort.Sorter[pair], looked func(evidence.Row) bool, but ...string) {
	for r := range l.List(name, l.partition(), prefix) {
		texts, size := evidence.Props{}, 0
		for column, value := range r.Props {
			texts[column] = form.Show(value)
			size += len(column) + len(form.Show(value))
		}
		if looked(r) {
			pairs.Put(r.Key, pair{Have: &texts}, size)
		}
	}
	for key, p := range pairs.All() {
		where := name + " " + l.partition() + "/" + key
		if l.Check(p.Have != nil, where, "the row is not there") && l.Check(p.Must != nil, where, "there must be no such row") {
			l.Same(where, *p.Have, evidence.Only(*p.Have, *p.Must, but...))
		}
	}
}
