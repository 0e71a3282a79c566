package commerce_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/commerce"
)

const otherPayer = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b12"

type invoice struct {
	Statements []struct {
		Month, BillingSubscriptionID, Total string
		Lines                               []line
	}
	Unrated []struct{ MeterID, Quantity string }
	Total   string
}

type line struct {
	MeterID, MeterClass, Quantity, Rate, Amount, Currency, Note string
}

func getBill(s *service, query string) invoice {
	s.tb.Helper()
	var out invoice
	if err := json.Unmarshal([]byte(s.get("/v1/bill"+query)), &out); err != nil {
		s.tb.Fatal(err)
	}
	return out
}

func TestRates(t *testing.T) {
	type change struct{ name, value string }
	const reasonAdmin = "admin meter: reported, price zero"
	tests := []struct {
		name, meter, quantity string
		change                change
		want                  line
	}{
		{"base VM", baseVM, "10000.0625", change{}, line{baseVM, "full", "10000.0625", "0.008", "80.00", "USD", ""}},
		{"Windows VM", winVM, "100", change{}, line{winVM, "full", "100", "0.046", "4.60", "USD", ""}},
		{"commerce meter of the Windows VM", winVM, "100", change{"commerceMeterId", "fb8c0713-ea20-40bf-901f-5560fd3f6330"},
			line{"fb8c0713-ea20-40bf-901f-5560fd3f6330", "full", "100", "0.046", "4.60", "USD", ""}},
		{"commerce meter that is not in the sheet", winVM, "100", change{"commerceMeterId", strange}, line{winVM, "full", "100", "0.046", "4.60", "USD", ""}},
		{"block blobs: 1000 GB over 720 hours", block, "720000", change{}, line{block, "full", "720000", "0.0000083333", "6.00", "USD", ""}},
		{"tables: 1000 GB over 720 hours", table, "720000", change{}, line{table, "full", "720000", "0.000025", "18.00", "USD", ""}},
		{"App Service", "190c935e-9ada-48ff-9ab8-56ea1cf9adaa", "10", change{}, line{"190c935e-9ada-48ff-9ab8-56ea1cf9adaa", "full", "10", "0.0564", "0.56", "USD", ""}},
		{"a disk under commerce's meter", strange, "0.5", change{"commerceMeterId", m30}, line{m30, "full", "0.5", "10.24", "5.12", "USD", ""}},
		{"requests", blobTx, "5", change{}, line{blobTx, "full", "5", "0", "0.00", "USD", "no I/O transaction fee"}},
		{"infrastructure", baseVM, "5000", change{"meterClass", "admin"}, line{baseVM, "admin", "5000", "0", "0.00", "USD", reasonAdmin}},
		{"VM hours", vmHours, "5000", change{"meterClass", "informational"},
			line{vmHours, "informational", "5000", "0", "0.00", "USD", "informational: charged through another meter"}},
		{"development kit", baseVM, "5000", change{"billingModel", "Development"}, line{baseVM, "full", "5000", "0", "0.00", "USD", "Development: never charged"}},
		{"capacity model", baseVM, "5000", change{"billingModel", "Capacity"},
			line{baseVM, "full", "5000", "0", "0.00", "USD", "Capacity: paid for by the year, not by usage"}},
		{"class unknown, meter priced", baseVM, "1000", change{"meterClass", "unknown"}, line{baseVM, "unknown", "1000", "0.008", "8.00", "USD", ""}},
		{"half a cent goes to the even cent below", baseVM, "0.625", change{}, line{baseVM, "full", "0.625", "0.008", "0.00", "USD", ""}},
		{"half a cent goes to the even cent above", baseVM, "1.875", change{}, line{baseVM, "full", "1.875", "0.008", "0.02", "USD", ""}},
		{"hardly more than half a cent", baseVM, "0.6250000000000000000000000000000000000001", change{},
			line{baseVM, "full", "0.6250000000000000000000000000000000000001", "0.008", "0.01", "USD", ""}},
		{"as much as a quantity can say", baseVM, strings.Repeat("9", 128), change{},
			line{baseVM, "full", strings.Repeat("9", 128), "0.008", "7" + strings.Repeat("9", 125) + ".99", "USD", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, commerce.Options{})
			r := usage(nth(1), tt.meter, tt.quantity)
			if tt.change.name != "" {
				r = r.with(tt.change.name, tt.change.value)
			}
			if got := s.send(r); statuses(got) != "Accepted" {
				t.Fatalf("got %+v", got)
			}
			bill := getBill(s, "")
			if diff := cmp.Diff(tt.want, bill.Statements[0].Lines[0]); diff != "" {
				t.Errorf("line (-want +got):\n%s", diff)
			}
			if bill.Total != tt.want.Amount || len(bill.Unrated) != 0 {
				t.Errorf("total %s, unrated %v", bill.Total, bill.Unrated)
			}
		})
	}
}

