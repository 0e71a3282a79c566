package accountpage_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"stackusage/internal/browsertest"
)

// screenshots is where a run leaves what it saw; git ignores it.
var screenshots = filepath.Join("..", "..", "..", "out", "accountpage")

var browse, run, texts, quoteJS = browsertest.Browse, browsertest.Run, browsertest.Texts, browsertest.QuoteJS

// shot keeps what the page looks like.
func shot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	browsertest.Shot(t, ctx, screenshots, name)
}

func TestInABrowser(t *testing.T) {
	r := start(t, month()...)
	ctx := browse(t)

	t.Run("a wrong password is refused", func(t *testing.T) {
		run(t, ctx, chromedp.Navigate(r.page.URL), chromedp.WaitVisible("#password"))
		shot(t, ctx, "1-sign-in")
		run(t, ctx, chromedp.SendKeys("#name", account), chromedp.SendKeys("#password", "guess"), chromedp.Submit("#password"), chromedp.WaitVisible("#wrong"))
		if got := texts(t, ctx, "[role=alert]"); len(got) != 1 || !strings.Contains(got[0], "is wrong") {
			t.Errorf("%v", got)
		}
		shot(t, ctx, "2-refused")
	})
	t.Run("the right one leads to the subscriptions", func(t *testing.T) {
		run(t, ctx, chromedp.SendKeys("#password", password), chromedp.Submit("#password"), chromedp.WaitVisible("#list"))
		if got := texts(t, ctx, "tbody th"); cmp.Diff([]string{payer, kitPayer}, got) != "" {
			t.Errorf("%v", got)
		}
		checkLooks(t, ctx, "3-subscriptions")
	})
	t.Run("numbers of the chosen period equal the API's", func(t *testing.T) {
		run(t, ctx, chromedp.Click("tbody a"), chromedp.WaitVisible("#period"),
			chromedp.SetValue("#period", "2019-12"), chromedp.Submit("#period"), chromedp.WaitVisible("#daily", chromedp.NodeReady))
		checkNumbers(t, ctx, r)
	})
	t.Run("the chart is loaded and drawn", func(t *testing.T) {
		var width int
		run(t, ctx, chromedp.Evaluate(`document.getElementById('chart').naturalWidth`, &width))
		if width < 100 {
			t.Errorf("%d pixels wide", width)
		}
	})
	t.Run("the download opens and adds up", func(t *testing.T) { checkDownload(t, ctx) })
	t.Run("what was not charged is folded", func(t *testing.T) {
		if got := visible(t, ctx, ".amount"); got != 4+1+1+1 { // meters, resources, and a total of each
			t.Errorf("%d amounts are visible", got)
		}
		run(t, ctx, chromedp.Click("#numbers summary"), chromedp.WaitVisible("#daily"), chromedp.Click("#rest summary"), chromedp.WaitVisible("#free"),
			chromedp.Click("#resources summary"))
		if got := visible(t, ctx, ".amount"); got != 4+1+1+1+3 {
			t.Errorf("%d amounts are visible", got)
		}
	})
	t.Run("every amount is visible on every screen, light and dark", func(t *testing.T) { checkLooks(t, ctx, "4-usage") })
	t.Run("a month without charges is a page", func(t *testing.T) {
		run(t, ctx, chromedp.Navigate(r.page.URL+"/subscriptions/"+payer+"?period=2019-11"), chromedp.WaitVisible("#nothing"))
		checkLooks(t, ctx, "5-nothing")
		run(t, ctx, chromedp.Navigate(r.page.URL+"/subscriptions/"+kitPayer), chromedp.WaitVisible("#free"))
		checkLooks(t, ctx, "6-kit")
	})
	t.Run("signing out ends it", func(t *testing.T) {
		run(t, ctx, chromedp.Click("header button"), chromedp.WaitVisible("#password"),
			chromedp.Navigate(r.page.URL+"/subscriptions/"+payer), chromedp.WaitVisible("#password"))
	})
}

// visible counts the elements of a selector that a person can see without scrolling sideways.
func visible(t *testing.T, ctx context.Context, selector string) (n int) {
	t.Helper()
	run(t, ctx, chromedp.Evaluate(`Array.from(document.querySelectorAll(`+quoteJS(selector)+`)).filter(e => {
		if (!e.checkVisibility()) return false;
		const r = e.getBoundingClientRect();
		return r.width > 0 && r.left >= 0 && r.right <= innerWidth && e.scrollWidth <= e.clientWidth;
	}).length`, &n))
	return n
}

// checkLooks looks at the open page on a wide and on a narrow screen, light and dark.
func checkLooks(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	amounts := visible(t, ctx, ".amount")
	for _, width := range []int64{1280, 375} {
		for scheme, paper := range map[string]string{"light": "rgb(244, 245, 247)", "dark": "rgb(21, 23, 26)"} {
			var page string
			run(t, ctx, browsertest.Look(width, scheme), chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &page))
			if over := browsertest.Wider(t, ctx); len(over) > 0 || page != paper {
				t.Errorf("%s, %d pixels, %s: wider than the screen: %q; background %s", name, width, scheme, over, page)
			}
			look := map[string]string{"1280 light": "", "1280 dark": "&look=dark", "375 light": "&look=narrow", "375 dark": "&look=narrow-dark"}[fmt.Sprint(width, " ", scheme)]
			run(t, ctx, chromedp.Poll(`(i => i === null || i.complete && i.currentSrc.endsWith(`+quoteJS("period=2019-12"+look)+`))(document.getElementById('chart'))`, nil))
			if got := visible(t, ctx, ".amount"); got != amounts {
				t.Errorf("%s, %d pixels, %s: %d of %d amounts are visible", name, width, scheme, got, amounts)
			}
			browsertest.Axe(t, ctx)
			shot(t, ctx, fmt.Sprintf("%s-%d-%s", name, width, scheme))
		}
	}
	run(t, ctx, chromedp.EmulateReset(), emulation.SetEmulatedMedia())
}

