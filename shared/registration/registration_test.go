package registration_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/shared/registration"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

const (
	payer  = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
	tenant = "dbab3982-796f-4d03-9908-044c08aef8a2"
	buyer  = "e09a4e93-29a7-4eba-a6d4-76202383f07f"

	provider = "5a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b15"
)

func good() registration.Registration {
	return registration.Registration{
		CloudID: cloudID, Name: "hamburg", EffectiveDay: "20191210", SubscriptionID: payer, SubscriptionKind: registration.EA, Cloud: registration.AzureCloud,
		StackKind: registration.Integrated, BillingModel: registration.PayAsYouUse, Start: time.Date(2019, 12, 10, 5, 0, 0, 0, time.UTC), Region: "northwest",
	}
}

func from(days ...string) []registration.Registration {
	var history []registration.Registration
	for _, d := range days {
		history = append(history, registration.Registration{CloudID: cloudID, EffectiveDay: d})
	}
	return history
}

func TestOn(t *testing.T) {
	history := from("20191201", "20191210", "20200101")
	for name, tt := range map[string]struct{ day, want string }{
		"the day an entry begins":               {"20191210", "20191210"},
		"the day before an entry":               {"20191209", "20191201"},
		"a day between two entries":             {"20191231", "20191210"},
		"a day after the last":                  {"20991231", "20200101"},
		"a day before the first is the first's": {"20191130", "20191201"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := registration.On(history, tt.day)
			if err != nil || got.EffectiveDay != tt.want {
				t.Errorf("on %s holds the entry of %s, %v; want %s", tt.day, got.EffectiveDay, err, tt.want)
			}
		})
	}
	t.Run("of two entries for one day the last one holds, for the days before the first too", func(t *testing.T) {
		history := from("20191210", "20191210", "20191210")
		history[0].Number = 2
		history[2].Number = 1
		for _, day := range []string{"20191209", "20191210"} {
			if got, err := registration.On(history, day); err != nil || got.Number != 2 {
				t.Errorf("%s: %+v, %v", day, got, err)
			}
		}
	})
	t.Run("no history is an unknown registration", func(t *testing.T) {
		if _, err := registration.On(nil, "20191210"); !errors.Is(err, registration.ErrUnknown) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the order of the history does not matter, and it stays as it is", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			shuffled := rapid.Permutation(history).Draw(t, "history")
			before := append([]registration.Registration(nil), shuffled...)
			day := rapid.SampledFrom([]string{"20191130", "20191201", "20191210", "20191215", "20200101", "20200102"}).Draw(t, "day")
			want, _ := registration.On(history, day)
			if got, err := registration.On(shuffled, day); err != nil || got != want {
				t.Fatalf("got %+v, %v; want %+v", got, err, want)
			}
			if diff := cmp.Diff(before, shuffled); diff != "" {
				t.Fatal(diff)
			}
		})
	})
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}