// month sends two payers' usage over two months, with a correction, an unknown
// meter and a class of its own.
func month(t *testing.T) *service {
	s := start(t, commerce.Options{})
	var records []fmt.Stringer
	add := func(r fields) { records = append(records, r) }
	add(usage(nth(1), baseVM, "100.1"))
	add(usage(nth(2), baseVM, "0.2").on("2019-12-31"))
	add(usage(nth(3), baseVM, "-50.3").with("kind", "correction").with("revision", 2).with("corrects", nth(1)))
	add(usage(nth(4), baseVM, "1").on("2020-01-01"))
	add(usage(nth(5), baseVM, "7").with("meterClass", "admin"))
	add(usage(nth(6), strange, "3.5").with("meterClass", "unknown").with("flags", []string{"unknownMeter"}).with("meterName", ""))
	add(usage(nth(7), winVM, "10").with("billingSubscriptionId", otherPayer).with("tags", `{"a":"x, \"y\""}`))
	if got := s.send(records...); strings.Contains(statuses(got), "Rejected") {
		t.Fatalf("got %+v", got)
	}
	return s
}

func TestBill(t *testing.T) {
	s := month(t)
	want := strings.Join([]string{
		"row,month,billing_subscription_id,meter_id,meter_name,unit,meter_class,billing_model,quantity,rate,amount,currency,note",
		"line,2019-12," + payer + "," + strange + ",,unit,unknown,PayAsYouUse,3.5,,,USD,no known price: not on the price sheet of that day",
		`line,2019-12,` + payer + `,` + baseVM + `,Base VM Size Hours,vCPU hours,admin,PayAsYouUse,7,0,0.00,USD,"admin meter: reported, price zero"`,
		"line,2019-12," + payer + "," + baseVM + ",Base VM Size Hours,vCPU hours,full,PayAsYouUse,50,0.008,0.40,USD,",
		"total,2019-12," + payer + ",,,,,,,,0.40,USD,",
		"line,2020-01," + payer + "," + baseVM + ",Base VM Size Hours,vCPU hours,full,PayAsYouUse,1,0.008,0.01,USD,",
		"total,2020-01," + payer + ",,,,,,,,0.01,USD,",
		"line,2019-12," + otherPayer + "," + winVM + ",Windows VM Size Hours,vCPU hours,full,PayAsYouUse,10,0.046,0.46,USD,",
		"total,2019-12," + otherPayer + ",,,,,,,,0.46,USD,",
		`grandTotal,,,,,,,,,,0.87,USD,"quantity times rate is exact; each line is rounded to cents, half-even; totals add the lines"`,
		"",
	}, "\r\n")
	if diff := cmp.Diff(want, s.get("/v1/bill?format=csv")); diff != "" {
		t.Errorf("csv (-want +got):\n%s", diff)
	}
	all := getBill(s, "?format=json")
	if all.Total != "0.87" || len(all.Statements) != 3 || len(all.Unrated) != 1 || all.Unrated[0].MeterID != strange {
		t.Errorf("json: %+v", all)
	}
	one := getBill(s, "?subscription="+strings.ToUpper(otherPayer))
	if one.Total != "0.46" || len(one.Statements) != 1 {
		t.Errorf("of one payer: %+v", one)
	}
	if none := s.get("/v1/bill?subscription=" + cloud); !strings.Contains(none, `"statements":[],"unrated":[],"total":"0.00"`) {
		t.Errorf("of nobody: %s", none)
	}
}

func TestBillOfACreditMonth(t *testing.T) {
	s := start(t, commerce.Options{})
	s.send(usage(nth(1), baseVM, "-100").with("kind", "correction").with("revision", 2).with("corrects", nth(3)), usage(nth(2), baseVM, "-0.1").on("2020-01-01").
		with("kind", "carryForward").with("carriedFrom", "2019-12-31").with("reason", "too late").info("azureStack.EventDateTime", "12/31/2019 17:00:00"))
	bill := getBill(s, "")
	if bill.Statements[0].Total != "-0.80" || bill.Statements[1].Total != "0.00" || bill.Total != "-0.80" {
		t.Errorf("got %+v", bill)
	}
}

