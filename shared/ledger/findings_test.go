package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"time"

	"stackusage/internal/memstore"
	"stackusage/shared/ledger"
	"stackusage/shared/registration"
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
	l, blobs := &ledger.Ledger{Store: memstore.NewTables(table.Names()...)}, settlements{}
	d := day(t, "20191210")
	sub, contoso := "09065051-cfe9-4fcf-b90c-87f2af292fc9", "dbab3982-796f-4d03-9908-044c08aef8a2"
	revision := 0
	lists := func(after ...time.Duration) {
		t.Helper()
		settled := settlement.Settlement{CloudID: cloudID, UsageDay: d, Parts: []settlement.SettledPart{{}}}
		for _, dist := range after {
			settled.Differs = append(settled.Differs, settlement.Observation{Subscription: sub, Tenant: contoso, ObservedAt: d.End().Add(dist), Input: "x"})
		}
		text, err := settled.Encode()
		ok(t, err)
		revision++
		name := fmt.Sprint("settlement-", revision)
		blobs["daily/"+name] = text
		r := ledger.Revision{Number: int64(revision), ClosedAt: d.End(), Settlement: "daily/" + name,
			SettlementSHA256: fmt.Sprintf("%x", sha256.Sum256(text)), Findings: int64(len(after))}
		ok(t, l.Store.Apply(t.Context(), table.UsageDays, cloudID,
			table.Op{Row: table.Row{Partition: cloudID, Key: fmt.Sprintf("20191210_%04d", revision), Props: table.Encode(r)}}))
	}
	found := func(want int) {
		t.Helper()
		all, err := l.Findings(t.Context(), blobs, []registration.History{{CloudID: cloudID}}, 0)
		if err != nil || len(all) != want {
			t.Errorf("found %+v, error %v; want %d", all, err, want)
		}
	}
	lists(72*time.Hour + time.Nanosecond)
	found(1)
	_, err := l.ConfirmDay(t.Context(), blobs, cloudID, d, because("it moved two days later"))
	ok(t, err)
	found(0)
	lists(72*time.Hour + time.Nanosecond) // the revision after it
	found(0)
	lists(time.Hour)
	found(1)
	_, err = l.ConfirmDay(t.Context(), blobs, cloudID, d, because("an hour later"))
	ok(t, err)
	found(0)
}
