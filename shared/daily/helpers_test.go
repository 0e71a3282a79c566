package daily_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"iter"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const (
	cloudID      = "b31316d4-de02-43a4-903d-eb74f8258b01"
	subscription = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	billing      = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
	resourceURI  = "/subscriptions/" + subscription + "/resourcegroups/vaasrg66a8/providers/Microsoft.Storage/storageAccounts/savaasrg66a8"
	pageBlobs    = "B5C15376-6C94-4FDD-B655-1A69D138ACA3"
)

// failer is what *testing.T, *testing.B and *rapid.T have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func quantity(t failer, text string) usage.Quantity {
	t.Helper()
	q, err := usage.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func hour(t failer, text string) usage.Hour {
	t.Helper()
	h, err := usage.ParseHour(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// day10 is the usage day of most tests.
func day10(t failer) usage.Day { return hour(t, "2019-12-10T00:00:00Z").Day() }

func record(t failer, shown usage.Shown, at, q string) usage.Record {
	t.Helper()
	return usage.Record{Shown: shown, Hour: hour(t, at), Quantity: quantity(t, q)}
}

func shown() usage.Shown {
	return usage.Shown{SubscriptionID: subscription, ResourceURI: resourceURI, MeterID: pageBlobs, Location: "northwest"}
}

func rules(t testing.TB) daily.Rules {
	t.Helper()
	meters, err := meter.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	return daily.Rules{
		CloudID: cloudID, Day: day10(t), Revision: 1, Meters: meters,
		Terms: daily.Terms{BillingModel: registration.PayAsYouUse, BillingSubscriptionID: billing},
	}
}

// summer is a Aggregator that holds records.
func summer(t failer, dir string, spill int, records []usage.Record) *daily.Aggregator {
	t.Helper()
	s, err := daily.NewAggregator(dir, spill, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func collect(t failer, seq iter.Seq2[daily.Sum, error]) []daily.Sum {
	t.Helper()
	var sums []daily.Sum
	for s, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, s)
	}
	return sums
}

// sumsOf are the sums of records, by day and key.
func sumsOf(t testing.TB, records ...usage.Record) []daily.Sum {
	t.Helper()
	s := summer(t, t.TempDir(), 1000, records)
	defer s.Close()
	return collect(t, s.Sums())
}

func sequence(sums []daily.Sum) iter.Seq2[daily.Sum, error] {
	return func(yield func(daily.Sum, error) bool) {
		for _, s := range sums {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// view is all that a sum says, comparable.
type view struct {
	Day      string
	Shown    usage.Shown
	Quantity string
	Hours    usage.HourSet
	Rows     int64
}

func views(sums []daily.Sum) []view {
	out := []view{}
	for _, s := range sums {
		out = append(out, view{s.Day.String(), s.Shown, s.Quantity.String(), s.Hours, s.Rows})
	}
	return out
}

// drawRecords makes records of few keys in many spellings, over three days.
func drawRecords(t *rapid.T) []usage.Record {
	spelling := rapid.SampledFrom([]string{"aa-1", "AA-1", "aa1", "b-2", "B2"})
	text := rapid.SampledFrom([]string{"", "null", "x", "<&>", "é\u2028"})
	number := rapid.StringMatching(`(0|[1-9][0-9]{0,14})(\.[0-9]{1,20})?`)
	first := hour(t, "2019-12-09T00:00:00Z")
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) usage.Record {
		return usage.Record{
			Shown: usage.Shown{
				SubscriptionID: spelling.Draw(t, "subscription"), ResourceURI: "/" + spelling.Draw(t, "resource"),
				MeterID: spelling.Draw(t, "meter"), Tags: text.Draw(t, "tags"), AdditionalInfo: text.Draw(t, "info"),
			},
			Hour:     first + usage.Hour(rapid.IntRange(0, 71).Draw(t, "hour")),
			Quantity: quantity(t, number.Draw(t, "quantity")),
		}
	}), 0, 150).Draw(t, "records")
}

func gunzip(t testing.TB, file []byte) []string {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
}

func zip(t testing.TB, lines ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	gz := gzip.NewWriter(&file)
	_, err := io.WriteString(gz, strings.Join(lines, ""))
	if err == nil {
		err = gz.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func rat(t failer, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatal("math/big does not read " + text)
	}
	return r
}

// manyRecords makes n records of n/rows keys.
func manyRecords(t failer, n, rows int) []usage.Record {
	t.Helper()
	start := hour(t, "2019-12-10T00:00:00Z")
	records := make([]usage.Record, n)
	for i := range records {
		s := shown()
		s.ResourceURI = fmt.Sprintf("%s%07d", resourceURI, (i*7919)%(n/rows))
		records[i] = usage.Record{Shown: s, Hour: start + usage.Hour(i%24), Quantity: quantity(t, fmt.Sprintf("%d.%015d", i%100, i+1))}
	}
	return records
}
