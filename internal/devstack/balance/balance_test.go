package balance_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/internal/devstack/balance"
)

const meter = "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"

// row is a served row; quantity is JSON, a number or a string.
func row(meter, start, quantity string) string {
	return fmt.Sprintf(`{"id":"x","properties":{"subscriptionId":"s","usageStartTime":"%s","quantity":%s,"meterId":"%s"}}`+"\n", start, quantity, meter)
}

func record(meter, day, quantity string) string {
	return fmt.Sprintf(`{"recordId":"x","meterId":"%s","usageDate":"%s","quantity":"%s","region":"Azure Stack"}`+"\n", meter, day, quantity)
}

// even is a book that balances: three rows on two days and what they cost.
func even(t *testing.T) *balance.Book {
	t.Helper()
	var b balance.Book
	add(t, &b, nil, row(meter, "2019-12-10T22:00:00Z", "1.5")+row(meter, "2019-12-10T23:00:00+00:00", "2"), row(meter, "2019-12-11T00:00:00Z", "4"))
	bill(t, &b, record(meter, "2019-12-10", "3.5")+record(meter, "2019-12-11", "4"))
	b.HoursCounted = 2
	return &b
}

func add(t *testing.T, b *balance.Book, quarantined map[int]bool, hours ...string) {
	t.Helper()
	for _, rows := range hours {
		if err := b.Hour(strings.NewReader(rows), quarantined); err != nil {
			t.Fatal(err)
		}
	}
}

func bill(t *testing.T, b *balance.Book, records string) {
	t.Helper()
	if err := b.Recorded(strings.NewReader(records)); err != nil {
		t.Fatal(err)
	}
}

func TestABalancedRun(t *testing.T) {
	want := balance.Sheet{
		Balanced: true, Problems: []string{}, HoursServed: 2, HoursCounted: 2, RowsServed: 3, RowsAccepted: 3, Records: 2,
		Lines: []balance.Line{
			{MeterID: "fab6eb84500b4a09a8ca7358f8bbaea5", UsageDay: "2019-12-10", Rows: 2, Used: "3.5", Records: 1, Billed: "3.5", Balanced: true},
			{MeterID: "fab6eb84500b4a09a8ca7358f8bbaea5", UsageDay: "2019-12-11", Rows: 1, Used: "4", Records: 1, Billed: "4", Balanced: true},
		},
	}
	if diff := cmp.Diff(want, even(t).Close()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEachKindOfProblemIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, b *balance.Book)
		want  string
	}{
		{"an hour that does not count", func(_ *testing.T, b *balance.Book) { b.HoursCounted-- }, "2 hours were served, 1 count"},
		{"an hour that counts twice", func(_ *testing.T, b *balance.Book) { b.HoursCounted++ }, "2 hours were served, 3 count"},
		{"an hour that was never counted", func(t *testing.T, b *balance.Book) { add(t, b, nil, "") }, "3 hours were served, 2 count"},
		{"a refusal of a row that was not served", func(t *testing.T, b *balance.Book) {
			add(t, b, map[int]bool{2: true}, row(meter, "2019-12-11T01:00:00Z", "0"))
			b.HoursCounted++
		}, "4 rows were served, 4 accepted and 1 quarantined"},
		{"a row that is lost", func(_ *testing.T, b *balance.Book) { b.RowsAccepted-- }, "3 rows were served, 2 accepted and 0 quarantined"},
		{"a day that stays open", func(_ *testing.T, b *balance.Book) { b.OpenDays = 1 }, "1 usage days are not closed"},
		{"a revision without answers", func(_ *testing.T, b *balance.Book) { b.OpenRevisions = 2 }, "2 revisions have records without an answer"},
		{"a message in a queue", func(_ *testing.T, b *balance.Book) { b.QueuedMessages = 3 }, "3 messages are queued"},
		{"a message in a poison queue", func(_ *testing.T, b *balance.Book) { b.PoisonMessages = 4 }, "4 messages are in poison queues"},
		{"a message that failed", func(_ *testing.T, b *balance.Book) { b.FailedMessages = 5 }, "5 messages failed for good"},
		{"a record billed twice", func(t *testing.T, b *balance.Book) { bill(t, b, record(meter, "2019-12-11", "4")) },
			"meter fab6eb84500b4a09a8ca7358f8bbaea5 on 2019-12-11: used 4, billed 8"},
		{"a record billed on another day", func(t *testing.T, b *balance.Book) {
			bill(t, b, record(meter, "2019-12-11", "-4")+record(meter, "2019-12-11", "4")+record(meter, "2019-12-12", "1"))
		}, "meter fab6eb84500b4a09a8ca7358f8bbaea5 on 2019-12-12: used 0, billed 1"},
		{"a row that is not billed", func(t *testing.T, b *balance.Book) {
			add(t, b, nil, row("ab", "2019-12-11T01:00:00Z", "0.1"))
			b.HoursCounted++
		}, "meter ab on 2019-12-11: used 0.1, billed 0"},
		{"a difference in the last of 25 decimals", func(t *testing.T, b *balance.Book) {
			bill(t, b, record(meter, "2019-12-10", "-0.0000000000000000000000001"))
		}, "meter fab6eb84500b4a09a8ca7358f8bbaea5 on 2019-12-10: used 3.5, billed 3.4999999999999999999999999"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := even(t)
			tt.spoil(t, b)
			sheet := b.Close()
			if diff := cmp.Diff([]string{tt.want}, sheet.Problems); diff != "" || sheet.Balanced {
				t.Errorf("balanced: %v, problems (-want +got)\n%s", sheet.Balanced, diff)
			}
		})
	}
	t.Run("a run that shows nothing", func(t *testing.T) {
		var b balance.Book
		add(t, &b, nil, "", "")
		b.HoursCounted = 2
		sheet := b.Close()
		if diff := cmp.Diff([]string{"no rows were served: nothing is shown by this run"}, sheet.Problems); diff != "" || sheet.Balanced {
			t.Error(diff)
		}
	})
	t.Run("all of them", func(t *testing.T) {
		b := even(t)
		b.HoursCounted, b.OpenDays, b.PoisonMessages = 0, 1, 1
		if got := b.Close().Problems; len(got) != 3 {
			t.Errorf("got %q", got)
		}
	})
}

