package cli_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/usage"
)

type row struct {
	Name     string          `json:"name"`
	N        int64           `json:"n"`
	Quantity usage.Quantity  `json:"quantity"`
	Tags     []string        `json:"tags,omitempty"`
	Decided  *decision       `json:"decision,omitempty"`
	Raw      json.RawMessage `json:"raw,omitempty"`
	Hidden   string          `json:"-"`
}

type decision struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

func quantity(t *testing.T, text string) usage.Quantity {
	t.Helper()
	q, err := usage.ParseSum(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// printed is what --output prints of rows.
func printed(t *testing.T, output string, rows ...row) string {
	t.Helper()
	var out, errOut bytes.Buffer
	e := cli.New(func(string) string { return "" }, &out, &errOut)
	root := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error {
		return cli.List(e, cli.Each(rows), cli.Table[row]{
			Head: []string{"NAME", "N", "QUANTITY", "WHY"}, None: "there is none",
			Cells: func(r row) []any { return []any{r.Name, r.N, r.Quantity, strings.Join(r.Tags, " ")} },
		})
	}}
	e.OutputFlag(root)
	root.SetArgs([]string{"--output", output})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if none := len(rows) == 0 && output != "table"; none != (errOut.String() == "there is none\n") {
		t.Errorf("%s of %d rows: standard error %q", output, len(rows), &errOut)
	}
	return out.String()
}

// TestOneListInEveryForm: numbers stand to the right with their points in line, nothing
// hangs over at the end of a line, and CSV has what JSON has.
func TestOneListInEveryForm(t *testing.T) {
	rows := []row{
		{Name: "Größe", N: 7, Quantity: quantity(t, "-10.25"), Tags: []string{"a", "b"}, Decided: &decision{"olga", time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC)}, Hidden: "x"},
		{Name: "s", N: 1204, Quantity: quantity(t, "4"), Raw: json.RawMessage(`{"a":"b, c"}`)},
	}
	for output, want := range map[string]string{
		"table": "NAME      N  QUANTITY  WHY\n" +
			"Größe     7    -10.25  a b\n" +
			"s      1204      4\n",
		"json": `{"name":"Größe","n":7,"quantity":"-10.25","tags":["a","b"],"decision":{"by":"olga","at":"2019-12-10T19:00:00Z"}}` + "\n" +
			`{"name":"s","n":1204,"quantity":"4","raw":{"a":"b, c"}}` + "\n",
		"csv": "name,n,quantity,tags,decision.by,decision.at,raw\n" +
			"Größe,7,-10.25,a b,olga,2019-12-10T19:00:00Z,\n" +
			`s,1204,4,,,,"{""a"":""b, c""}"` + "\n",
	} {
		if got := printed(t, output, rows...); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", output, got, want)
		}
	}
	for output, want := range map[string]string{"table": "there is none\n", "json": "", "csv": "name,n,quantity,tags,decision.by,decision.at,raw\n"} {
		if got := printed(t, output); got != want {
			t.Errorf("%s of no rows: %q, want %q", output, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for want, got := range map[string]string{"1 row": cli.Count(1, "row"), "0 rows": cli.Count(0, "row"), "2 batches": cli.Count(int64(2), "batch")} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestRounded(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0.00", "1": "1.00", "0.125": "0.12 rounded", "0.135": "0.14 rounded", "-0.125": "-0.12 rounded", "1234567.5": "1,234,567.50", "-1234": "-1,234.00",
		"123": "123.00", "0.0049": "<0.01 rounded", "0.015": "0.02 rounded", "-0.00000012": ">-0.01 rounded", "999.999": "1,000.00 rounded",
	} {
		q, err := usage.ParseQuantity(text)
		if err != nil {
			t.Fatal(err)
		}
		got, rounded := cli.Rounded(q, 2, 2)
		if rounded {
			got += " rounded"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	q, _ := usage.ParseQuantity("1000.50009")
	if got, _ := cli.Rounded(q, 0, 4); got != "1,000.5001" {
		t.Errorf("%q", got)
	}
	q, _ = usage.ParseQuantity("3")
	if got, _ := cli.Rounded(q, 0, 4); got != "3" {
		t.Errorf("%q", got)
	}
}
