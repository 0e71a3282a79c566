package daily_test

import (
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/daily"
	"stackusage/shared/linefile"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// drawText makes texts with all that JSON escapes, and without.
func drawText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[ -~]{0,40}`), rapid.StringMatching(`(\{"[a-z]+":"[^\x{10000}-\x{10ffff}]{0,9}"\})?`), rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
}

func drawShown(t *rapid.T) usage.Shown {
	return usage.Shown{
		SubscriptionID: drawText().Draw(t, "subscription"), ResourceURI: drawText().Draw(t, "resource"), MeterID: drawText().Draw(t, "meter"),
		Location: drawText().Draw(t, "location"), Tags: drawText().Draw(t, "tags"), AdditionalInfo: drawText().Draw(t, "info"),
	}
}

func drawQuantity(t *rapid.T) usage.Quantity {
	q := quantity(t, rapid.StringMatching(`(0|[1-9][0-9]{0,14})(\.[0-9]{1,20})?`).Draw(t, "quantity"))
	return q.Sub(quantity(t, rapid.SampledFrom([]string{"0", "0.5", "100000000000000000000"}).Draw(t, "less")))
}

func drawDay(t *rapid.T) usage.Day { return usage.Day(rapid.IntRange(-700000, 2932896).Draw(t, "day")) }

func drawRecord(t *rapid.T) daily.Record {
	text := func(name string) string { return drawText().Draw(t, name) }
	r := daily.Record{
		RecordID: text("id"), CloudID: text("cloud"), Kind: daily.Kind(text("kind")), Corrects: text("corrects"), Reason: text("reason"),
		Revision: rapid.Int().Draw(t, "revision"), BillingModel: registration.BillingModel(text("model")), BillingSubscriptionID: text("billing"),
		SubscriptionID: text("subscription"), MeterID: text("meter"), CommerceMeterID: text("commerce"), MeterName: text("name"), Unit: text("unit"),
		MeterClass: meter.Class(text("class")), Flags: rapid.SliceOfN(drawText(), 0, 3).Draw(t, "flags"), Quantity: drawQuantity(t),
		UsageDate: drawDay(t), Hours: usage.HourSet(rapid.Uint32().Draw(t, "hours")), Region: text("region"), Location: text("location"),
		ResourceURI: text("resource"), Tags: text("tags"),
		AdditionalInfo: daily.AdditionalInfo{Stamp: text("stamp"), MeterID: text("own meter"), SubscriptionID: text("own subscription"), Location: text("own location"), EventDateTime: text("time")},
	}
	r.UsageStart, r.UsageEnd = r.UsageDate.Start(), r.UsageDate.End() // of the last day of 9999 in another year
	if rapid.Bool().Draw(t, "carried") {
		r.CarriedFrom = drawDay(t)
	}
	return r
}

func TestRecordsAreEncodedAsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		want, wantErr := linefile.Encode(r)
		got, err := r.AppendJSON(nil)
		if (err != nil) != (wantErr != nil) || err == nil && string(got) != string(want) {
			t.Fatalf("%s, %v\nencoding/json has %s, %v", got, err, want, wantErr)
		}
	})
}

func TestDayLinesAreEncodedAsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return drawText().Draw(t, name) }
		quantity := func() usage.Quantity {
			if rapid.Bool().Draw(t, "zero") {
				return usage.Quantity{}
			}
			return drawQuantity(t)
		}
		l := daily.DayLine{
			Line: daily.Line{Shown: drawShown(t), BillingModel: registration.BillingModel(text("model")), BillingSubscriptionID: text("billing"),
				CommerceMeterID: text("commerce"), MeterClass: meter.Class(text("class")), Reporting: text("reporting")},
			Rows: rapid.Int64().Draw(t, "rows"), Total: quantity(), Hours: usage.HourSet(rapid.Uint32().Draw(t, "hours")), Before: quantity(),
			Corrects: text("corrects"), Waived: quantity(), Carried: quantity(),
		}
		if rapid.Bool().Draw(t, "carried") {
			l.CarriedFrom = drawDay(t)
		}
		if r := drawRecord(t); rapid.Bool().Draw(t, "with a record") {
			l.Record, _ = r.AppendJSON(nil)
			if r.UsageEnd.Year() > 9999 {
				l.Record = nil
			}
		}
		want, err := linefile.Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.AppendJSON([]byte("before")); string(got) != "before"+string(want) {
			t.Fatalf("%s\nencoding/json has %s", got, want)
		}
	})
}

func TestSumsAreEncodedAsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := daily.Sum{
			Shown: drawShown(t), Quantity: drawQuantity(t),
			Hours: usage.HourSet(rapid.Uint32().Draw(t, "hours")), Rows: rapid.Int64().Draw(t, "rows"),
		}
		want, err := linefile.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.AppendJSON([]byte("before")); string(got) != "before"+string(want) {
			t.Fatalf("%s\nencoding/json has %s", got, want)
		}
	})
}
