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
	part := rapid.StringMatching(`[aAbB\-\x00\x01\x02İKéß]{0,4}|null`)
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
		x, y := appendKey(nil, appendShown(nil, a), h), appendKey(nil, appendShown(nil, b), k)
		if got := bytes.Compare(x, y); got != want {
			t.Fatalf("%d, want %d\n%q\n%q", got, want, x, y)
		}
	})
}

func TestTextsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShown(t, "shown")
		if got, ok := shownOf(string(appendShown(nil, s))); !ok || got != s {
			t.Fatalf("%q is read as %q, %v", s, got, ok)
		}
	})
	for _, damaged := range []string{"", "a", "a\x00b\x00c\x00d\x00e\x00f", "a\x00b\x00c\x00d\x00e\x00f\x00g", "\x01"} {
		if s, ok := shownOf(damaged); ok {
			t.Errorf("%q is read as %q", damaged, s)
		}
	}
}
