package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/azurestore"
	"stackusage/shared/daybook"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
)

type readCloser struct{ io.ReadSeeker }

func (readCloser) Close() error { return nil }

// found is storage with a registration and a closed day of which the stack has
// said something else later.
func found(t *testing.T) (func(string) string, *azurestore.Account) {
	t.Helper()
	getenv, account := clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.ContainerDaily))
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, EffectiveDay: "20191201",
		SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11", BillingModel: registration.PayAsYouUse, Start: hour19.Start()}))
	settled := settlement.Settlement{CloudID: cloudID, UsageDay: hour19.Day(), Parts: []settlement.SettledPart{{}},
		Subscriptions: map[string]settlement.SettledSubscription{"09065051-cfe9-4fcf-b90c-87f2af292fc9": {Revision: 1}},
		Differs: []settlement.Observation{{Subscription: "09065051-cfe9-4fcf-b90c-87f2af292fc9", Tenant: "dbab3982-796f-4d03-9908-044c08aef8a2",
			ObservedAt: hour19.End(), Input: "2019121019_aaaaaaaaaaaaaaaa"}}}
	text, err := settled.Encode()
	ok(t, err)
	ok(t, account.Blobs.Put(t.Context(), table.ContainerDaily, "settlement", readCloser{bytes.NewReader(text)}, int64(len(text))))
	r := daybook.Revision{Number: 1, ClosedAt: hour19.End(), Settlement: "daily/settlement", SettlementSHA256: fmt.Sprintf("%x", sha256.Sum256(text)), Findings: 1}
	ok(t, account.Tables.Apply(t.Context(), table.UsageDays, cloudID,
		table.Op{Row: table.Row{Partition: cloudID, Key: "20191210_0001", Props: table.Encode(r)}}))
	return getenv, account
}

func TestFindings(t *testing.T) {
	getenv, _ := found(t)
	tool := func(args ...string) (string, error) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), append([]string{"finding"}, args...), getenv, &out, &errOut)
		return out.String(), err
	}
	expect := func(wantErr error, want string, args ...string) {
		t.Helper()
		if got, err := tool(args...); !errors.Is(err, wantErr) || !strings.Contains(got, want) {
			t.Errorf("finding %v: %v\n%s\nwant %s", args, err, got, want)
		}
	}
	expect(cli.ErrDifferences, "09065051-cfe9-4fcf-b90c-87f2af292fc9 is settled as of no tenant, and was of dbab3982-796f-4d03-9908-044c08aef8a2", "list")
	expect(cli.ErrDifferences, `"kind":"tenant"`, "list", "--registration", cloudID, "--output", "json")
	if _, err := tool("list", "--registration", "11111111-de02-43a4-903d-eb74f8258b01"); err == nil || !strings.Contains(err.Error(), "nothing of registration 11111111-de02-43a4-903d-eb74f8258b01 is stored") {
		t.Errorf("a registration that does not exist: %v", err)
	}
	if _, err := tool("confirm", "--registration", cloudID, "--day", "2019-12-10", "--by", "olga"); err == nil || !strings.Contains(err.Error(), "reason") {
		t.Errorf("confirmed without a reason: %v", err)
	}
	if _, err := tool("confirm", "--registration", cloudID, "--day", "2019-12-11", "--by", "olga", "--reason", "x"); err == nil {
		t.Error("confirmed a day that was never closed")
	}
	expect(nil, "of tenant dbab3982-796f-4d03-9908-044c08aef8a2", "confirm", "--registration", cloudID, "--day", "2019-12-10", "--by", "olga", "--reason", "it moved later")
	expect(nil, "no finding of kind tenant to confirm", "confirm", "--registration", cloudID, "--day", "2019-12-10", "--by", "olga", "--reason", "it moved later")
	expect(nil, "there are no findings", "list")
}
