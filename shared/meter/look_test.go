package meter_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"stackusage/shared/meter"
)

func TestSearch(t *testing.T) {
	c := builtIn(t)
	tests := []struct {
		name, text string
		want       int
		first      string
	}{
		{"no word finds all", " ", 85, ""},
		{"a part of a name, in any case", "wINDOWS vm", 1, meter.WindowsVM},
		{"an id", meter.BaseVM, 1, meter.BaseVM},
		{"an id without dashes in upper case", strings.ToUpper(strings.ReplaceAll(meter.BaseVM, "-", "")), 1, meter.BaseVM},
		{"a part of an id", "9cd92d4c", 1, meter.WindowsVM},
		{"commerce's id", "fb8c0713-ea20-40bf-901f-5560fd3f6330", 1, meter.WindowsVM},
		{"commerce's admin id", "8767AEB3", 1, "09f8879e-87e9-4305-a572-4b7be209f857"},
		{"a service", "key vault", 2, ""},
		{"a service and a unit", "storage gb*hours", 4, ""},
		{"what is nowhere", "windows storage", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := c.Search(tt.text)
			if len(got) != tt.want || tt.first != "" && got[0].ID != tt.first {
				t.Errorf("%d meters: %v", len(got), got)
			}
		})
	}
}

func TestAllIsInOrder(t *testing.T) {
	all := builtIn(t).All()
	names := func(m meter.Meter) string { return m.Service + "\x00" + m.Name + "\x00" + m.ID }
	if len(all) != 85 || !slices.IsSortedFunc(all, func(a, b meter.Meter) int { return strings.Compare(names(a), names(b)) }) {
		t.Errorf("%d meters, or out of order", len(all))
	}
}

func TestTraps(t *testing.T) {
	c := builtIn(t)
	for id, want := range map[string]string{
		meter.VMHours:                          "counts the machine twice",
		meter.WindowsVM:                        "alternatives",
		"09f8879e-87e9-4305-a572-4b7be209f857": "times hours",
		"d5f7731b-f639-404a-89d0-e46186e22c8d": "1/744",
		"67cc4afc-0691-48e1-a4b8-d744d1fedbde": "Azure does not bill it",
		"e5572fce-9f58-49d7-840c-b168c0f01fff": "Newer stacks",
	} {
		if m, ok := c.Find(id); !ok || !strings.Contains(m.Trap(), want) {
			t.Errorf("%s: %q, want %q", m.Name, m.Trap(), want)
		}
	}
	if m, _ := c.Find("43daf82b-4618-444a-b994-40c23f7cd438"); m.Trap() != "" {
		t.Errorf("%s: %q", m.Name, m.Trap())
	}
}

func TestNamed(t *testing.T) {
	c := builtIn(t)
	windows := strings.ReplaceAll(meter.WindowsVM, "-", "")
	for text, want := range map[string][]string{
		meter.WindowsVM:                        {windows},
		strings.ToUpper(windows):               {windows},
		"9cd92d4c":                             {windows},
		"fb8c0713-ea20-40bf-901f-5560fd3f6330": {windows}, // commerce's
		"fb8c0713":                             {windows},
		" windows vm size hours ":              {windows},
		"windows":                              nil, // the beginning of a name is not a name
		"9cd92d4":                              nil, // seven digits may be of several
		"":                                     nil,
		"11111111-2222-3333-4444-555555555555": {"11111111222233334444555555555555"}, // custom worker tiers are in no catalogue
	} {
		if got := slices.Sorted(maps.Keys(c.Named(text))); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
