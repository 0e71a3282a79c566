package verify

import (
	"context"

	"stackusage/shared/table"
	"stackusage/shared/verify/billing"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/extsort"
	"stackusage/shared/verify/history"
)

// Seen says what waits for an operator of a usage day whose headers have these lists
// of infrastructure subscriptions.
func Seen(ctx context.Context, tables evidence.Tables, cloudID, day string, lists ...[]string) (open []Finding) {
	a := &auditor{Reader: evidence.Reader{Stores: Stores{Tables: tables}, Ctx: ctx}}
	l := &look{auditor: a, dayID: dayID{cloudID, day}, book: history.ReadBook(&a.Reader, cloudID)}
	for _, list := range lists {
		l.settled.Seen = append(l.settled.Seen, seenList{list, hashOf(list), ""})
	}
	l.checkConfirmed("UsageDays")
	return l.Open
}

// Standing checks the last revision of a usage day, of which commerce accepted less
// than a line states, after between: the row of OpenDays has been read before.
func Standing(ctx context.Context, tables evidence.Tables, cloudID, day string, between func()) (found Day) {
	l := &look{auditor: &auditor{Reader: evidence.Reader{Stores: Stores{Tables: tables}, Ctx: ctx}}, dayID: dayID{cloudID, day},
		Findings: evidence.Findings{Limit: 1}, standing: &extsort.Sorter[billing.Item]{}}
	l.standing.Put("a line", billing.Item{Stated: "1"}, 0)
	defer l.standing.Close()
	l.mark = l.Get(table.OpenDays, cloudID, day)
	between()
	l.checkStanding(&revision{Row: l.Get(table.UsageDays, cloudID, day+"_0001")})
	return Day{Differences: l.Differences, Open: l.Open}
}
