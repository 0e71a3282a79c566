package usage_test

import (
	"testing"

	"stackusage/shared/usage"
)

func TestMonth(t *testing.T) {
	for text, days := range map[string]string{
		"2024-02": "2024-02-01 2024-02-29", "2023-02": "2023-02-01 2023-02-28", "2019-12": "2019-12-01 2019-12-31", "1969-04": "1969-04-01 1969-04-30",
	} {
		m, err := usage.ParseMonth(text)
		if got := m.First().String() + " " + m.Last().String(); err != nil || got != days || m.String() != text {
			t.Errorf("%s: %s, %s, error %v", text, m, got, err)
		}
	}
	for _, text := range []string{"", "2024-13", "2024-3", "03/2024", "2024-03-01", "20240"} {
		if m, err := usage.ParseMonth(text); err == nil {
			t.Errorf("%q is read as %s", text, m)
		}
	}
}
