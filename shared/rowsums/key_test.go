package rowsums

import (
	"bytes"
	"cmp"
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/usage"
)

// drawShown draws texts with what matters to keys: case, dashes, "null", letters that
// are not ASCII, and the bytes that keys are built with.
func drawShown(t *rapid.T, name string) usage.Shown {
	part := rapid.StringMatching(`[aA/b\-\x00\x01\x02İKéß]{0,5}|null`)
	return usage.Shown{
		SubscriptionID: part.Draw(t, name), ResourceURI: part.Draw(t, name), MeterID: part.Draw(t, name),
		Location: part.Draw(t, name), Tags: part.Draw(t, name), AdditionalInfo: part.Draw(t, name),
	}
}

func TestKeysCompareAsTotalsAreOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawShown(t, "a"), drawShown(t, "b")
		hours := rapid.Int64Range(-30, 60)
		h, k := usage.Hour(hours.Draw(t, "hour a")), usage.Hour(hours.Draw(t, "hour b"))
		want := cmp.Or(cmp.Compare(h.Day(), k.Day()), a.Key().Compare(b.Key()), cmp.Compare(h, k))
		x, y := keyOf(a, h), keyOf(b, k)
		if got := bytes.Compare(x, y); got != want {
			t.Fatalf("%d, want %d\n%q\n%q", got, want, x, y)
		}
	})
}

func keyOf(s usage.Shown, hour usage.Hour) []byte {
	var t texts
	t.set(s)
	return appendKey(nil, appendHeadKey(nil, t.head), usage.AppendLower(nil, t.rest), appendTailKey(nil, t.tail), hour)
}

func TestTextsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShown(t, "shown")
		var texts texts
		texts.set(s)
		if got, ok := texts.shown(); !ok || got != s || !texts.whole() {
			t.Fatalf("%q is read as %q, %v", s, got, ok)
		}
	})
}
