package handlers_test

import (
	"testing"

	"stackusage/internal/memstore"
	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// TestClosedDaysOfManyInputs: a list of inputs that is too long for its column says
// nothing of the hours. One that was reported weeks later is among them.
func TestClosedDaysOfManyInputs(t *testing.T) {
	t.Parallel()
	tables := memstore.NewTables(table.Names()...)
	for n := range 1200 {
		in := openday.Input{CloudID: cloudID, Day: theDay, Hour: hour22 + usage.Hour(n), SHA16: "0123456789abcdef"}
		ok(t, tables.Apply(t.Context(), table.DayInputs, cloudID+"_"+theDay.Compact(), table.Op{Verb: table.Put, Row: table.Row{
			Partition: cloudID + "_" + theDay.Compact(), Key: in.Hour.Compact() + "_" + in.SHA16, Props: table.Encode(in)}}))
	}
	inputs, err := openday.Inputs(t.Context(), tables, cloudID, theDay)
	ok(t, err)
	r := daybook.Revision{Number: 1, Inputs: daybook.InputList(inputs), Settlement: "daily/settlement", Change: 1}
	ok(t, tables.Apply(t.Context(), table.UsageDays, cloudID, table.Op{Verb: table.Put, Row: table.Row{
		Partition: cloudID, Key: theDay.Compact() + "_0001", Props: table.Encode(r)}}))
	closed, err := daybook.ClosedDays(t.Context(), tables, cloudID)
	if err != nil || len(closed) != 1 || len(closed[0].Hours) != 1200 || !closed[0].Hours[1199].Equal((hour22 + 1199).Start()) {
		t.Errorf("closed %+v, error %v", closed, err)
	}
}
