package main

import (
	"fmt"
	"strings"
	"testing"

	"stackusage/shared/landing"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
)

// TestListsPrintWholeValues: what a table shortens is whole in JSON and CSV.
func TestListsPrintWholeValues(t *testing.T) {
	t.Parallel()
	getenv, account := sent(t)
	long := strings.Repeat("grüße ", 100) + "end"
	b, err := outbox.Read(t.Context(), account.Tables, batchID(2))
	ok(t, err)
	b.LastResponse = long
	ok(t, outbox.Update(t.Context(), account.Tables, batchID(2), b))
	ok(t, account.Blobs.Create(t.Context(), table.ContainerPartials, table.ContainerQuarantine, landing.Container(cloudID)))
	name, file := storedHour(t, account, "northwest", fmt.Sprintf(usageRow, "-2", 1))
	commitFile(t, account, name, file)
	for row, err := range account.Tables.List(t.Context(), table.Quarantine, cloudID+"_20191210", "", "~") {
		ok(t, err)
		row.Props["reason"] = long
		ok(t, account.Tables.Apply(t.Context(), table.Quarantine, row.Partition, table.Op{Verb: table.Update, Row: row}))
	}
	for _, list := range []string{"batch", "quarantine"} {
		if out := tool(t, getenv, list, "list"); !strings.Contains(out, "grüße grüße") || strings.Contains(out, long) {
			t.Errorf("%s list does not shorten:\n%s", list, out)
		}
		for _, form := range []string{"json", "csv"} {
			if out := tool(t, getenv, list, "list", "--output", form); !strings.Contains(out, long) {
				t.Errorf("%s list --output %s:\n%s", list, form, out)
			}
		}
	}
}
