package hours

import (
	"testing"

	"stackusage/shared/hourlog"
)

// TestListNamesAReingest: a file that is rejected again looks as before, but for
// this.
func TestListNamesAReingest(t *testing.T) {
	for want, h := range map[string]hourlog.Hour{
		"no gzip": {Reason: "no gzip"},
		"no gzip; 2019-12-11 reingest by olga: fixed": {Reason: "no gzip", Earlier: "2019-12-10 reingest by olga: a try\n2019-12-11 reingest by olga: fixed"},
		"2019-12-11 reingest by olga: fixed":          {Earlier: "2019-12-11 reingest by olga: fixed"},
		"":                                            {},
	} {
		if got := rowOf(hourlog.Landed{Hour: h}).Why(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
