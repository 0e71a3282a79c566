package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestAPageThatIsBad: what the helpers are for is found, also where the page's policy
// allows no script.
func TestAPageThatIsBad(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><title>Bad</title><body><main><h1>Bad</h1><input name="nameless">
			<p style="width: 900px; color: #ddd; background: #fff">it's pale and wide</p></main></body></html>`)
	}))
	t.Cleanup(server.Close)
	ctx := Browse(t)
	Run(t, ctx, Look(375, "light"), chromedp.Navigate(server.URL))
	var rules []string
	for _, v := range violations(t, ctx) {
		rules = append(rules, v.ID)
	}
	if slices.Sort(rules); !slices.Equal(rules, []string{"color-contrast", "label"}) {
		t.Errorf("%q", rules)
	}
	if wider := Wider(t, ctx); len(wider) != 2 {
		t.Errorf("%q", wider)
	}
	Run(t, ctx, Look(1280, "dark"))
	if wider := Wider(t, ctx); len(wider) != 0 {
		t.Errorf("%q", wider)
	}
	if got := Texts(t, ctx, "p"); !slices.Equal(got, []string{"it's pale and wide"}) {
		t.Errorf("%q", got)
	}
}