func TestSumsAreExact(t *testing.T) {
	t.Run("with 25 decimals", func(t *testing.T) {
		const q = "0.0123456789012345678901234"
		var b balance.Book
		add(t, &b, nil, strings.Repeat(row(meter, "2019-12-10T22:00:00Z", q), 10_000))
		bill(t, &b, record(meter, "2019-12-10", "123.456789012345678901234"))
		b.HoursCounted = 1
		if sheet := b.Close(); !sheet.Balanced || sheet.Lines[0].Used != "123.456789012345678901234" {
			t.Errorf("got %+v", sheet)
		}
	})
	t.Run("whatever the rows", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			var b balance.Book
			var sum big.Int // of units of 10^-25
			var rows strings.Builder
			for _, n := range rapid.SliceOfN(rapid.Uint64(), 1, 50).Draw(rt, "units") {
				sum.Add(&sum, new(big.Int).SetUint64(n))
				rows.WriteString(row(meter, "2019-12-10T22:00:00Z", fmt.Sprintf("%de-25", n)))
			}
			if err := b.Hour(strings.NewReader(rows.String()), nil); err != nil {
				rt.Fatal(err)
			}
			digits := fmt.Sprintf("%026s", sum.String())
			want := digits[:len(digits)-25] + "." + digits[len(digits)-25:]
			if err := b.Recorded(strings.NewReader(record(meter, "2019-12-10", want))); err != nil {
				rt.Fatal(err)
			}
			b.HoursCounted = 1
			sheet := b.Close()
			if got := sheet.Lines[0].Used; !sheet.Balanced || got != strings.TrimSuffix(strings.TrimRight(want, "0"), ".") {
				rt.Fatalf("the sum is %s, want %s", got, want)
			}
		})
	})
}

