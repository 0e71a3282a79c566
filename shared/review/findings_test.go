package review_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"time"

	"stackusage/internal/ledgertest"
	"stackusage/internal/memstore"
	"stackusage/shared/daybook"
	"stackusage/shared/registration"
	"stackusage/shared/review"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
)

// settlements are files by container and name.
type settlements map[string][]byte

func (s settlements) Open(_ context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	return io.NopCloser(bytes.NewReader(s[container+"/"+name])), time.Time{}, nil
}

// TestAConfirmedObservation: a decision names what the stack said at one moment. What
// it says of the same tenant at another one, which a later revision lists, is a finding.
func TestAConfirmedObservation(t *testing.T) {
	tables, blobs := memstore.NewTables(table.Names()...), settlements{}
	d := ledgertest.Day(t, "20191210")
	sub, contoso := "09065051-cfe9-4fcf-b90c-87f2af292fc9", "dbab3982-796f-4d03-9908-044c08aef8a2"
	revision := 0
	lists := func(after ...time.Duration) {
		t.Helper()
		settled := settlement.Settlement{CloudID: ledgertest.CloudID, UsageDay: d, Parts: []settlement.SettledPart{{}}}
		for _, dist := range after {
			settled.Differs = append(settled.Differs, settlement.Observation{Subscription: sub, Tenant: contoso, ObservedAt: d.End().Add(dist), Input: "x"})
		}
		text, err := settled.Encode()
		ledgertest.OK(t, err)
		revision++
		name := fmt.Sprint("settlement-", revision)
		blobs["daily/"+name] = text
		r := daybook.Revision{Number: int64(revision), ClosedAt: d.End(), Settlement: "daily/" + name,
			SettlementSHA256: fmt.Sprintf("%x", sha256.Sum256(text)), Findings: int64(len(after))}
		ledgertest.OK(t, tables.Apply(t.Context(), table.UsageDays, ledgertest.CloudID,
			table.Op{Row: table.Row{Partition: ledgertest.CloudID, Key: fmt.Sprintf("20191210_%04d", revision), Props: table.Encode(r)}}))
	}
	found := func(want int) {
		t.Helper()
		all, err := review.Findings(t.Context(), tables, blobs, []registration.History{{CloudID: ledgertest.CloudID}}, 0)
		if err != nil || len(all) != want {
			t.Errorf("found %+v, error %v; want %d", all, err, want)
		}
	}
	lists(72*time.Hour + time.Nanosecond)
	found(1)
	_, err := review.Confirm(t.Context(), tables, blobs, ledgertest.CloudID, d, ledgertest.Because("it moved two days later"))
	ledgertest.OK(t, err)
	found(0)
	lists(72*time.Hour + time.Nanosecond) // the revision after it
	found(0)
	lists(time.Hour)
	found(1)
	_, err = review.Confirm(t.Context(), tables, blobs, ledgertest.CloudID, d, ledgertest.Because("an hour later"))
	ledgertest.OK(t, err)
	found(0)
}
