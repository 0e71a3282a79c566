package prices_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"stackusage/internal/devstack/commerce/rating"
	"stackusage/shared/meter"
	"stackusage/shared/prices"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const (
	header    = "effective,meter_id,meter_name,unit,usd_rate,source_note\n"
	windows   = "9cd92d4c-bafd-4492-b278-bedc2de8232a"
	oneCore   = "fb8c0713-ea20-40bf-901f-5560fd3f6330" // commerce's ID of the same
	published = "../../internal/devstack/commerce/rating/prices.csv"
)

func read(t testing.TB, text string) *prices.List {
	t.Helper()
	l, err := prices.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func day(t testing.TB, text string) usage.Day {
	t.Helper()
	d, err := usage.ParseDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOf(t *testing.T) {
	l := read(t, "\ufeff"+header+
		"2020-02-01,"+windows+",Windows VM,vCPU hours,0.050,from February\r\n"+
		"2019-01-01,"+strings.ToUpper(windows)+",Windows VM,vCPU hours,0.046,published\n"+
		"2020-03-01,"+oneCore+",1 Core,1 Hour,,no longer published\n")
	for name, c := range map[string]struct {
		day, commerce string
		class         meter.Class
		model         registration.BillingModel
		rate, note    string // an empty rate is not known
	}{
		"the first day of a rate":                 {"2020-02-01", "", meter.Full, "", "0.05", "from February"},
		"the day before it":                       {"2020-01-31", "", meter.Full, "", "0.046", "published"},
		"before every rate":                       {"2018-12-31", "", meter.Full, "", "", "not on the price list on that day"},
		"commerce's meter is not listed then":     {"2020-02-29", oneCore, meter.Unknown, "", "0.05", "from February"},
		"commerce's meter comes first":            {"2020-03-01", oneCore, meter.Full, "", "", "no longer published"},
		"the stack's own usage":                   {"2020-03-01", oneCore, meter.Admin, "", "0", "admin meter: reported, price zero"},
		"beside another meter":                    {"2018-12-31", "", meter.Informational, "", "0", "informational: charged through another meter"},
		"the capacity model":                      {"2020-02-01", "", meter.Full, registration.Capacity, "0", "Capacity: paid for by the year, not by usage"},
		"a Development Kit":                       {"2020-02-01", "", meter.Full, registration.Development, "0", "Development: never charged"},
		"a model that is charged, known to users": {"2020-02-01", "", meter.Full, registration.PayAsYouUse, "0.05", "from February"},
	} {
		t.Run(name, func(t *testing.T) {
			p := l.Of(prices.Charge{Day: day(t, c.day), MeterID: usage.NormalGUID(windows), CommerceMeterID: c.commerce, Class: c.class, Model: c.model})
			if p.Known != (c.rate != "") || p.Known && p.Rate.String() != c.rate || p.Note != c.note {
				t.Errorf("known %v, rate %s, note %q", p.Known, p.Rate, p.Note)
			}
		})
	}
	if p := (*prices.List)(nil).Of(prices.Charge{Class: meter.Admin}); p.Known {
		t.Errorf("without a list: %+v", p)
	}
}

func TestReadErrors(t *testing.T) {
	row := "2019-12-01," + windows + ",Windows VM,vCPU hours,0.046,published\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                 {"", "the first line must be effective,meter_id,"},
		"other columns":           {"meter_id,effective,meter_name,unit,usd_rate,source_note\n", "the first line must be effective,meter_id,"},
		"a field too many":        {header + row[:len(row)-1] + ",x\n", "record on line 2: wrong number of fields"},
		"a quote that never ends": {header + `2019-12-01,"` + windows, "line 2"},
		"no day":                  {header + "01/12/2019" + row[10:], `line 2, column 1: effective "01/12/2019": want a day`},
		"no meter":                {header + "2019-12-01,Windows,,,1,\n", `line 2, column 12: meter_id "Windows": not a GUID`},
		"a rate below zero":       {header + row + "2019-12-02," + windows + ",,,-1,\n", `line 3, column 51: usd_rate "-1": want a decimal number from zero on`},
		"a rate with a comma":     {header + "2019-12-02," + windows + `,,,"0,046",` + "\n", `usd_rate "0,046"`},
		"a rate of many digits":   {header + "2019-12-02," + windows + ",,,0." + strings.Repeat("1", 41) + ",\n", "at most 40 digits"},
		"two rates":               {header + row + row, "line 3, column 12: meter_id \"" + windows + "\": meter " + windows + " has two prices from 2019-12-01 on"},
		"a line end in a name":    {header + "2019-12-02," + windows + ",\"a\nb\",,1,\n", `meter_name "a\nb": a line end`},
		"another encoding":        {header + "2019-12-02," + windows + ",\xe4,,1,\n", "not UTF-8"},
		"a long text":             {header + "2019-12-02," + windows + ",,,1," + strings.Repeat("x", 1001) + "\n", "line 2, column 53: source_note"},
		"a file without an end":   {header + strings.Repeat("\n", 17<<20), "over 16777216 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := prices.Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %s", err, c.want)
			}
		})
	}
}

// TestAsCommerceRates: the stand-in for commerce has a decoder of its own, because
// stand-ins share no code with the product. Both rate by the same rules.
func TestAsCommerceRates(t *testing.T) {
	text, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	ours := read(t, string(text))
	theirs, err := rating.Published()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		for _, on := range []string{"2016-12-31", "2017-01-01", "2019-12-10"} {
			rate, note, found := theirs.Price(row[1], on)
			p := ours.Of(prices.Charge{Day: day(t, on), MeterID: row[1], Class: meter.Full, Model: registration.PayAsYouUse})
			if p.Known != (rate != "") || p.Known && p.Rate.String() != rate || found && p.Note != note {
				t.Errorf("%s on %s: %+v; commerce has %q, %q", row[2], on, p, rate, note)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	text, err := os.ReadFile(published)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text), windows, "2019-12-10")
	f.Add(header+"2019-12-02,"+windows+`,"a ""b""",,1e-3,`+"\n", windows, "2019-12-02")
	f.Fuzz(func(t *testing.T, text, meterID, on string) {
		l, err := prices.Read(strings.NewReader(text))
		d, dayErr := usage.ParseDay(on)
		if err != nil || dayErr != nil {
			return
		}
		if p := l.Of(prices.Charge{Day: d, MeterID: meterID}); p.Rate.Sign() < 0 || !p.Known && p.Rate.Sign() != 0 {
			t.Errorf("%+v", p)
		}
	})
}
