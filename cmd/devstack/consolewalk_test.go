package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"stackusage/internal/browsertest"
)

// walker walks through the pages of a console that runs.
type walker struct {
	ctx  context.Context // of the browser
	tool string          // path of stackusage
	env  []string
	base string // http://127.0.0.1:PORT

	registration string // of the stack that it looks at

	look     string // width and colours
	n        int    // pages of this walk
	compared int    // rows of tables
	seen     map[string]bool
}

// startConsole starts the console as an operator does, and signs a browser in.
func startConsole(t *testing.T, tool string, env []string) *walker {
	t.Helper()
	cmd := exec.Command(tool, "console", "--port", "0")
	cmd.Env = env
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil || errs.Len() > 0 {
			t.Errorf("console: %v\n%s", err, &errs)
		}
	})
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	found := regexp.MustCompile(`(http://[^/]+)/enter\?token=\w+`).FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("no address in %q: %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	w := &walker{ctx: browsertest.Browse(t), tool: tool, env: env, base: found[1], seen: map[string]bool{}}
	browsertest.Run(t, w.ctx, chromedp.Navigate(found[0]))
	for is, end := false, time.Now().Add(time.Minute); !is && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		_ = chromedp.Run(w.ctx, chromedp.Evaluate(`location.pathname === '/' && `+whole, &is)) // an error is a page that goes
	}
	return w
}

// walkConsole goes from the overview to a row of an hour blob and back by links alone, on
// wide and on narrow screens, light and dark. Each page is looked at, and its numbers are
// those of the commands that it names.
func walkConsole(t *testing.T, tool string, env []string, registration string) {
	w := startConsole(t, tool, env)
	w.registration = registration
	for _, width := range []int64{1280, 375} {
		for _, scheme := range []string{"light", "dark"} {
			w.look, w.n = fmt.Sprintf("%d-%s", width, scheme), 0
			browsertest.Run(t, w.ctx, browsertest.Look(width, scheme))
			w.walk(t)
		}
	}
	if w.compared < 80 {
		t.Errorf("only %d rows of tables were compared", w.compared)
	}
}

// way is the links of the walk: what is chosen on a page, and the path that it leads to.
// REGISTRATION is the stack's id.
var way = []struct{ choose, path string }{
	{`main h3 a[href^="/calendar?"][href*="REGISTRATION"]`, "/calendar"},
	{`main a[href^="/calendar?day=2024-03-02"]`, "/calendar"},
	{`main a[href^="/hour?hour=2024-03-02T09"]`, "/hour"},
	{`main a[href^="/row?"][href*="line=21&"]`, "/row"},
	{`main a[href^="/explain?"]`, "/explain"},
	{`main a[href^="/row?"]`, "/row"},
	{`main a[href^="/explain?"]`, "/explain"},
	{`nav.trail a[href^="/day?"]`, "/day"},
	{`nav.trail a[href^="/days?"]`, "/days"},
	{`nav.trail a[href="/"]`, "/"},
	{`header a[href="/usage"]`, "/usage"},
	{`main a[href*="by=resource"]`, "/usage"},
	{`header a[href="/quarantine"]`, "/quarantine"},
	{`header a[href="/batches"]`, "/batches"},
	{`header a[href="/decisions"]`, "/decisions"},
	{`header a[href="/messages"]`, "/messages"},
	{`header a.brand`, "/"},
}

func (w *walker) walk(t *testing.T) {
	t.Helper()
	w.page(t)
	for _, step := range way {
		w.follow(t, strings.ReplaceAll(step.choose, "REGISTRATION", w.registration), step.path)
		w.page(t)
	}
}

// follow goes to a link as the keyboard does, and follows it with Enter. A page that says that
// it is not whole loads itself again.
func (w *walker) follow(t *testing.T, choose, path string) {
	t.Helper()
	var found bool
	browsertest.Run(t, w.ctx, chromedp.Evaluate(`(e => { if (!e) return false; document.documentElement.dataset.left = 'yes'; e.focus(); return document.activeElement === e })(
		document.querySelector(`+browsertest.QuoteJS(choose)+`))`, &found))
	if !found {
		t.Fatalf("no link %s on %s", choose, w.address(t))
	}
	browsertest.Run(t, w.ctx, chromedp.KeyEvent(kb.Enter))
	var at string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		err := chromedp.Run(w.ctx, chromedp.Evaluate(`!document.documentElement.dataset.left && `+whole+` ? location.pathname : ''`, &at))
		if err == nil && at == path {
			return
		}
	}
	t.Fatalf("%s leads to %s", choose, w.address(t))
}

// whole says that the page is loaded, and has read all that it shows.
const whole = `document.readyState === 'complete' && !document.querySelector('[aria-busy=true]')`

func (w *walker) address(t *testing.T) (at string) {
	t.Helper()
	browsertest.Run(t, w.ctx, chromedp.Evaluate(`location.pathname + location.search`, &at))
	return at
}

// page looks at the open page, once.
func (w *walker) page(t *testing.T) {
	t.Helper()
	at := w.address(t)
	if w.seen[w.look+at] {
		return
	}
	w.seen[w.look+at] = true
	w.n++
	name := strings.Trim(regexp.MustCompile(`\W.*`).ReplaceAllString(strings.TrimPrefix(at, "/"), ""), "/")
	if name == "" {
		name = "overview"
	}
	browsertest.Shot(t, w.ctx, filepath.Join("..", "..", "out", "console"), fmt.Sprintf("%02d-%s-%s", w.n, name, w.look))
	if wrong := browsertest.Texts(t, w.ctx, "[role=alert]"); len(wrong) > 0 {
		t.Errorf("%s: %q", at, wrong)
	}
	if wider := browsertest.Wider(t, w.ctx); len(wider) > 0 {
		t.Errorf("%s is wider than its window of %s: %q", at, w.look, wider)
	}
	if w.look == "1280-light" || w.look == "375-dark" {
		browsertest.Axe(t, w.ctx)
	}
	if w.look == "1280-light" {
		w.numbers(t, at)
		if at == "/" {
			w.cards(t)
		}
		w.keyboard(t, at)
	}
}

// keyboard presses Tab: it leads to everything that can be used, in the order of the page.
func (w *walker) keyboard(t *testing.T, at string) {
	t.Helper()
	var all int
	browsertest.Run(t, w.ctx, chromedp.Evaluate(`(() => {
		window.usable = Array.from(document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')).filter(e => e.checkVisibility() && e.tabIndex >= 0);
		window.visited = [];
		document.addEventListener('focusin', e => { const i = usable.indexOf(e.target); if (visited.at(-1) !== i) visited.push(i) });
		document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0);
		return usable.length })()`, &all))
	// The order begins behind the place of the last focus, which following a link set: at the top of a new page.
	keys := make([]chromedp.Action, all)
	for i := range keys {
		keys[i] = chromedp.KeyEvent(kb.Tab)
	}
	var visited []int
	browsertest.Run(t, w.ctx, append(keys, chromedp.Evaluate(`window.visited`, &visited))...)
	for i := range all {
		if i >= len(visited) || visited[i] != i {
			var missed string
			browsertest.Run(t, w.ctx, chromedp.Evaluate(fmt.Sprintf(`usable[%d].outerHTML.slice(0, 200)`, i), &missed))
			t.Errorf("%s: Tab leads not to %d of %d, %s; it went to %v", at, i, all, missed, visited[:min(len(visited), i+3)])
			return
		}
	}
}
