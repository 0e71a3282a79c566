package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"stackusage/shared/usage"
)

// rate is what a unit of a meter costs; without text, why it is not known.
type rate struct{ text, currency, why string }

// rateBook has the rate of a meter in a month.
type rateBook map[monthKey]rate

type monthKey struct {
	meterKey
	month string
}

func monthOf(day usage.Day) string { return day.Start().Format("2006-01") }

// readBill puts the file's numbers in the place of those of DailyUsage, and
// enters where the two differ: by payer and by the number of records of a
// revision. A difference that no number of records explains stays one.
func (r *run) readBill(days map[usage.Day]*dayState) (rateBook, error) {
	for _, b := range r.books {
		b.bill = map[usage.Day]usage.Quantity{}
	}
	f := fileBill{payers: map[string]bool{}, months: map[string]bool{}, prices: map[billGroup]map[rate]bool{}, skus: map[monthKey]map[billGroup]bool{},
		own: map[billGroup]bool{}, rows: map[usage.Day]map[billKey]tally{}}
	err := r.eachBillRow(f.statement, func(row BillRow) error { return f.row(r, row) })
	if err != nil {
		return nil, err
	}
	if f.others > 0 {
		r.note("%d rows of the file are of subscriptions that this stack never named: another stack's, and left out", f.others)
	}
	for day := r.o.From; day <= r.o.To; day = day.Next() {
		if month := monthOf(day); !f.months[month] {
			f.months[month] = true
			r.note("the file has no billing period of %s", month)
		}
		r.compare(day, days[day], f)
	}
	return f.rates(), nil
}

// eachBillRow opens the usage details file and goes through its rows of stacks.
func (r *run) eachBillRow(statement func(BillStatement) error, row func(BillRow) error) error {
	file, err := r.o.Bill()
	if err != nil {
		return err
	}
	defer file.Close()
	err = ReadBill(file, statement, func(b BillRow) error {
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
	prices map[billGroup]map[rate]bool
	skus   map[monthKey]map[billGroup]bool // under which billed meters a meter stands
	own    map[billGroup]bool              // the billed meter has usage of the stack's own, which is free
	rows   map[usage.Day]map[billKey]tally // the payer is left out
	others int64
}

func (f *fileBill) statement(s BillStatement) error {
	f.payers[s.Payer], f.months[s.Month] = true, true
	group := billGroup{s.Payer, s.SKU, s.Month}
	if f.prices[group] == nil {
		f.prices[group] = map[rate]bool{}
	}
	why := ""
	if s.Rate == "" {
		why = "the file has no price of it"
	}
	f.prices[group][rate{s.Rate, s.Currency, why}] = true
	return nil
}

func (f *fileBill) row(r *run, row BillRow) error {
	own := r.own[row.Subscription]
	if !r.known[row.Subscription] {
		if r.within(row.Day) {
			f.others++
		}
		return nil
	}
	key := meterKey{row.MeterID, own}
	group := billGroup{row.Payer, row.SKU, monthOf(row.Day)}
	if own {
		f.own[group] = true
	}
	month := monthKey{key, group.month}
	if f.skus[month] == nil {
		f.skus[month] = map[billGroup]bool{}
	}
	f.skus[month][group] = true
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
			r.books.enter(key.meterKey, day, OtherPayer, usage.DashedGUID(key.payer), neg(t.sum))
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
			r.books.enter(key.meterKey, day, AnswerNotKnown, detail, file.sum.Sub(ours.sum))
		}
	}
}

// rates finds the one rate of each meter in each month. A billed meter may have
// two: one for users' usage, and 0 for the stack's own.
func (f *fileBill) rates() rateBook {
	book := rateBook{}
	for key, groups := range f.skus {
		found := map[rate]bool{}
		for group := range groups {
			prices := f.prices[group]
			if free, is := freeOf(prices); is && f.own[group] && len(prices) > 1 {
				prices = maps.Clone(prices)
				if delete(prices, free); key.admin {
					prices = map[rate]bool{free: true}
				}
			}
			maps.Copy(found, prices)
		}
		book[key] = theOne(found, "the file has several rates of it in the month")
	}
	return book
}

func freeOf(prices map[rate]bool) (rate, bool) {
	for p := range prices {
		if p.text == "0" {
			return p, true
		}
	}
	return rate{}, false
}

// theOne is the only rate there is.
func theOne(rates map[rate]bool, why string) rate {
	if len(rates) > 1 {
		return rate{why: why}
	}
	for r := range rates {
		return r
	}
	return rate{why: "the file does not have it"}
}

// report draws the lines.
func (r *run) report(rates rateBook) Report {
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
		perDay := map[rate]bool{}
		for _, l := range b.draw(r.o.From, r.o.To) {
			l.MeterID, l.Name, l.Unit, l.Admin = usage.DashedGUID(key.meter), name, unit, key.admin
			if r.o.Bill != nil {
				price := theOne(perDay, "its rate changes within the days")
				if day, err := usage.ParseDay(l.Day); err == nil {
					price = cmp.Or(rates[monthKey{key, monthOf(day)}], theOne(nil, ""))
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
