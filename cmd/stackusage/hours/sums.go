package hours

import (
	"cmp"
	"iter"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// MeterRow is what an hour blob has of one meter, or of rows that no rule can read.
type MeterRow struct {
	MeterID   string          `json:"meterId,omitempty"`
	MeterName string          `json:"meterName,omitempty"`
	State     string          `json:"state"`
	Code      string          `json:"code,omitempty"`
	Rows      int64           `json:"rows"`
	Quantity  *usage.Quantity `json:"quantity,omitempty"` // nil: the rows cannot be read
	Unit      string          `json:"unit,omitempty"`
}

type meterKey struct{ name, meter, state, code string }

func (r MeterRow) key() meterKey {
	return meterKey{r.MeterName, usage.NormalGUID(r.MeterID), r.State, r.Code}
}

// byMeter are the rules of sums by meter. A file may have as many meters as rows.
var byMeter = spill.Rules[meterKey, MeterRow]{
	Key: MeterRow.key,
	Compare: func(a, b MeterRow) int {
		x, y := a.key(), b.key()
		return cmp.Or(-cmp.Compare(min(len(x.meter), 1), min(len(y.meter), 1)), cmp.Compare(x.name, y.name), cmp.Compare(x.meter, y.meter),
			cmp.Compare(x.state, y.state), cmp.Compare(x.code, y.code))
	},
	Add: func(total *MeterRow, next MeterRow) {
		total.Rows += next.Rows
		if total.Quantity != nil && next.Quantity != nil {
			sum := total.Quantity.Add(*next.Quantity)
			total.Quantity = &sum
		}
	},
	Size:  func(r MeterRow) int { return 500 },
	Write: func(r MeterRow) any { return r },
	Read: func(decode func(any) error) (r MeterRow, err error) {
		err = decode(&r)
		return r, err
	},
}

// sumByMeter adds the rows of a file up, and shows the sums.
func sumByMeter(e *cli.Env, rows iter.Seq2[BlobRow, error]) (n int64, err error) {
	sums, err := spill.New("", 0, byMeter)
	if err != nil {
		return 0, err
	}
	defer sums.Close()
	for row, err := range rows {
		if err != nil {
			return n, err
		}
		n++
		if err := sums.Add(MeterRow{MeterID: row.MeterID, MeterName: row.MeterName, State: row.State, Code: row.Code, Rows: 1, Quantity: row.Quantity, Unit: row.Unit}); err != nil {
			return n, err
		}
	}
	return n, cli.List(e, sums.All(), cli.Table[MeterRow]{
		Head: []string{"METER", "STATE", "CODE", "ROWS", "QUANTITY", "UNIT"},
		Cells: func(r MeterRow) []any {
			return []any{cmp.Or(r.MeterName, r.MeterID), r.State, r.Code, r.Rows, number(r.Quantity), r.Unit}
		},
		None: "the file has no rows",
	})
}

// number is a quantity in a table; empty for nil.
func number(q *usage.Quantity) any {
	if q == nil {
		return cli.Number("")
	}
	return *q
}
