package reconcile_test

import (
	"testing"

	"stackusage/internal/badinput"
	"stackusage/shared/reconcile"
	"stackusage/shared/usage"
)

// reported is later than all that the rows of badinput are used in.
var reported = tenth + 19

// FuzzMeasure: of a row that counts, what is measured is what is counted.
func FuzzMeasure(f *testing.F) {
	for _, row := range badinput.Rows() {
		if len(row.Line) < 4<<10 {
			f.Add([]byte(row.Line))
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		meter, subscription, q, ok := reconcile.Measure(line)
		if ok && (len(meter) != 32 || len(q.String()) > 300) {
			t.Fatalf("meter %q, quantity %s", meter, q)
		}
		record, rejection := usage.ParseRecord(line, reported)
		if rejection != nil {
			return
		}
		if !ok || meter != usage.NormalGUID(record.MeterID) || subscription != usage.NormalGUID(record.SubscriptionID) || !q.Equal(record.Quantity) {
			t.Fatalf("measured %q, %q, %s, %t; the row is %+v", meter, subscription, q, ok, record)
		}
	})
}

// TestMeasure: what is wrong with a rejected row may be elsewhere than in its
// number, which the stack counts then.
func TestMeasure(t *testing.T) {
	measured := map[string]string{}
	for _, row := range badinput.Rows() {
		if _, _, q, ok := reconcile.Measure([]byte(row.Line)); ok && row.Code != "" {
			measured[row.Code] = q.String()
		}
	}
	for _, code := range []string{usage.RejectedNegative, usage.RejectedResource, usage.RejectedSubscription, usage.RejectedAmbiguous, usage.RejectedJSON} {
		if measured[code] == "" {
			t.Errorf("no row with %s has a quantity", code)
		}
	}
	for _, code := range []string{usage.RejectedMeter, usage.RejectedNotNumeric, usage.RejectedOutOfBounds} {
		if q := measured[code]; q != "" {
			t.Errorf("a row with %s has the quantity %s", code, q)
		}
	}
}