// checkNumbers compares the open page with commerce, number by number.
func checkNumbers(t *testing.T, ctx context.Context, r *rig) {
	t.Helper()
	var bill struct {
		Statements []struct {
			Total string
			Lines []struct{ MeterID, Quantity, Amount, Rate string }
		}
	}
	r.api("/v1/bill?month=2019-12&subscription="+payer, &bill)
	want := map[string]int{}
	for _, l := range bill.Statements[0].Lines {
		amount := l.Amount
		if l.Rate == "" {
			amount = "not priced"
		}
		want[l.MeterID+" "+l.Quantity+" "+amount]++
	}
	meters, quantities, amounts := []string{}, texts(t, ctx, "[data-meter] .quantity"), texts(t, ctx, "[data-meter] .amount")
	run(t, ctx, chromedp.Evaluate(`Array.from(document.querySelectorAll('[data-meter]'), e => e.dataset.meter)`, &meters))
	got := map[string]int{}
	for i, meter := range meters {
		got[meter+" "+quantities[i]+" "+amounts[i]]++
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 7 {
		t.Errorf("lines (-API +page):\n%s", diff)
	}
	if total := texts(t, ctx, "#total"); total[0] != "$"+bill.Statements[0].Total || total[0] == "$0.00" {
		t.Errorf("total %v, the API has %s", total, bill.Statements[0].Total)
	}
	var costs struct{ Days, Amounts []string }
	r.api("/v1/daily-costs?month=2019-12&subscription="+payer, &costs)
	if diff := cmp.Diff(costs.Days, texts(t, ctx, "#daily tbody th")); diff != "" || len(costs.Days) != 14 {
		t.Errorf("days (-API +page):\n%s", diff)
	}
	for i, total := range texts(t, ctx, "#daily tbody .all") {
		if !strings.HasPrefix(costs.Amounts[i], total[:len(total)-1]) { // the last digit is rounded
			t.Errorf("%s: %s, the API has %s", costs.Days[i], total, costs.Amounts[i])
		}
	}
	var resources struct {
		Resources []struct{ ResourceURI, Amount string }
	}
	r.api("/v1/resource-costs?month=2019-12&subscription="+payer, &resources)
	if got := texts(t, ctx, "[data-resource] .amount"); len(got) != 1 || len(resources.Resources) != 1 || !strings.HasPrefix(resources.Resources[0].Amount, got[0][:len(got[0])-1]) {
		t.Errorf("resources %v, the API has %v", got, resources.Resources)
	}
}

// checkDownload presses the button and reads what the browser saved.
func checkDownload(t *testing.T, ctx context.Context) {
	t.Helper()
	folder := t.TempDir()
	saved := make(chan string, 1)
	listen, stop := context.WithCancel(ctx)
	defer stop()
	chromedp.ListenTarget(listen, func(event any) {
		if e, ok := event.(*browser.EventDownloadProgress); ok && e.State != browser.DownloadProgressStateInProgress {
			select {
			case saved <- e.State.String():
			default:
			}
		}
	})
	run(t, ctx, browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(folder).WithEventsEnabled(true), chromedp.Click("#download"))
	select {
	case state := <-saved:
		if state != "completed" {
			t.Fatalf("download %s", state)
		}
	case <-ctx.Done():
		t.Fatal("the download did not end")
	}
	f, err := os.Open(filepath.Join(folder, "usage-details-"+payer+"-2019-12.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	// Two titles, two rows of names, 7 statement lines, 14 days of 7 records and one correction.
	if len(rows) != 4+7+14*7+1 || rows[0][0] != "Statement" || rows[9][0] != "Daily Usage" {
		t.Errorf("%d rows: %v", len(rows), rows[:10])
	}
}

func TestByKeyboardAlone(t *testing.T) {
	r := start(t, month()...)
	ctx := browse(t)
	focus := func() (out string) {
		run(t, ctx, chromedp.Evaluate(`(e => e.id || e.className || e.textContent.trim())(document.activeElement)`, &out))
		return out
	}
	tabTo := func(want string) {
		t.Helper()
		var way []string
		for range 20 {
			run(t, ctx, chromedp.KeyEvent(kb.Tab))
			at := focus()
			if way = append(way, at); at == want {
				return
			}
		}
		t.Fatalf("20 times Tab do not lead to %q: %q", want, way)
	}
	run(t, ctx, chromedp.Navigate(r.page.URL), chromedp.WaitVisible("#password"), chromedp.KeyEvent(kb.Tab))
	if at := focus(); at != "skip" {
		t.Errorf("the first Tab leads to %q, not over the header", at)
	}
	shot(t, ctx, "7-skip-link")
	tabTo("name")
	run(t, ctx, chromedp.KeyEvent(account))
	tabTo("password")
	run(t, ctx, chromedp.KeyEvent(password+kb.Enter), chromedp.WaitVisible("#list"))
	tabTo(payer)
	run(t, ctx, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#period"))
	tabTo("period")
	run(t, ctx, chromedp.KeyEvent(kb.ArrowDown))
	tabTo("Show")
	run(t, ctx, chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#chart"), chromedp.WaitReady(`option[value="2019-12"][selected]`))
	tabTo("The numbers of the chart, in USD")
	run(t, ctx, chromedp.KeyEvent(" "), chromedp.WaitVisible("#daily"))
	var ring string
	run(t, ctx, chromedp.Evaluate(`getComputedStyle(document.activeElement).outlineStyle`, &ring))
	if ring != "solid" {
		t.Errorf("the focus is drawn as %q", ring)
	}
}
