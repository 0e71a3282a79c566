package usage_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/shared/usage"
)

const (
	guidUpper    = "B5C15376-6C94-4FDD-B655-1A69D138ACA3"
	guidLower    = "b5c15376-6c94-4fdd-b655-1a69d138aca3"
	guidDashless = "F271A8A388C44D93956A063E1D2FA80B" // as two of the stack's meters are written
)

func TestCheckGUID(t *testing.T) {
	for _, good := range []string{guidUpper, guidLower, guidDashless, strings.ReplaceAll(guidLower, "b", "0"), "00000000-0000-0000-0000-000000000001", "10000000000000000000000000000000"} {
		if err := usage.CheckGUID(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for name, bad := range map[string]string{
		"nothing":                        "",
		"the nil GUID":                   "00000000-0000-0000-0000-000000000000",
		"braces":                         "{" + guidLower + "}",
		"one digit short":                guidLower[:35],
		"one digit long":                 guidLower + "0",
		"a letter that is no hex digit":  "g" + guidLower[1:],
		"a dash in the wrong place":      "b5c1537-66c94-4fdd-b655-1a69d138aca3",
		"one dash only":                  "b5c15376-6c944fddb6551a69d138aca3",
		"dashes instead of digits":       strings.Repeat("-", 36),
		"32 bytes with dashes":           "b5c15376-6c94-4fdd-b655-1a69d138",
		"a fifth dash":                   "b5c15376-6c94-4fdd-b655-1a69d13-aca3",
		"a space":                        " " + guidLower[1:],
		"a letter that lowers to ASCII":  "\u212a" + guidLower[3:],
		"fullwidth digits":               "ｂ5c15376-6c94-4fdd-b655-1a69d138ac",
		"a line break after":             guidLower + "\n",
		"right length, wrong everything": strings.Repeat("z", 32),
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			if err := usage.CheckGUID(bad); err == nil {
				t.Errorf("%q passed", bad)
			}
		})
	}
}

func TestGUIDForms(t *testing.T) {
	for _, g := range []string{guidUpper, guidLower, strings.ReplaceAll(guidUpper, "-", "")} {
		if usage.DashedGUID(g) != guidLower || usage.NormalGUID(g) != strings.ReplaceAll(guidLower, "-", "") {
			t.Errorf("%s: dashed %s, normal %s", g, usage.DashedGUID(g), usage.NormalGUID(g))
		}
	}
	if got := usage.DashedGUID("not a GUID"); got != "not a GUID" {
		t.Errorf("DashedGUID changed what is no GUID: %q", got)
	}
}

func TestKeyIsTheNormalForm(t *testing.T) {
	want := usage.Key{
		SubscriptionID: strings.ReplaceAll(guidLower, "-", ""),
		ResourceURI:    "/subscriptions/x/providers/p/t/n",
		MeterID:        strings.ToLower(guidDashless),
		Location:       "Local", Tags: `{"A":"b"}`, AdditionalInfo: "InUse",
	}
	for name, s := range map[string]usage.Shown{
		"upper case":        {guidUpper, "/SUBSCRIPTIONS/X/providers/P/t/N", guidDashless, "Local", `{"A":"b"}`, "InUse"},
		"lower case":        {guidLower, "/subscriptions/x/providers/p/t/n", strings.ToLower(guidDashless), "Local", `{"A":"b"}`, "InUse"},
		"dashes in a meter": {guidLower, "/subscriptions/x/providers/p/t/n", usage.DashedGUID(guidDashless), "Local", `{"A":"b"}`, "InUse"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, s.Key()); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("empty and null are alike", func(t *testing.T) {
		null := usage.Shown{Location: "null", Tags: "null", AdditionalInfo: "null"}
		if null.Key() != (usage.Shown{}).Key() {
			t.Errorf("%+v", null.Key())
		}
	})
	t.Run("tags, additional info and location differ by case", func(t *testing.T) {
		a, b := usage.Shown{Tags: "a", AdditionalInfo: "a", Location: "a"}, usage.Shown{Tags: "A", AdditionalInfo: "A", Location: "A"}
		if a.Key().Tags == b.Key().Tags || a.Key().AdditionalInfo == b.Key().AdditionalInfo || a.Key().Location == b.Key().Location {
			t.Error("two resources became one")
		}
	})
}

func drawShown(t *rapid.T, label string) usage.Shown {
	part := rapid.SampledFrom([]string{"", "null", "a", "A", "B", "b-", "ab"})
	return usage.Shown{
		SubscriptionID: part.Draw(t, label+" subscription"), ResourceURI: part.Draw(t, label+" resource"),
		MeterID: part.Draw(t, label+" meter"), Location: part.Draw(t, label+" location"),
		Tags: part.Draw(t, label+" tags"), AdditionalInfo: part.Draw(t, label+" info"),
	}
}

func TestLeastDependsNeitherOnOrderNorOnGrouping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawShown(t, "a"), drawShown(t, "b"), drawShown(t, "c")
		if a.Least(b) != b.Least(a) {
			t.Fatalf("%+v or %+v", a.Least(b), b.Least(a))
		}
		if a.Least(b).Least(c) != a.Least(b.Least(c)) {
			t.Fatalf("%+v or %+v", a.Least(b).Least(c), a.Least(b.Least(c)))
		}
		if a.Least(a) != a {
			t.Fatalf("%+v became %+v", a, a.Least(a))
		}
		if a.Key() == b.Key() && a.Least(b).Key() != a.Key() {
			t.Fatalf("the least form of one key has another key: %+v", a.Least(b).Key())
		}
	})
}

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := make([]usage.Key, 3)
		for i := range keys {
			keys[i] = drawShown(t, string(rune('a'+i))).Key()
		}
		a, b := keys[0], keys[1]
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%+v and %+v compare as %d and %d", a, b, a.Compare(b), b.Compare(a))
		}
		slices.SortFunc(keys, usage.Key.Compare)
		if keys[0].Compare(keys[2]) > 0 {
			t.Fatalf("not transitive: %+v", keys)
		}
	})
}

func TestResourceSubscription(t *testing.T) {
	for uri, want := range map[string]string{
		"/subscriptions/" + guidUpper + "/providers/P/t/n": strings.ReplaceAll(guidLower, "-", ""),
		"/SUBSCRIPTIONS/" + guidLower + "/x":               strings.ReplaceAll(guidLower, "-", ""),
		"":                                                 "",
		"/":                                                "",
		"/only":                                            "",
	} {
		if got := usage.ResourceSubscription(uri); got != want {
			t.Errorf("ResourceSubscription(%q) = %q, want %q", uri, got, want)
		}
	}
}

func TestNormalGUIDOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.StringMatching(`[0-9a-fA-F-]{0,40}`), rapid.String()).Draw(t, "text")
		if got, want := usage.NormalGUID(s), strings.ToLower(strings.ReplaceAll(s, "-", "")); got != want {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
	})
}

func TestKeyAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) string {
			return rapid.SampledFrom([]string{"", "null", "A-b", "a-B", "É"}).Draw(t, name)
		}
		shown := func() usage.Shown {
			return usage.Shown{SubscriptionID: draw("subscription"), ResourceURI: draw("resource"), MeterID: draw("meter"), Location: draw("location"), Tags: draw("tags"), AdditionalInfo: draw("info")}
		}
		s, before := shown(), shown()
		if got := s.KeyAfter(&before, before.Key()); got != s.Key() {
			t.Fatalf("%+v after %+v: %+v, want %+v", s, before, got, s.Key())
		}
	})
}
