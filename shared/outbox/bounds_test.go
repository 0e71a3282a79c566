package outbox_test

import (
	"context"
	"fmt"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"net/http"
	"strings"
	"sync"
	"testing"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/internal/ledgertest"
	"stackusage/shared/azurestore"
	"stackusage/shared/hourlog"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
)

// Azure Tables takes 100 entities and 4 MiB in one transaction. A batch has up
// to 500 records with 16 KiB of tags and of additional information each.
func TestTransactionsStayWithinTheirBounds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const most = 4 << 20
	var lock sync.Mutex
	var sizes []int64
	weigh := ledgertest.PolicyFunc(func(req *policy.Request) (*http.Response, error) {
		if strings.HasSuffix(req.Raw().URL.Path, "/$batch") {
			lock.Lock()
			sizes = append(sizes, req.Raw().ContentLength)
			lock.Unlock()
		}
		return req.Next()
	})
	connection := azuritetest.Account(t)
	tables := ledgertest.Reopen(t, connection, azurestore.Through(weigh))
	ledgertest.OK(t, tables.(*azurestore.Tables).Create(ctx, table.Names()...))
	d := ledgertest.Day(t, "20191210")
	for i, c := range []struct {
		name         string
		records      int
		tags         string
		transactions int
	}{
		{"100 small records are one transaction", 100, "", 1},
		{"101 are two, the second with a single record", 101, "", 1}, // a single write is no transaction
		{"big plain texts are cut by size", 200, strings.Repeat("x", 16<<10), 2},
		{"texts that JSON writes six times as long are cut by what is sent", 40, strings.Repeat("<", 16<<10), 2},
		{"characters of several bytes", 100, strings.Repeat("é", 8<<10), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := outbox.ID{CloudID: ledgertest.Cloud(i), Day: d, Revision: 1, Number: 1}
			sizes = nil
			all := ledgertest.Records(t, d, c.records)
			for i := range all {
				all[i].Tags, all[i].AdditionalInfo.Stamp = c.tags, c.tags[:len(c.tags)/2]
			}
			ledgertest.OK(t, outbox.PutOutcomes(ctx, tables, id, all, ledgertest.Accept(all)))
			if len(sizes) != c.transactions {
				t.Errorf("%d transactions, want %d", len(sizes), c.transactions)
			}
			for _, size := range sizes {
				if size > most {
					t.Errorf("a transaction of %d bytes: Azure Tables takes %d", size, most)
				}
			}
			rows := 0
			for row, err := range tables.List(ctx, table.DailyUsage, id.CloudID+"_20191210", "", "") {
				ledgertest.OK(t, err)
				if tags, _ := row.Props["tags"].(string); tags != c.tags {
					t.Errorf("row %s has %d bytes of tags", row.Key, len(tags))
				}
				rows++
			}
			if rows != c.records {
				t.Errorf("%d rows, want %d", rows, c.records)
			}
		})
	}
	t.Run("quarantined rows are written in transactions, and again", func(t *testing.T) {
		id, _ := ledgertest.BlobOf(ledgertest.CloudID, d.First(), "a")
		var rows []hourlog.Quarantined
		for i := range 230 {
			rows = append(rows, hourlog.Quarantined{Line: int64(i + 1), Code: "QuantityNegative", Reason: fmt.Sprint("row ", i), Status: "rejected"})
		}
		sizes = nil
		for range 2 {
			ledgertest.OK(t, hourlog.PutQuarantine(ctx, tables, id, rows))
		}
		if len(sizes) != 2*3 {
			t.Errorf("%d transactions, want 6", len(sizes))
		}
		if got := len(ledgertest.Dump(t, tables, ledgertest.CloudID)); got != len(rows) {
			t.Errorf("%d rows, want %d", got, len(rows))
		}
	})
}