func TestRows(t *testing.T) {
	t.Run("that are quarantined are counted and left out", func(t *testing.T) {
		var b balance.Book
		rows := row(meter, "2019-12-10T22:00:00Z", "1") + "not even JSON\n" + row(meter, "2019-12-10T22:00:00Z", "100")
		add(t, &b, map[int]bool{2: true, 3: true}, rows)
		bill(t, &b, record(meter, "2019-12-10", "1"))
		b.HoursCounted = 1
		sheet := b.Close()
		if !sheet.Balanced || sheet.RowsServed != 3 || sheet.RowsAccepted != 1 || sheet.RowsQuarantined != 2 {
			t.Errorf("got %+v", sheet)
		}
	})
	t.Run("may have the quantity as a string, and the meter in any spelling", func(t *testing.T) {
		var b balance.Book
		add(t, &b, nil, row(strings.ToUpper(meter), "2019-12-10T22:00:00Z", `"1.25"`)+
			row(strings.ReplaceAll(meter, "-", ""), "2019-12-10T22:00:00Z", "1e-2"))
		bill(t, &b, record(meter, "2019-12-10", "1.26"))
		b.HoursCounted = 1
		if sheet := b.Close(); !sheet.Balanced || len(sheet.Lines) != 1 {
			t.Errorf("got %+v", sheet)
		}
	})
	t.Run("belong to the UTC day in which they were used", func(t *testing.T) {
		var b balance.Book
		add(t, &b, nil, row(meter, "2019-12-11T01:30:00+02:00", "1"))
		if got := b.Close().Lines; len(got) != 1 || got[0].UsageDay != "2019-12-10" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("may be long", func(t *testing.T) {
		var b balance.Book
		add(t, &b, nil, row(strings.Repeat("x", 1<<20), "2019-12-10T22:00:00Z", "1"))
	})
	t.Run("that cannot be read are an error with their number", func(t *testing.T) {
		for name, bad := range map[string]string{
			"no JSON":                "{\n",
			"no quantity":            `{"properties":{"usageStartTime":"2019-12-10T22:00:00Z","meterId":"x"}}` + "\n",
			"a quantity of nothing":  row(meter, "2019-12-10T22:00:00Z", "null"),
			"a quantity in words":    row(meter, "2019-12-10T22:00:00Z", `"one"`),
			"a quantity as fraction": row(meter, "2019-12-10T22:00:00Z", `"1/3"`),
			"a time in words":        row(meter, "yesterday", "1"),
		} {
			var b balance.Book
			err := b.Hour(strings.NewReader(row(meter, "2019-12-10T22:00:00Z", "1")+bad), nil)
			if err == nil || !strings.HasPrefix(err.Error(), "read row 2: ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRecordsThatCannotBeReadAreAnErrorWithTheirNumber(t *testing.T) {
	good := record(meter, "2019-12-10", "1")
	for name, bad := range map[string]string{
		"no JSON":                "{\n",
		"a quantity in words":    record(meter, "2019-12-10", "one"),
		"a quantity as fraction": record(meter, "2019-12-10", "1/3"),
		"no quantity":            record(meter, "2019-12-10", ""),
		"a quantity as number":   strings.Replace(good, `"1"`, "1", 1),
		"another region":         strings.Replace(good, "Azure Stack", "westeurope", 1),
		"the location":           strings.Replace(good, "Azure Stack", "azurestack", 1),
		"no region":              strings.Replace(good, `"region"`, `"x"`, 1),
	} {
		var b balance.Book
		if err := b.Recorded(strings.NewReader(good + bad)); err == nil || !strings.HasPrefix(err.Error(), "read record 2: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What another day bills in place of the day of the usage counts for the latter.
func TestWhatIsCarriedForwardCountsForItsOwnDay(t *testing.T) {
	var b balance.Book
	add(t, &b, nil, row(meter, "2019-12-10T22:00:00Z", "1.5"))
	bill(t, &b, record(meter, "2019-12-10", "1")+strings.Replace(record(meter, "2019-12-20", "0.5"), `"meterId"`, `"carriedFrom":"2019-12-10","meterId"`, 1))
	b.HoursCounted = 1
	if sheet := b.Close(); !sheet.Balanced || len(sheet.Lines) != 1 || sheet.Lines[0].Records != 2 {
		t.Errorf("%+v", sheet)
	}
}
