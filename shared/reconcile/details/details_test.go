package details_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/reconcile/details"
	"stackusage/shared/usage"
)

const (
	payer = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
	table = "b4438d5d-453b-4ee1-b42a-dc72e377f1e4"
	user  = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
)

func quantity(t testing.TB, text string) usage.Quantity {
	t.Helper()
	q, err := usage.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

const statementHead = "Statement," + payer + "\r\n" +
	"Billing Period,Meter Category,Meter Sub-Category,Meter Name,Meter Region,SKU,Unit,Consumed Quantity,Included Quantity,Overage Quantity,Within Commitment,Currency,Overage,Commitment Rate,Rate,Value\r\n"

const dailyHead = "Daily Usage," + payer + "\r\n" +
	"Usage Date,Meter Category,Meter ID,Meter Sub-Category,Meter Name,Meter Region,Unit,Consumed Quantity,Resource Location,Consumed Service,Resource Group,Instance ID,Tags,Additional Info,Service Info 1,Service Info 2\r\n"

func statementRow(quantity, rate string) string {
	return "2019-12-01/2019-12-31,Azure Stack Hub,,TableCapacity,Azure Stack," + table + ",GB*hours," + quantity + ",0," + quantity + ",0,USD,0.00,0," + rate + ",0.00\r\n"
}

func dailyRow(day, quantity, info, kind string) string {
	return fmt.Sprintf("%s,Azure Stack Hub,%s,,TableCapacity,Azure Stack,GB*hours,%s,azurestack,Microsoft.Storage,rg,/subscriptions/x,,%s,%s,an-id\r\n", day, table, quantity, info, kind)
}

// info is Additional Info as RFC 4180 quotes it.
const info = `"{""azureStack.MeterId"":""` + table + `"",""azureStack.SubscriptionId"":""` + user + `""}"`

// file is one with two rows of a stack, and one of another service.
func file() string {
	return statementHead + statementRow("17.75", "0.000025") +
		"2019-12-01/2019-12-31,Virtual Machines,,D1,West Europe," + table + ",Hours,5,0,5,0,USD,0,0,1,5\r\n" +
		dailyHead + dailyRow("2019-12-10", "18", info, "usage/1") + dailyRow("2019-12-10", "-0.25", info, "correction/2") +
		"2019-12-10,Virtual Machines," + table + ",,D1,West Europe,Hours,5,westeurope,Microsoft.Compute,rg,/x,,,,\r\n"
}

func readFile(in io.Reader) (statements []details.Statement, rows []details.Row, err error) {
	err = details.Read(in, func(s details.Statement) error {
		statements = append(statements, s)
		return nil
	}, func(r details.Row) error {
		rows = append(rows, r)
		return nil
	})
	return statements, rows, err
}

func TestRead(t *testing.T) {
	statements, rows, err := readFile(strings.NewReader(file()))
	if err != nil {
		t.Fatal(err)
	}
	n := usage.NormalGUID
	wantStatements := []details.Statement{{Payer: n(payer), Month: "2019-12", SKU: n(table), Quantity: quantity(t, "17.75"), Rate: "0.000025", Currency: "USD",
		Line: 3, MeterName: "TableCapacity", Unit: "GB*hours", Value: "0.00"}}
	tenth, err := usage.ParseDay("2019-12-10")
	if err != nil {
		t.Fatal(err)
	}
	row := details.Row{Payer: n(payer), SKU: n(table), Day: tenth, MeterID: n(table), Subscription: n(user), Quantity: quantity(t, "18"), Revision: 1,
		MeterName: "TableCapacity", Unit: "GB*hours", Line: 7, RecordID: "an-id", ResourceURI: "/subscriptions/x"}
	correction := row
	correction.Line = 8
	correction.Quantity, correction.Revision = quantity(t, "-0.25"), 2
	same := cmp.Comparer(func(a, b usage.Quantity) bool { return a.Equal(b) })
	if diff := cmp.Diff(wantStatements, statements, same); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]details.Row{row, correction}, rows, same); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	t.Run("a file without usage is one, too", func(t *testing.T) {
		if _, rows, err := readFile(strings.NewReader(statementHead + dailyHead)); err != nil || rows != nil {
			t.Errorf("%v, %v", rows, err)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	whole := file()
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                    {"", "not a usage details file, version 2"},
		"another CSV":                {"Name,Value\r\na,b\r\n", "not a usage details file, version 2"},
		"a page":                     {"<html>sign in</html>", "not a usage details file, version 2"},
		"JSON":                       {`{"value":[]}`, "not a usage details file, version 2"},
		"a section of no one":        {strings.Replace(whole, "Statement,"+payer, "Statement,me", 1), `line 1: section Statement of subscription "me": not a GUID`},
		"another section":            {whole + "Daily Cost," + payer + "\r\n", `line 10: section "Daily Cost" is not known`},
		"columns of version 1":       {strings.Replace(whole, "Meter Region,Unit,Consumed Quantity,Resource", "Meter Region,Consumed Quantity,Resource", 1), "line 6: the columns must be Usage Date,"},
		"cut in a row":               {whole[:strings.LastIndex(whole, ",Hours,5,westeurope")], "line 9: 6 fields where 16 are expected: the file is cut short"},
		"cut in the last field":      {whole[:len(whole)-3], "cut short"},
		"cut between rows":           {whole[:strings.Index(whole, "2019-12-10,Azure Stack Hub,"+table+",,TableCapacity,Azure Stack,GB*hours,-0.25")], "the daily rows of meter " + table + " in 2019-12 differ by -0.25"},
		"cut after the title":        {whole[:strings.Index(whole, "Usage Date")], "the last row has no end"},
		"cut within quotes":          {whole[:strings.Index(whole, `azureStack.Sub`)], `extraneous or missing " in quoted-field`},
		"an edited quantity":         {strings.Replace(whole, "GB*hours,18,", "GB*hours,17,", 1), "differ by 1 from its statement"},
		"a comma in a quantity":      {strings.Replace(whole, "GB*hours,18,", `GB*hours,"18,0",`, 1), "line 7: column Consumed Quantity: parse sum"},
		"a quantity as a float":      {strings.Replace(whole, "GB*hours,18,", "GB*hours,1.8E+01,", 1), "Consumed Quantity"},
		"a rate that is none":        {strings.Replace(whole, ",0.000025,", ",cheap,", 1), `line 3: column Rate "cheap"`},
		"a rate below zero":          {strings.Replace(whole, ",0.000025,", ",-1,", 1), `Rate "-1"`},
		"a period that is none":      {strings.Replace(whole, "2019-12-01/2019-12-31,Azure", "December,Azure", 1), `Billing Period "December"`},
		"a day that is none":         {strings.Replace(whole, "2019-12-10,Azure", "12/10/2019,Azure", 1), "column Usage Date: parse day"},
		"info of another service":    {strings.Replace(whole, "azureStack.MeterId", "meter", 1), "no azureStack.MeterId"},
		"info that is no JSON":       {strings.Replace(whole, info, "a", 1), "line 7: column Additional Info: "},
		"info that says two things":  {strings.Replace(whole, `"{""azureStack.MeterId""`, `"{""azureStack.MeterId"":""`+user+`"",""azureStack.MeterId""`, 1), "a name comes twice"},
		"a kind without a revision":  {strings.Replace(whole, "usage/1", "usage", 1), `Service Info 1 "usage"`},
		"a row without an end":       {statementHead + `"` + strings.Repeat("x", 2*details.MaxRow), "a row over 1048576 bytes"},
		"rows in no section's shape": {"Statement," + payer + "\r\n" + statementRow("1", "1"), "line 2: the columns must be Billing Period,"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := readFile(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 600 {
				t.Errorf("error %v; want %s", err, c.want)
			}
		})
	}
	t.Run("a disk that fails is not the file's fault", func(t *testing.T) {
		broken := errors.New("input/output error")
		if _, _, err := readFile(io.MultiReader(strings.NewReader(whole[:900]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	})
}

// FuzzRead: what is read adds up, and is what the columns may hold.
func FuzzRead(f *testing.F) {
	f.Add([]byte(file()))
	f.Add([]byte("\ufeff" + file()))
	f.Add([]byte(statementHead + dailyHead))
	f.Add([]byte(strings.ReplaceAll(file(), "\r\n", "\n")))
	f.Add([]byte(file()[:700]))
	f.Fuzz(func(t *testing.T, text []byte) {
		statements, rows, err := readFile(strings.NewReader(string(text)))
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		var left usage.Quantity
		for _, s := range statements {
			left = left.Add(s.Quantity)
			if s.Rate != "" {
				if q, err := usage.ParseQuantity(s.Rate); err != nil || q.Sign() < 0 {
					t.Fatalf("rate %q", s.Rate)
				}
			}
		}
		for _, r := range rows {
			left = left.Sub(r.Quantity)
			if usage.CheckGUID(r.MeterID) != nil || usage.CheckGUID(r.Subscription) != nil || usage.CheckGUID(r.Payer) != nil {
				t.Fatalf("%+v", r)
			}
		}
		if left.Sign() != 0 {
			t.Fatalf("statements and rows differ by %s", left)
		}
	})
}
