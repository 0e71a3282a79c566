package reasoned_test

import (
	"testing"
	"time"

	"stackusage/shared/reasoned"
)

// TestEarlier: what was decided before is read back as it was written.
func TestEarlier(t *testing.T) {
	at := time.Date(2019, 12, 10, 19, 5, 0, 0, time.UTC)
	want := []reasoned.Named{
		{What: "keep", Decision: reasoned.Decision{By: "unverified:ops", Reason: "sent twice: by the agent", At: at}},
		{What: "settle as declined", Decision: reasoned.Decision{By: "olga", Reason: "x by y: z", At: at.Add(time.Hour)}},
	}
	text := ""
	for _, d := range want {
		text = reasoned.Keep(text, d.What, d.Decision)
	}
	got, err := reasoned.Kept(text)
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := reasoned.Kept(""); err != nil || got != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	for _, text := range []string{"yesterday keep by olga: x", "2019-12-10T19:05:00Z keep", "2019-12-10T19:05:00Z keep by olga"} {
		if got, err := reasoned.Kept(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
