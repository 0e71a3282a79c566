package daily_test

import (
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/daily"
	"stackusage/shared/linefile"
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
