package registration_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/shared/registration"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

func good() registration.Registration {
	return registration.Registration{
		CloudID: cloudID, EffectiveDay: "20191210", SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		BillingModel: registration.PayAsYouUse, Start: time.Date(2019, 12, 10, 5, 0, 0, 0, time.UTC), Region: "northwest",
	}
}

func TestValidate(t *testing.T) {
	type reg = registration.Registration
	tests := []struct {
		name   string
		change func(*reg)
		want   string // "" if it is valid
	}{
		{"a good registration", func(*reg) {}, ""},
		{"a registration without region", func(r *reg) { r.Region = "" }, ""},
		{"a start in another zone", func(r *reg) { r.Start = r.Start.In(time.FixedZone("", -5*3600)) }, ""},
		{"no cloudId", func(r *reg) { r.CloudID = "" }, `cloudId "": must be a GUID in lower case with dashes`},
		{"a cloudId in upper case", func(r *reg) { r.CloudID = strings.ToUpper(cloudID) }, "must be a GUID in lower case with dashes"},
		{"a cloudId without dashes", func(r *reg) { r.CloudID = strings.ReplaceAll(cloudID, "-", "") }, "must be a GUID in lower case with dashes"},
		{"a cloudId with a line break", func(r *reg) { r.CloudID += "\n" }, "must be a GUID in lower case with dashes"},
		{"no subscription", func(r *reg) { r.SubscriptionID = "" }, "registration " + cloudID + `: subscriptionId "": must be a GUID in lower case with dashes`},
		{"a subscription by name", func(r *reg) { r.SubscriptionID = "prod" }, `subscriptionId "prod": must be`},
		{"no effective day", func(r *reg) { r.EffectiveDay = "" }, `effective day "": must be of the form 20191210`},
		{"an effective day with dashes", func(r *reg) { r.EffectiveDay = "2019-12-10" }, "must be of the form 20191210"},
		{"an effective day that does not exist", func(r *reg) { r.EffectiveDay = "20191310" }, "must be of the form 20191210"},
		{"an effective day of seven digits", func(r *reg) { r.EffectiveDay = "2019121" }, "must be of the form 20191210"},
		{"no billing model", func(r *reg) { r.BillingModel = "" }, `billing model "": only PayAsYouUse is known`},
		{"a billing model that is not known", func(r *reg) { r.BillingModel = "payasyouuse" }, "only PayAsYouUse is known"},
		{"no start", func(r *reg) { r.Start = time.Time{} }, "must be a full hour"},
		{"a start off the hour", func(r *reg) { r.Start = r.Start.Add(time.Second) }, "start 2019-12-10T05:00:01Z: must be a full hour"},
		{"a start that is a full hour only at half past in UTC", func(r *reg) {
			r.Start = time.Date(2019, 12, 10, 5, 0, 0, 0, time.FixedZone("", 5*3600+1800))
		}, "must be a full hour"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := good()
			tt.change(&r)
			err := r.Validate()
			if tt.want == "" && err != nil {
				t.Error(err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
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
