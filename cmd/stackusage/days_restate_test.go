package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

func TestRestateARange(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	queues, err := queue.Names()
	if err == nil {
		err = account.Queues.Create(t.Context(), queues...)
	}
	for _, day := range []int{9, 10, 12, 20} {
		if err == nil {
			err = account.Tables.Apply(t.Context(), table.UsageDays, cloudID, table.Op{Verb: table.Insert, Row: table.Row{
				Partition: cloudID, Key: fmt.Sprintf("201912%02d_0001", day), Props: table.Encode(daybook.Revision{Number: 1})}})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"day", "restate", "--registration", cloudID, "--reason", "a newer catalogue", "--by", "olga"}
	try := func(more ...string) error {
		var out bytes.Buffer
		return run(t.Context(), append(args, more...), getenv, &out, &out)
	}
	for want, more := range map[string][]string{
		"3 closed usage days would be restated: 2019-12-09, 2019-12-10, 2019-12-12; repeat with --confirm": {"--from", "2019-12-01", "--to", "2019-12-12"},
		"no usage day from 2019-12-13 to 2019-12-19 was closed":                                            {"--from", "2019-12-13", "--to", "2019-12-19"},
		"--to 2019-12-01 is before --from 2019-12-12":                                                      {"--from", "2019-12-12", "--to", "2019-12-01"},
		"name one or the other": {"--day", "2019-12-10", "--from", "2019-12-01", "--to", "2019-12-12"},
		"--day is missing":      {"--from", "2019-12-01"},
	} {
		if err := try(more...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", more, err, want)
		}
	}
	tables := account.Tables
	if marks, err := openday.List(t.Context(), tables); err != nil || len(marks) > 0 {
		t.Fatalf("nothing is confirmed, and %d are asked for: %v", len(marks), err)
	}
	out := tool(t, getenv, append(args, "--from", "2019-12-01", "--to", "2019-12-12", "--confirm")...)
	marks, err := openday.List(t.Context(), tables)
	if err != nil || len(marks) != 3 || !strings.Contains(out, "--from 2019-12-09 --to 2019-12-12") {
		t.Errorf("%+v, %v\n%s", marks, err, out)
	}
	for _, m := range marks {
		if m.Settle != openday.SettleAll || m.RestateReason != "a newer catalogue" {
			t.Errorf("%+v", m)
		}
	}
}
