package daily_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"math/big"
	"os"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/daily"
	"stackusage/shared/linefile"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// books keeps the statements of a few days as the ledger does, with outcomes as
// the test gives them.
type books struct {
	t       failer
	meters  *meter.Catalogue
	payer   string
	rows    map[usage.Day]map[string][]usage.Record // by resource
	files   map[usage.Day][]statedDay
	into    map[usage.Day][]statedDay // what was carried into a day
	billed  map[string]*big.Rat       // by day of the usage and resource
	records map[string]bool           // ids
}

// statedDay is a daily file and what stands of its records.
type statedDay struct {
	content  []byte
	outcomes []daily.Outcome
}

var builtIn = sync.OnceValues(meter.BuiltIn)

func newBooks(t failer) *books {
	meters, err := builtIn()
	if err != nil {
		t.Fatal(err)
	}
	return &books{t: t, meters: meters, payer: billing, rows: map[usage.Day]map[string][]usage.Record{}, files: map[usage.Day][]statedDay{},
		into: map[usage.Day][]statedDay{}, billed: map[string]*big.Rat{}, records: map[string]bool{}}
}

func (b *books) use(d usage.Day, resource, q string) {
	if b.rows[d] == nil {
		b.rows[d] = map[string][]usage.Record{}
	}
	s := shown()
	s.ResourceURI += resource
	b.rows[d][resource] = append(b.rows[d][resource], usage.Record{Shown: s, Hour: d.First() + usage.Hour(len(b.rows[d][resource])%24), Quantity: quantity(b.t, q)})
}

func seq[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
	}
}

func (b *books) open(s statedDay) *daily.DayFile {
	d, err := daily.OpenDay(bytes.NewReader(s.content))
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// state makes the next revision of a day; takes says whether commerce accepts
// its n-th record. to is the day that the differences are carried to, or 0.
func (b *books) state(d, to usage.Day, reason string, takes func(n int) bool) linefile.File {
	b.t.Helper()
	revision := len(b.files[d]) + 1
	var records []usage.Record
	for _, rows := range b.rows[d] {
		records = append(records, rows...)
	}
	var from daily.Sources
	s := summer(b.t, "", 1000, records)
	defer s.Close()
	from.Sums = s.Sums()
	var carried []iter.Seq2[daily.Carried, error]
	for _, in := range b.into[d] {
		carried = append(carried, b.open(in).Carried())
	}
	from.Carried = daily.MergeCarried(carried...)
	if revision > 1 {
		last := b.files[d][revision-2]
		from.Standings = b.open(last).Standings(seq(last.outcomes))
	}
	var out bytes.Buffer
	stated := statedDay{}
	file, err := daily.WriteDay(&out, daily.DayHeader{CloudID: cloudID, UsageDay: d, Revision: revision, CarriedTo: to, Reason: reason},
		daily.Rules{CloudID: cloudID, Day: d, Revision: revision, Terms: daily.Terms{BillingModel: registration.PayAsYouUse, BillingSubscriptionID: b.payer}, Region: "northwest", Meters: b.meters}, from,
		func(batch daily.Batch) error {
			records, err := daily.DecodeBatch(batch.Body)
			for _, r := range records {
				stated.outcomes = append(stated.outcomes, b.outcome(r, takes(len(stated.outcomes))))
			}
			return err
		})
	if err != nil {
		b.t.Fatal(err)
	}
	stated.content = out.Bytes()
	b.files[d] = append(b.files[d], stated)
	if to != 0 && file.Carried > 0 {
		b.into[to] = append(b.into[to], stated)
	}
	return file
}

// outcome checks what can be said of a single record, and bills it.
func (b *books) outcome(r daily.Record, taken bool) daily.Outcome {
	if b.records[r.RecordID] {
		b.t.Fatal("record " + r.RecordID + " was stated before")
	}
	b.records[r.RecordID] = true
	switch carried := r.CarriedFrom != 0; {
	case (r.Kind == daily.Correction) != (r.Corrects != ""),
		r.Kind == daily.Usage && (carried || r.Quantity.Sign() < 0),
		r.Kind == daily.CarryForward && !carried,
		carried != (r.Reason != ""), carried && r.CarriedFrom >= r.UsageDate:
		b.t.Fatal(fmt.Sprintf("record %+v", r))
	}
	if !taken {
		return daily.Outcome{RecordID: r.RecordID}
	}
	b.add(b.billed, cmp.Or(r.CarriedFrom, r.UsageDate), r.ResourceURI, r.Quantity)
	return daily.Outcome{RecordID: r.RecordID, Stands: true, Quantity: r.Quantity}
}

func (b *books) add(sums map[string]*big.Rat, d usage.Day, uri string, q usage.Quantity) {
	key := d.String() + " " + uri
	if sums[key] == nil {
		sums[key] = new(big.Rat)
	}
	sums[key].Add(sums[key], rat(b.t, q.String()))
}

// balance compares the bill with the rows.
func (b *books) balance() {
	b.t.Helper()
	used := map[string]*big.Rat{}
	for d, resources := range b.rows {
		for _, rows := range resources {
			for _, r := range rows {
				b.add(used, d, r.ResourceURI, r.Quantity)
			}
		}
	}
	for key, sum := range b.billed {
		if used[key] == nil {
			used[key] = new(big.Rat)
		}
		if used[key].Cmp(sum) != 0 {
			b.t.Fatal(fmt.Sprintf("%s: used %s, billed %s", key, used[key].RatString(), sum.RatString()))
		}
		delete(used, key)
	}
	for key, sum := range used {
		if sum.Sign() != 0 {
			b.t.Fatal(fmt.Sprintf("%s: used %s, billed nothing", key, sum.RatString()))
		}
	}
}

func always(int) bool { return true }
func never(int) bool  { return false }

// Whatever is refused, carried, carried on, taken back or charged to another
// payer, in any order: once commerce takes what is left, every row is billed
// once, for the day on which it was used.
func TestWhatIsCarriedIsBilledOnce(t *testing.T) {
	first := day10(t)
	if os.Getenv("STACKUSAGE_SOAK") == "" { // else the library's hundred
		checks := flag.Lookup("rapid.checks")
		t.Cleanup(func() { flag.Set("rapid.checks", checks.DefValue) })
		flag.Set("rapid.checks", "40")
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := newBooks(rt)
		anyDay := rapid.IntRange(0, 3)
		number := rapid.StringMatching(`(0|[1-9][0-9]{0,9})(\.[0-9]{1,25})?`)
		rt.Repeat(map[string]func(*rapid.T){
			"use": func(rt *rapid.T) {
				b.use(first+usage.Day(anyDay.Draw(rt, "day")), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "resource"), number.Draw(rt, "quantity"))
			},
			"take back": func(rt *rapid.T) {
				delete(b.rows[first+usage.Day(anyDay.Draw(rt, "day"))], rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "resource"))
			},
			"charge another": func(rt *rapid.T) {
				b.payer = rapid.SampledFrom([]string{billing, "11111111-2222-4333-8444-555555555555"}).Draw(rt, "payer")
			},
			"state": func(rt *rapid.T) {
				refused := rapid.Uint8().Draw(rt, "refused")
				b.state(first+usage.Day(anyDay.Draw(rt, "day")), 0, "", func(n int) bool { return refused>>(n%8)&1 == 0 })
			},
			"carry": func(rt *rapid.T) {
				day := anyDay.Draw(rt, "day")
				to := rapid.IntRange(day+1, 4).Draw(rt, "to")
				if file := b.state(first+usage.Day(day), first+usage.Day(to), fmt.Sprint("reason ", len(b.records)), never); file.Records != 0 {
					rt.Fatal("a revision that carries has records")
				}
			},
			"": func(rt *rapid.T) {},
		})
		for day := range usage.Day(5) {
			b.state(first+day, 0, "", always)
		}
		b.balance()
		for day := range usage.Day(5) {
			if file := b.state(first+day, 0, "", always); file.Records != 0 {
				rt.Fatal("a second statement of the same has records")
			}
		}
	})
}

