package browsertest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"stackusage/internal/npm"
)

// Violation is a rule of axe-core that a page breaks.
type Violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// Axe reports serious and critical violations of the open page, as axe-core finds them.
// The script goes in by way of DevTools, which the page's content security policy does
// not bind.
func Axe(t *testing.T, ctx context.Context) {
	t.Helper()
	for _, v := range violations(t, ctx) {
		for _, n := range v.Nodes {
			t.Errorf("axe: %s (%s): %s\n%s\n%s", v.ID, v.Impact, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

func violations(t *testing.T, ctx context.Context) (all []Violation) {
	t.Helper()
	dir, err := npm.Install(t.Context(), "test/axe")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	Run(t, ctx, chromedp.Evaluate(string(script)+"\ntrue", nil), chromedp.Evaluate(`axe.run(document, {resultTypes: ['violations']}).then(r =>
		r.violations.filter(v => v.impact === 'serious' || v.impact === 'critical').map(v => ({id: v.id, impact: v.impact, help: v.help,
			nodes: v.nodes.map(n => ({html: n.html.slice(0, 400), failureSummary: n.failureSummary}))})))`,
		&all, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return all
}
