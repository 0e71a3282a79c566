package cli_test

import (
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
)

func TestHoursAreReadAsListsShowThem(t *testing.T) {
	for _, text := range []string{"2019-12-10T19:00Z", "2019-12-10T19:00:00Z", "2019-12-10T20:00+01:00"} {
		if h, err := cli.ParseHour(text); err != nil || cli.Stamp(h.Start()) != "2019-12-10T19:00Z" {
			t.Errorf("%s: %s, %v", text, h, err)
		}
	}
	for text, want := range map[string]string{"": "--hour is missing", "noon": "for example 2019-12-10T19:00Z", "2019-12-10T19:30Z": "not on the hour"} {
		if _, err := cli.ParseHour(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
