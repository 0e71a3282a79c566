package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/internal/faultstore"
	"stackusage/internal/memstore"
	"stackusage/shared/azurestore"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// landed is when the first blob of the tests was stored.
var landed = time.Date(2019, 12, 11, 0, 10, 0, 0, time.UTC)

// inMemory is a ledger on a store in memory: for all that does not depend on what
// Azure Tables does with a request.
func inMemory() *ledger.Ledger { return &ledger.Ledger{Store: memstore.NewTables(table.Names()...)} }

// inFront is a ledger on the same store, with a hook before each operation.
func inFront(l *ledger.Ledger, hook faultstore.Hook) *ledger.Ledger {
	front := new(faultstore.Front)
	front.Through(hook)
	return &ledger.Ledger{Store: faultstore.Tables{Front: front, Inner: l.Store}}
}

// open makes the tables in an account that no other test uses, and returns its
// connection string with a ledger on it.
func open(t testing.TB) (*ledger.Ledger, string) {
	t.Helper()
	connection := azuritetest.Account(t)
	l := reopen(t, connection)
	ok(t, l.Store.(*azurestore.Tables).Create(context.Background(), table.Names()...))
	return l, connection
}

func reopen(t testing.TB, connection string, options ...azurestore.Option) *ledger.Ledger {
	t.Helper()
	account, err := azurestore.Connect(azuritetest.Setting(connection), "UsageStorage", options...)
	ok(t, err)
	return &ledger.Ledger{Store: account.Tables}
}

// policyFunc is a policy in front of every request.
type policyFunc func(req *policy.Request) (*http.Response, error)

func (f policyFunc) Do(req *policy.Request) (*http.Response, error) { return f(req) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is fails the test unless err is want (nil included).
func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func hour(t testing.TB, compact string) usage.Hour {
	t.Helper()
	h, err := usage.ParseCompactHour(compact)
	ok(t, err)
	return h
}

func day(t testing.TB, compact string) usage.Day {
	t.Helper()
	d, err := usage.ParseDay(compact)
	ok(t, err)
	return d
}

// cloud is a cloudId of its own for each variant of a test that shares tables.
func cloud(n int) string { return fmt.Sprintf("%08d-de02-43a4-903d-eb74f8258b01", n) }

// blobOf is an hour blob whose file's hash begins with sha16.
func blobOf(cloudID string, h usage.Hour, sha16 string) (ledger.HourID, ledger.Hour) {
	return ledger.HourID{CloudID: cloudID, Hour: h, SHA16: sha16}, ledger.Hour{
		Blob: "landing-" + cloudID + "/" + h.Compact() + "-" + sha16, SHA256: sha16, RowSetHash: "rows of " + sha16,
		Bytes: 100, Records: 10, Accepted: 9, Quarantined: 1, Pages: 1, LandedAt: landed,
	}
}

func inputOf(id ledger.HourID, d usage.Day) ledger.DayInput {
	return ledger.DayInput{
		CloudID: id.CloudID, Day: d, Hour: id.Hour, SHA16: id.SHA16, Partial: "partial of " + id.SHA16,
		SHA256: id.SHA16, Lines: 3, Rows: 9, LandedAt: landed,
	}
}

// commit lets a blob count whose rows fall on the given usage days.
func commit(ctx context.Context, l *ledger.Ledger, id ledger.HourID, h ledger.Hour, days ...usage.Day) (ledger.Verdict, error) {
	inputs := make([]ledger.DayInput, len(days))
	for i, d := range days {
		inputs[i] = inputOf(id, d)
	}
	return l.CommitHour(ctx, id, h, inputs)
}

// dump is every row of a registration in every table as "table partition/key" -> columns, with
// the cloudId taken out, so that runs under different ones compare. Usage days
// and reported hours of the tests are 2019-12-10 and the day after.
func dump(t testing.TB, l *ledger.Ledger, cloudID string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range table.Names() {
		for _, suffix := range []string{"", "_20191210", "_20191211"} {
			for row, err := range l.Store.List(context.Background(), name, cloudID+suffix, "", "") {
				ok(t, err)
				var columns strings.Builder
				for _, column := range slices.Sorted(maps.Keys(row.Props)) {
					fmt.Fprintf(&columns, "%s=%v\n", column, row.Props[column])
				}
				key := name + " " + row.Partition + "/" + row.Key
				all[strings.ReplaceAll(key, cloudID, "ID")] = strings.ReplaceAll(columns.String(), cloudID, "ID")
			}
		}
	}
	return all
}

// marked reports whether OpenDays holds a row.
func marked(t testing.TB, l *ledger.Ledger, cloudID, key string) bool {
	t.Helper()
	_, err := l.Store.Get(context.Background(), table.OpenDays, cloudID, key)
	if err != nil {
		is(t, err, table.ErrNotFound)
	}
	return err == nil
}
