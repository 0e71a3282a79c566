package linefile_test

import (
	"testing"

	"stackusage/shared/linefile"
)

// FuzzAppendString compares with encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", `{"env":"prod"}`, `C:\x`, "é\u2028\u2029<&>", "\x00\b\f\n\r\t\x1f\x7f", "\xff\"", `"`, `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := linefile.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := linefile.AppendString([]byte("before"), s); string(got) != "before"+string(want) {
			t.Errorf("%q: %s, encoding/json has %s", s, got, want)
		}
	})
}