func TestCarriedLines(t *testing.T) {
	d := day10(t)
	b := newBooks(t)
	b.use(d, "a", "1.5")
	b.use(d, "b", "0.25")
	b.use(d+1, "a", "8")
	b.state(d, 0, "", never)
	b.state(d, d+1, "commerce was away", never)
	t.Run("a file that carries has the differences, and what stands counts them", func(t *testing.T) {
		last := b.files[d][1]
		head := b.open(last).Header()
		if head.CarriedTo != d+1 || head.Reason != "commerce was away" || len(last.outcomes) > 0 {
			t.Errorf("header %+v, %d records", head, len(last.outcomes))
		}
		var got string
		for s, err := range b.open(last).Standings(seq(last.outcomes)) {
			if err != nil {
				t.Fatal(err)
			}
			got += " " + s.Accepted.String()
		}
		if got != " 1.5 0.25" {
			t.Errorf("standing%s", got)
		}
	})
	b.state(d+1, 0, "", always)
	t.Run("the open day has them beside its own, with their day, hours and reason", func(t *testing.T) {
		var got []string
		for l, err := range b.open(b.files[d+1][0]).Lines() {
			if err != nil {
				t.Fatal(err)
			}
			var r daily.Record
			if err := json.Unmarshal(l.Record, &r); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(r.Kind, r.Quantity, r.UsageDate, r.CarriedFrom, r.UsageStart.Format(" 01-02 "), r.AdditionalInfo.EventDateTime, r.Reason, r.Flags))
		}
		want := []string{
			"usage8 2019-12-11 1970-01-01 12-11 12/11/2019 00:00:00[]",
			"carryForward1.5 2019-12-11 2019-12-10 12-11 12/10/2019 00:00:00commerce was away[]",
			"carryForward0.25 2019-12-11 2019-12-10 12-11 12/10/2019 00:00:00commerce was away[]",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
	t.Run("what is taken back after it was carried is a correction, for commerce knows no usage below zero", func(t *testing.T) {
		delete(b.rows[d], "b")
		b.state(d, 0, "", never)
		lines := b.open(b.files[d][2]).Lines()
		for l, err := range lines {
			if err != nil {
				t.Fatal(err)
			}
			if l.Record == nil {
				continue
			}
			var r daily.Record
			if err := json.Unmarshal(l.Record, &r); err != nil {
				t.Fatal(err)
			}
			if r.Kind != daily.Correction || r.Quantity.String() != "-0.25" || r.Corrects == "" {
				t.Errorf("%+v", r)
			}
		}
		b.state(d, d+1, "taken back", never)
		b.state(d+1, 0, "", always)
		b.balance()
	})
}
