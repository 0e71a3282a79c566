package usage_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"stackusage/internal/badinput"
	"stackusage/shared/usage"
)

func exact(t fataler, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatal("math/big does not read " + text)
	}
	return r
}

func FuzzParseQuantity(f *testing.F) {
	for _, text := range []string{
		"16.461425899527967", "8.4e-08", "0.0013440860215053762", "-0", "0e9", "1e20", "1e21", "1e-40", "1e1000000",
		"1e-1000000", "+1", "1.", ".5", "01", "NaN", "0x1", "", " 1", strings.Repeat("9", 41),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := usage.ParseQuantity(text)
		if err != nil {
			return
		}
		if exact(t, q.String()).Cmp(exact(t, text)) != 0 {
			t.Fatalf("%q was read as %s", text, q)
		}
		if again, err := usage.ParseQuantity(q.String()); err != nil || again.String() != q.String() {
			t.Fatalf("%q: its canonical text %s reads back as %s, %v", text, q, again, err)
		}
		if again, err := usage.ParseSum(q.String()); err != nil || !again.Equal(q) {
			t.Fatalf("%q: its canonical text %s is no sum: %v", text, q, err)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	for _, row := range []object{
		goodRow(), with("quantity", "1"), with("quantity", raw("1e1000000")), with("instanceData", raw("null")),
		with("instanceData", raw(instanceText(goodResource()))), withURI("/subscriptions/x"), with("usageEndTime", "x"),
		withResource(func(r object) { r["tags"] = object{"a": "b"} }),
	} {
		f.Add(lineOf(f, row))
	}
	for _, row := range badinput.Small() {
		f.Add([]byte(row.Line))
	}
	f.Add([]byte(`{"properties":null}`))
	f.Add([]byte("{\"properties\":{\"x\":\"\xff\"}}"))
	reported := hour(f, "2019-12-10T19:00:00Z")
	f.Fuzz(func(t *testing.T, line []byte) { checkRow(t, line, reported) })
}

// FuzzInstanceData gets past the outer JSON, which any bytes seldom do.
func FuzzInstanceData(f *testing.F) {
	for _, row := range badinput.Small() {
		var r struct{ Properties struct{ InstanceData string } }
		if json.Unmarshal([]byte(row.Line), &r) == nil {
			f.Add(r.Properties.InstanceData)
		}
	}
	reported := hour(f, "2019-12-10T19:00:00Z")
	f.Fuzz(func(t *testing.T, instance string) {
		checkRow(t, lineOf(t, with("instanceData", instance)), reported)
		if json.Valid([]byte(instance)) {
			checkRow(t, lineOf(t, with("instanceData", raw(instance))), reported)
		}
	})
}

// checkRow is what holds for any line.
func checkRow(t *testing.T, line []byte, reported usage.Hour) {
	t.Helper()
	record, rejection := usage.ParseRecord(line, reported)
	if again, r := usage.ParseRecord(bytes.Clone(line), reported); again.Shown != record.Shown || (r == nil) != (rejection == nil) || r != nil && *r != *rejection {
		t.Fatalf("judged in two ways: %+v, %+v", rejection, r)
	}
	if rejection != nil {
		if !codes[rejection.Code] || rejection.Reason == "" || len(rejection.Reason) > 4000 || !utf8.ValidString(rejection.Reason) {
			t.Fatalf("a rejection that cannot be kept: %q: %d bytes, %.100q", rejection.Code, len(rejection.Reason), rejection.Reason)
		}
		if record != (usage.Record{}) {
			t.Fatalf("a record and a rejection: %+v, %+v", record, rejection)
		}
		return
	}
	if again, err := usage.ParseQuantity(record.Quantity.String()); err != nil || !again.Equal(record.Quantity) {
		t.Fatalf("quantity %s reads back as %s, %v", record.Quantity, again, err)
	}
	if record.Quantity.Sign() < 0 || record.Hour > reported {
		t.Fatalf("counts and must not: %+v", record)
	}
	hour, err := record.Hour.MarshalText()
	if back, parseErr := usage.ParseHour(string(hour)); err != nil || parseErr != nil || back != record.Hour {
		t.Fatalf("hour %s reads back as %s, %v, %v", record.Hour, back, err, parseErr)
	}
	// What is stored must read back as the same key, or sums would part.
	var stored usage.Shown
	text, err := json.Marshal(record.Shown)
	if err == nil {
		err = json.Unmarshal(text, &stored)
	}
	if err != nil || stored != record.Shown {
		t.Fatalf("%+v is stored as %s, %v", record.Shown, text, err)
	}
	key := record.Key()
	for _, part := range []string{key.SubscriptionID, key.ResourceURI, key.MeterID, key.Location, key.Tags, key.AdditionalInfo} {
		if !utf8.ValidString(part) {
			t.Fatalf("the key %+v is no text", key)
		}
	}
	// A resource may name any subscription, that of zeros too: it is flagged then.
	named := usage.ResourceSubscription(record.ResourceURI)
	if usage.CheckGUID(record.SubscriptionID) != nil || usage.CheckGUID(record.MeterID) != nil ||
		strings.Trim(named, "0") != "" && usage.CheckGUID(named) != nil || len(named) != 32 {
		t.Fatalf("ids: %+v", record)
	}
}

func BenchmarkParseRecord(b *testing.B) {
	line := lineOf(b, goodRow())
	reported := hour(b, "2019-12-10T19:00:00Z")
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, rejection := usage.ParseRecord(line, reported); rejection != nil {
			b.Fatal(rejection)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
