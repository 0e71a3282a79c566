package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"stackusage/shared/reconcile/details"
	"stackusage/shared/usage"
)

// readBill puts the file's numbers in the place of those of DailyUsage, and
// enters where the two differ: by payer and by the number of records of a
// revision. A difference that no number of records explains stays one.
func (r *run) readBill(days map[usage.Day]*dayState) (*details.Rates, error) {
	for _, b := range r.books {
		b.bill = map[usage.Day]usage.Quantity{}
	}
	f := fileBill{payers: map[string]bool{}, months: map[string]bool{}, rates: details.NewRates(), rows: map[usage.Day]map[billKey]tally{}}
	err := r.eachBillRow(f.statement, func(row details.Row) error { return f.row(r, row) })
	if err != nil {
		return nil, err
	}
	if f.others > 0 {
		r.note("%s of the file of subscriptions that this stack never named: another stack's, and left out", usage.Count(f.others, "row"))
	}
	for day := r.o.From; day <= r.o.To; day = day.Next() {
		if month := details.Month(day); !f.months[month] {
			f.months[month] = true
			r.note("the file has no billing period of %s", month)
		}
		r.compare(day, days[day], f)
	}
	return f.rates, nil
}

// eachBillRow opens the usage details file and goes through its rows of stacks.
func (r *run) eachBillRow(statement func(details.Statement) error, row func(details.Row) error) error {
	file, err := r.o.Bill()
	if err != nil {
		return err
	}
	defer file.Close()
	err = details.Read(file, statement, func(b details.Row) error {
		if r.progress.Bill++; r.progress.Bill%10_000 == 0 {
			r.tell()
		}
		return row(b)
	})
	if err != nil {
		return fmt.Errorf("usage details file: %w", err)
	}
	return nil
}

// fileBill is what is kept of a usage details file.
type fileBill struct {
	payers map[string]bool
	months map[string]bool
	rates  *details.Rates
	rows   map[usage.Day]map[billKey]tally // the payer is left out
	others int64
}

func (f *fileBill) statement(s details.Statement) error {
	f.payers[s.Payer], f.months[s.Month] = true, true
	f.rates.Statement(s)
	return nil
}

func (f *fileBill) row(r *run, row details.Row) error {
	own := r.own[row.Subscription]
	if !r.known[row.Subscription] {
		if r.within(row.Day) {
			f.others++
		}
		return nil
	}
	key := meterKey{row.MeterID, own}
	f.rates.Row(row, own)
	if !r.within(row.Day) || !r.wants(row.MeterID, row.Subscription) {
		return nil
	}
	b := r.books.of(key)
	b.name, b.unit = cmp.Or(b.name, row.MeterName), cmp.Or(b.unit, row.Unit)
	add(b.bill, row.Day, row.Quantity)
	if f.rows[row.Day] == nil {
		f.rows[row.Day] = map[billKey]tally{}
	}
	tallied(f.rows[row.Day], billKey{key, "", row.Revision}, row.Quantity)
	return nil
}

// compare enters where the file and DailyUsage differ on a day.
func (r *run) compare(day usage.Day, state *dayState, f fileBill) {
	known := map[billKey]tally{}
	for key, t := range state.accepted {
		if !f.payers[key.payer] {
			r.books.enter(key.meterKey, day, OtherSubscription, usage.DashedGUID(key.payer), neg(t.sum))
			continue
		}
		key.payer = ""
		known[key] = tally{known[key].n + t.n, known[key].sum.Add(t.sum)}
	}
	keys := slices.Collect(maps.Keys(known))
	for key := range f.rows[day] {
		if _, there := known[key]; !there {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		file, ours := f.rows[day][key], known[key]
		detail := fmt.Sprintf("records of revision %d", key.revision)
		switch {
		case file.n < ours.n:
			r.books.enter(key.meterKey, day, NotInFile, detail, file.sum.Sub(ours.sum))
		case file.n > ours.n && state.unanswered:
			r.books.enter(key.meterKey, day, OutcomeNotRead, detail, file.sum.Sub(ours.sum))
		}
	}
}

// report draws the lines.
func (r *run) report(rates *details.Rates) Report {
	r.books.reclassify(r.o.From, r.o.To)
	out := Report{
		CloudID: r.o.CloudID, From: r.o.From, To: r.o.To, Stack: FromRows, Bill: FromDailyUsage, Lines: []Line{}, Hours: r.hours, Notes: r.notes,
	}
	if r.o.MeterID != "" {
		out.MeterID = usage.DashedGUID(r.o.MeterID)
	}
	if r.o.Subscription != "" {
		out.Subscription = usage.DashedGUID(r.o.Subscription)
	}
	if r.o.Stack != nil {
		out.Stack = FromFolder
	}
	if r.o.Bill != nil {
		out.Bill = FromFile
	}
	for key, b := range r.books {
		name, unit := b.name, b.unit
		if m, known := r.Meters.Find(key.meter); known {
			name, unit = m.Name, m.Unit
		}
		perDay := map[details.Rate]bool{}
		for _, l := range b.draw(r.o.From, r.o.To) {
			l.MeterID, l.Name, l.Unit, l.Admin = usage.DashedGUID(key.meter), name, unit, key.admin
			if r.o.Bill != nil {
				price := details.TheOne(perDay, "its rate changes within the days")
				if day, err := usage.ParseDay(l.Day); err == nil {
					price = rates.Find(key.meter, key.admin, details.Month(day))
					perDay[price] = true
				}
				l.price(price)
			}
			if l.Day != Total && l.Unexplained.Sign() != 0 {
				out.Unexplained++
			}
			out.Lines = append(out.Lines, l)
		}
	}
	slices.SortStableFunc(out.Lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.MeterID, b.MeterID), compareBool(a.Admin, b.Admin))
	})
	return out
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
