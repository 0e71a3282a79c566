package focus_test

import (
	"encoding/csv"
	"fmt"
	"iter"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"stackusage/shared/focus"
	"stackusage/shared/meter"
	"stackusage/shared/prices"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const priceList = "../../internal/devstack/commerce/rating/prices.csv"

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func quantity(t testing.TB, text string) usage.Quantity {
	t.Helper()
	q, err := usage.ParseQuantity(text)
	ok(t, err)
	return q
}

func day(t testing.TB, text string) usage.Day {
	t.Helper()
	d, err := usage.ParseDay(text)
	ok(t, err)
	return d
}

func list(t testing.TB) *prices.List {
	t.Helper()
	f, err := os.Open(priceList)
	ok(t, err)
	defer f.Close()
	l, err := prices.Read(f)
	ok(t, err)
	return l
}

// fullList has a price of every meter, also of one that is in no catalogue.
func fullList(t testing.TB) *prices.List {
	t.Helper()
	text, err := os.ReadFile(priceList)
	ok(t, err)
	l, err := prices.Read(strings.NewReader(strings.ReplaceAll(string(text), ",,", ",1.5,") + "2017-01-01," + unlisted + ",Custom tier,per core*2,0.07,\n"))
	ok(t, err)
	return l
}

// unlisted is a meter that no catalogue has.
const unlisted = "11111111-2222-3333-4444-555555555555"

// line is one of the table meter, which has a price.
func line(t testing.TB) focus.Line {
	return focus.Line{
		Place: "day 2020-03-10, line 1", Day: day(t, "2020-03-10"), State: focus.Billed, Quantity: quantity(t, "16.461425899527967"), Registration: "hamburg",
		RecordID: "92813f4d-eee2-5eec-b866-fdd00f3e153b", Account: focus.Account{ID: "/subscriptions/7a1f6e0c", Name: "hamburg", Type: "Azure subscription"},
		BillingModel: registration.PayAsYouUse, Subscription: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11", StackUser: "09065051-cfe9-4fcf-b90c-87f2af292fc9",
		Tenant: "3c1d9d6e-36d9-4d3c-9c0a-0d6f3b1f1a01", Location: "northwest", Tags: `{"owner":"ops"}`,
		ResourceURI: "/subscriptions/09065051-cfe9-4fcf-b90c-87f2af292fc9/resourcegroups/rg/providers/Microsoft.Storage/storageAccounts/store",
		MeterID:     "b4438d5d-453b-4ee1-b42a-dc72e377f1e4", MeterClass: meter.Full, MeterName: "TableCapacity", Unit: "GB*hours", Service: "Storage",
	}
}

// month has a line of every meter of the catalogue, and lines of every other kind.
func month(t testing.TB) (lines []focus.Line) {
	meters, err := meter.BuiltIn()
	ok(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(meters.Bytes()))).ReadAll()
	ok(t, err)
	for i, row := range rows[1:] {
		m, _ := meters.Find(row[0])
		l := line(t)
		l.MeterID, l.CommerceMeter, l.MeterClass, l.MeterName, l.Unit, l.Service = m.ID, m.CommerceID, m.Class, m.Name, m.Unit, m.Service
		l.Day, l.Place = l.Day+usage.Day(i%20), fmt.Sprintf("line %d", i)
		lines = append(lines, l)
		for change := range changes {
			other := l
			changes[change](t, &other)
			lines = append(lines, other)
		}
	}
	return lines
}

var changes = []func(t testing.TB, l *focus.Line){
	func(t testing.TB, l *focus.Line) { l.MeterClass = meter.Admin },
	func(t testing.TB, l *focus.Line) { l.BillingModel, l.State = registration.Capacity, focus.Unreported },
	func(t testing.TB, l *focus.Line) {
		l.CarriedFrom, l.Quantity = l.Day-20, usage.Quantity{}.Sub(l.Quantity)
	},
	func(t testing.TB, l *focus.Line) { l.CarriedFrom, l.State, l.RecordID = l.Day-1, focus.Pending, "" },
	func(t testing.TB, l *focus.Line) { l.Tags, l.Location, l.Tenant, l.StackUserName = "", "", "", "ops" },
	func(t testing.TB, l *focus.Line) { l.Tags, l.Quantity = `{"a":{"b":1}}`, quantity(t, "100") },
	func(t testing.TB, l *focus.Line) {
		l.ResourceURI, l.Quantity = "/subscriptions/x/resourcegroups/rg", quantity(t, "0.000000000000000000000001")
	},
	func(t testing.TB, l *focus.Line) {
		l.MeterID, l.MeterName, l.Unit, l.Service, l.MeterClass = unlisted, "", "", "", meter.Unknown
	},
}

func sequence(lines []focus.Line) iter.Seq2[focus.Line, error] {
	return func(yield func(focus.Line, error) bool) {
		for _, l := range lines {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func export(t testing.TB, lines ...focus.Line) (focus.Result, string) {
	t.Helper()
	return exportWith(t, list(t), lines)
}

func exportWith(t testing.TB, prices *prices.List, lines []focus.Line) (focus.Result, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "march")
	result, err := focus.Write(t.Context(), focus.Options{Name: name, Prices: prices}, sequence(lines))
	ok(t, err)
	return result, name
}

// records are those of a CSV file, by column.
func records(t testing.TB, path string) (names []string, rows []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	ok(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	ok(t, err)
	for _, fields := range all[1:] {
		row := map[string]string{}
		for i, field := range fields {
			if field != "" {
				row[all[0][i]] = field
			}
		}
		rows = append(rows, row)
	}
	return all[0], rows
}

// table reads a Parquet file as text, with the kind of each column.
func table(t testing.TB, path string) (kinds map[string]string, rows []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	ok(t, err)
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	ok(t, err)
	file, err := parquet.OpenFile(f, info.Size())
	ok(t, err)
	kinds = map[string]string{}
	scales := map[string]int{}
	var names []string
	for _, field := range file.Schema().Fields() {
		names = append(names, field.Name())
		kinds[field.Name()] = strings.SplitN(field.Type().LogicalType().String(), "(", 2)[0]
		for _, element := range file.Metadata().Schema {
			if element.Name == field.Name() {
				scales[field.Name()] = int(element.Scale.V)
			}
		}
	}
	reader := parquet.NewReader(file)
	buffer := make([]parquet.Row, 100)
	for {
		n, err := reader.ReadRows(buffer)
		for _, values := range buffer[:n] {
			row := map[string]string{}
			for i, v := range values {
				name := names[i]
				switch {
				case v.IsNull():
				case kinds[name] == "DECIMAL":
					b := v.ByteArray()
					unscaled := new(big.Int).SetBytes(b)
					if b[0]&0x80 != 0 {
						unscaled.Sub(unscaled, new(big.Int).Lsh(big.NewInt(1), 128))
					}
					unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scales[name])), nil)
					row[name] = new(big.Rat).SetFrac(unscaled, unit).FloatString(scales[name])
				case kinds[name] == "TIMESTAMP":
					row[name] = time.UnixMicro(v.Int64()).UTC().Format(time.RFC3339)
				default:
					row[name] = string(v.ByteArray())
				}
			}
			rows = append(rows, row)
		}
		if err != nil {
			return kinds, rows
		}
	}
}