func TestRateChangesInMidMonth(t *testing.T) {
	s := start(t, commerce.Options{})
	head := "effective,meter_id,meter_name,unit,usd_rate,source_note\n"
	if err := s.server.SetPrices(head + "2019-12-20," + baseVM + ",Base,h,0.02,dearer\n2019-12-10," + baseVM + ",Base,h,0.01,first\n"); err != nil {
		t.Fatal(err)
	}
	s.send(usage(nth(1), baseVM, "100").on("2019-12-09"), usage(nth(2), baseVM, "100"),
		usage(nth(3), baseVM, "50").on("2019-12-19"), usage(nth(4), baseVM, "100").on("2019-12-20"))
	var got []string
	bill := getBill(s, "")
	for _, l := range bill.Statements[0].Lines {
		got = append(got, l.Quantity+" x "+l.Rate+" = "+l.Amount)
	}
	if diff := cmp.Diff([]string{"100 x  = ", "150 x 0.01 = 1.50", "100 x 0.02 = 2.00"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if len(bill.Unrated) != 1 || bill.Unrated[0].Quantity != "100" {
		t.Errorf("before the first price: %+v", bill.Unrated)
	}
}

func TestPriceSheet(t *testing.T) {
	for _, bad := range []string{"", "a,b\n", "0", "2019-12-10,x,n,u,1,s", "2019-13-10," + baseVM + ",n,u,1,s",
		"2019-12-10," + baseVM + ",n,u,-1,s", "2019-12-10," + baseVM + ",n,u,1e5,s",
		"2019-12-10," + baseVM + ",n,u,1,s\n2019-12-10," + baseVM + ",n,u,2,s"} {
		if _, _, _, err := commerce.Price("effective,meter_id,meter_name,unit,usd_rate,source_note\n"+bad, baseVM, "2020-01-01"); err == nil && bad != "" {
			t.Errorf("a sheet with %q was read", bad)
		}
	}
	if _, _, found, err := commerce.Price("", baseVM, "2016-12-31"); found || err != nil {
		t.Errorf("a price before the sheet begins: %v %v", found, err)
	}
	if rate, note, found, err := commerce.Price("", "5b1db88a-8596-4002-8052-347947c26940", "2019-12-10"); rate != "" || note != "no published rate" || !found || err != nil {
		t.Errorf("a local disk meter: %s %s %v %v", rate, note, found, err)
	}
}

func TestUsageDetails(t *testing.T) {
	s := month(t)
	in := csv.NewReader(strings.NewReader(s.get("/v1/usage-details.csv?month=2019-12&subscription=" + otherPayer)))
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"Statement", otherPayer},
		strings.Split("Billing Period,Meter Category,Meter Sub-Category,Meter Name,Meter Region,SKU,Unit,Consumed Quantity,Included Quantity,Overage Quantity,Within Commitment,Currency,Overage,Commitment Rate,Rate,Value", ","),
		{"2019-12-01/2019-12-31", "Azure Stack Hub", "Windows VM", "Windows VM Size Hours", "Azure Stack", winVM, "vCPU hours", "10", "0", "10", "0", "USD", "0.46", "0", "0.046", "0.46"},
		{"Daily Usage", otherPayer},
		strings.Split("Usage Date,Meter Category,Meter ID,Meter Sub-Category,Meter Name,Meter Region,Unit,Consumed Quantity,Resource Location,Consumed Service,Resource Group,Instance ID,Tags,Additional Info,Service Info 1,Service Info 2", ","),
		{"2019-12-10", "Azure Stack Hub", winVM, "Windows VM", "Windows VM Size Hours", "Azure Stack", "vCPU hours", "10", "azurestack", "Microsoft.Compute", "rg1", resource,
			`{"a":"x, \"y\""}`, usage("", winVM, "")["additionalInfo"].(fields).String(), "usage/1", nth(7)},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("one payer, one month (-want +got):\n%s", diff)
	}

	t.Run("the days of a meter add up to its statement lines", func(t *testing.T) {
		in := csv.NewReader(strings.NewReader(s.get("/v1/usage-details.csv")))
		in.FieldsPerRecord = -1
		left := make(map[string]*big.Rat)
		section, payer, days := "", "", 0
		for {
			row, err := in.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(row) == 2 {
				section, payer = row[0], row[1]
				continue
			}
			meter, sign := row[5], int64(1)
			if section == "Daily Usage" {
				meter, sign = row[2], -1
				days++
			}
			q, ok := new(big.Rat).SetString(row[7])
			if !ok {
				continue // the row of column names
			}
			if left[payer+meter] == nil {
				left[payer+meter] = new(big.Rat)
			}
			left[payer+meter].Add(left[payer+meter], q.Mul(q, big.NewRat(sign, 1)))
		}
		for key, rest := range left {
			if rest.Sign() != 0 {
				t.Errorf("%s is off by %s", key, rest)
			}
		}
		if len(left) != 3 || days != 7+2 {
			t.Errorf("%d meters, %d rows with the column names", len(left), days)
		}
	})
	t.Run("a correction is shown as one", func(t *testing.T) {
		if text := s.get("/v1/usage-details.csv"); !strings.Contains(text, ",correction/2,"+nth(3)+" corrects "+nth(1)+"\r\n") {
			t.Errorf("got\n%s", text)
		}
	})
}

func TestResourceParts(t *testing.T) {
	tests := []struct{ uri, group, provider string }{
		{resource, "rg1", "Microsoft.Compute"},
		{"/subscriptions/x/resourceGroups/RG/providers/Microsoft.Storage/storageaccounts/a", "RG", "Microsoft.Storage"},
		{"/subscriptions/x/resourceGroups/providers/providers/Microsoft.Web/sites/resourceGroups", "providers", "Microsoft.Web"},
		{"/subscriptions/x/providers/Microsoft.Network/y", "", "Microsoft.Network"},
		{"/subscriptions/x/resourcegroups", "", ""}, {"/", "", ""}, {"", "", ""},
	}
	for _, tt := range tests {
		if group, provider := commerce.ResourceParts(tt.uri); group != tt.group || provider != tt.provider {
			t.Errorf("%s: got %q, %q", tt.uri, group, provider)
		}
	}
}
