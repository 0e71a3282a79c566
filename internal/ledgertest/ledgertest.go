// Package ledgertest has what tests of hours, days and batches share: stores, blobs with
// their inputs, and one closing of a day. Only tests import it.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/internal/faultstore"
	"stackusage/internal/memstore"
	"stackusage/shared/azurestore"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const CloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// landed is when the first blob of the tests was stored.
var Landed = time.Date(2019, 12, 11, 0, 10, 0, 0, time.UTC)

// InMemory is a ledger on a store in memory: for all that does not depend on what
// Azure Tables does with a request.
func InMemory() table.Store { return memstore.NewTables(table.Names()...) }

// InFront is a ledger on the same store, with a hook before each operation.
func InFront(tables table.Store, hook faultstore.Hook) table.Store {
	front := new(faultstore.Front)
	front.Through(hook)
	return faultstore.Tables{Front: front, Inner: tables}
}

// Open makes the tables in an account that no other test uses, and returns its
// connection string with a ledger on it.
func Open(t testing.TB) (table.Store, string) {
	t.Helper()
	connection := azuritetest.Account(t)
	tables := Reopen(t, connection)
	OK(t, tables.(*azurestore.Tables).Create(context.Background(), table.Names()...))
	return tables, connection
}

func Reopen(t testing.TB, connection string, options ...azurestore.Option) table.Store {
	t.Helper()
	account, err := azurestore.Connect(azuritetest.Setting(connection), "UsageStorage", options...)
	OK(t, err)
	return account.Tables
}

// policyFunc is a policy in front of every request.
type PolicyFunc func(req *policy.Request) (*http.Response, error)

func (f PolicyFunc) Do(req *policy.Request) (*http.Response, error) { return f(req) }

func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Is fails the test unless err is want (nil included).
func Is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func Hour(t testing.TB, compact string) usage.Hour {
	t.Helper()
	h, err := usage.ParseCompactHour(compact)
	OK(t, err)
	return h
}

func Day(t testing.TB, compact string) usage.Day {
	t.Helper()
	d, err := usage.ParseDay(compact)
	OK(t, err)
	return d
}

// Cloud is a cloudId of its own for each variant of a test that shares tables.
func Cloud(n int) string { return fmt.Sprintf("%08d-de02-43a4-903d-eb74f8258b01", n) }

// BlobOf is an hour blob whose file's hash begins with sha16.
func BlobOf(cloudID string, h usage.Hour, sha16 string) (hourlog.ID, hourlog.Hour) {
	return hourlog.ID{CloudID: cloudID, Hour: h, SHA16: sha16}, hourlog.Hour{
		Blob: "landing-" + cloudID + "/" + h.Compact() + "-" + sha16, SHA256: sha16, RowSetHash: "rows of " + sha16,
		Bytes: 100, Records: 10, Accepted: 9, Quarantined: 1, Pages: 1, LandedAt: Landed,
	}
}

func InputOf(id hourlog.ID, d usage.Day) openday.Input {
	return openday.Input{
		CloudID: id.CloudID, Day: d, Hour: id.Hour, SHA16: id.SHA16, Partial: "partial of " + id.SHA16,
		SHA256: id.SHA16, Lines: 3, Rows: 9, LandedAt: Landed,
	}
}

// Commit lets a blob count whose rows fall on the given usage days.
func Commit(ctx context.Context, tables table.Store, id hourlog.ID, h hourlog.Hour, days ...usage.Day) (hourlog.Verdict, error) {
	inputs := make([]openday.Input, len(days))
	for i, d := range days {
		inputs[i] = InputOf(id, d)
	}
	return hourlog.Commit(ctx, tables, id, h, inputs)
}

// Dump is every row of a registration in every table as "table partition/key" -> columns, with
// the cloudId taken out, so that runs under different ones compare. Usage days
// and reported hours of the tests are 2019-12-10 and the day after.
func Dump(t testing.TB, tables table.Store, cloudID string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range table.Names() {
		for _, suffix := range []string{"", "_20191210", "_20191211"} {
			for row, err := range tables.List(context.Background(), name, cloudID+suffix, "", "") {
				OK(t, err)
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

// Marked reports whether OpenDays holds a row.
func Marked(t testing.TB, tables table.Store, cloudID, key string) bool {
	t.Helper()
	_, err := tables.Get(context.Background(), table.OpenDays, cloudID, key)
	if err != nil {
		Is(t, err, table.ErrNotFound)
	}
	return err == nil
}
