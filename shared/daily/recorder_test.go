package daily

import (
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"stackusage/shared/linefile"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// TestRecordIDsAreOfAListInJSON: the names of ids are appended, and encoding/json has
// written them before.
func TestRecordIDsAreOfAListInJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.String().Draw(t, name) }
		r := Rules{CloudID: text("cloud"), Day: usage.Day(rapid.IntRange(2, 30000).Draw(t, "day")), Revision: rapid.Int().Draw(t, "revision")}
		r.BillingModel = registration.PayAsYouUse
		k := LineKey{Key: usage.Key{SubscriptionID: text("subscription"), ResourceURI: text("uri"), MeterID: text("meter"), Location: text("location"), Tags: text("tags"), AdditionalInfo: text("info")},
			billing: text("billing"), commerceMeter: text("commerce"), class: text("class"), model: registration.PayAsYouUse}
		parts := []any{usage.NormalGUID(r.CloudID), r.Day.Compact(), r.Revision, k.SubscriptionID, k.ResourceURI, k.MeterID, k.Location, k.Tags, k.AdditionalInfo, k.billing, k.commerceMeter, k.class}
		if rapid.Bool().Draw(t, "carried") {
			k.carriedFrom = r.Day - 1
			parts = append(parts, k.carriedFrom.Compact())
		}
		if rapid.Bool().Draw(t, "another model") {
			k.model = registration.BillingModel(text("model"))
			parts = append(parts, string(k.model))
		}
		name, err := linefile.Encode(parts)
		if err != nil {
			t.Fatal(err)
		}
		want := uuid.NewSHA1(recordNamespace, name).String()
		c := newRecorder(r)
		if got, again := c.recordID(&k), c.recordID(&k); got != want || again != want || r.recordID(k) != want {
			t.Fatalf("%s, %s, %s; want %s of %s", got, again, r.recordID(k), want, name)
		}
	})
}
