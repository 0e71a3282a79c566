package usages

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	command "stackusage/cmd/stackusage/usages"
	"stackusage/internal/closeddays"
	"stackusage/internal/memstore"
	"stackusage/shared/meter"
	"stackusage/shared/prices"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
	"stackusage/shared/usagesums"
)

// BenchmarkUsagePage is the page of a month of 10,000 resources and a million lines: cold
// is the first page, when nothing was read before; warm, when all days were.
func BenchmarkUsagePage(b *testing.B) {
	meters, err := meter.BuiltIn()
	ok(b, err)
	account := memstore.New()
	ok(b, account.Tables.Create(b.Context(), table.Names()...))
	ok(b, account.Blobs.Create(b.Context(), table.Containers()...))
	s := closeddays.Stack{CloudID: hamburg, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: b.TempDir(), Billing: hamburg, Model: registration.PayAsYouUse,
		Tenants: map[string]string{contoso: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"}}
	m, err := usage.ParseMonth("2024-03")
	ok(b, err)
	ok(b, s.CloseMany(b.Context(), m, 30, 10_000))
	list, err := prices.Read(strings.NewReader(priceList))
	ok(b, err)
	reader := &usagelines.Reader{Tables: account.Tables, Blobs: account.Blobs, Meters: meters}
	dir := ""
	root := func(e *cli.Env) *cobra.Command {
		var by, compare, month, resource, sort string
		cmd := cli.Command("usage", "", "", "", nil)
		for name, into := range map[string]*string{"by": &by, "compare": &compare, "month": &month, "resource": &resource, "sort": &sort} {
			cmd.Flags().StringVar(into, name, "", "")
		}
		cmd.RunE = func(*cobra.Command, []string) error {
			start := m.First().Start()
			o := usagereport.Options{Month: m, Compare: before(m), Prices: list, ByAmount: sort == "amount", TempDir: dir, Now: start.AddDate(0, 1, 0), Only: usagereport.Filter{Resource: resource},
				Registrations: []registration.History{{CloudID: hamburg, Registrations: []registration.Registration{{CloudID: hamburg, Name: "hamburg", EffectiveDay: "20240301", Start: start}}}}}
			var err error
			if o.By, err = usagereport.ParseDimensions(by); err == nil {
				o.Cache, err = usagesums.In(dir, 1<<30)
			}
			if err != nil {
				return err
			}
			return e.View(command.NewQuestion(o, reader))
		}
		root := cli.Group("stackusage", "", "", cmd)
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SilenceErrors, root.SilenceUsage = true, true
		return root
	}
	get := func(jobs *page.Jobs, query string) []byte {
		values, err := url.ParseQuery("month=2024-03&" + query)
		ok(b, err)
		w := httptest.NewRecorder()
		r := &page.Request{Context: b.Context(), Path: "/usage", Query: values, Now: m.First().Start().AddDate(0, 1, 0), Env: cli.New(func(string) string { return "" }, io.Discard, io.Discard), Root: root, Jobs: jobs}
		r.Begin(w)
		p, err := Show(r)
		ok(b, err)
		page.Write(w, r, 200, p)
		return w.Body.Bytes()
	}
	b.Run("cold", func(b *testing.B) {
		for i := range b.N {
			dir = filepath.Join(b.TempDir(), fmt.Sprint(i))
			ok(b, os.MkdirAll(dir, 0o700))
			ctx, cancel := context.WithCancel(b.Context())
			jobs := page.NewJobs(ctx)
			if text := get(jobs, "by=resource"); !bytes.Contains(text, []byte("0 of 30 closed days")) {
				b.Fatalf("%s", text)
			}
			b.StopTimer()
			cancel()
			jobs.Wait()
			b.StartTimer()
		}
	})
	dir = b.TempDir()
	jobs := page.NewJobs(b.Context())
	get(jobs, "")
	jobs.Wait()
	for _, query := range []string{"by=meter", "by=subscription", "by=resource", "by=resource&skip-usage=9800",
		"by=meter&resource=" + url.QueryEscape("/subscriptions/00000001-1111-4111-8111-111111111111/resourceGroups/group-0003/providers/Microsoft.Compute/virtualMachines/Machine-0000077")} {
		b.Run("warm "+query[:min(len(query), 30)], func(b *testing.B) {
			for range b.N {
				if text := get(jobs, query); bytes.Contains(text, []byte("closed days are in these numbers")) || !bytes.Contains(text, []byte(`class="segment"`)) {
					b.Fatalf("%s", text)
				}
			}
		})
	}
}
