package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"stackusage/internal/browsertest"
)

// opened is what a browser was started with.
type opened struct {
	file string // its argument
	text string // of the file
	pid  int
}

// startOpen starts a console with --open and something in place of a browser, which goes on
// until the test ends.
func startOpen(t *testing.T, env []string) (*program, opened) {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho $$ >'%[1]s/pid'\nprintf '%%s\\n' \"$@\" >'%[1]s/part' && mv '%[1]s/part' '%[1]s/args'\nexec sleep 100\n", dir)
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	p := start(t, append(env, "PATH="+dir+":"+os.Getenv("PATH"), "TMPDIR="+tmp), "--open")
	var args []byte
	wait(t, "the browser", func() (is bool) {
		var err error
		args, err = os.ReadFile(filepath.Join(dir, "args"))
		return err == nil
	})
	o := opened{file: strings.TrimSuffix(string(args), "\n")}
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err == nil {
		o.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err == nil {
		text, err = os.ReadFile(o.file)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.text = string(text)
	t.Cleanup(func() { _ = syscall.Kill(o.pid, syscall.SIGKILL) })
	return p, o
}

// gone checks that nothing of the file is left.
func (o opened) gone() bool {
	left, err := os.ReadDir(filepath.Dir(filepath.Dir(o.file)))
	return err == nil && len(left) == 0
}

func TestOpenKeepsTheTokenSecret(t *testing.T) {
	t.Parallel()
	p, o := startOpen(t, forbidden(t))
	if !strings.Contains(o.text, p.address) {
		t.Errorf("the file leads elsewhere:\n%s", o.text)
	}
	for path, want := range map[string]os.FileMode{o.file: 0o600, filepath.Dir(o.file): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		if args, err := os.ReadFile(path); err == nil && strings.Contains(string(args), p.token) {
			t.Errorf("%s has the token: %q", path, args)
		}
	}
	own := fmt.Sprintf("/proc/%d/environ", o.pid)
	if env, err := os.ReadFile(own); err == nil && strings.Contains(string(env), p.token) {
		t.Errorf("%s has the token", own)
	}
	p.signIn(t)
	wait(t, "the file's end", o.gone)
}

func TestOpenLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		p, o := startOpen(t, forbidden(t))
		if code, _ := p.end(t, signal); code != 0 || !o.gone() {
			t.Errorf("%v: exit code %d, gone: %t", signal, code, o.gone())
		}
		if err := syscall.Kill(o.pid, 0); err != nil {
			t.Errorf("%v ended the browser, too: %v", signal, err)
		}
	}
	p, o := startOpen(t, forbidden(t))
	if group, err := syscall.Getpgid(o.pid); err != nil || group == syscall.Getpgrp() || group != o.pid {
		t.Errorf("Ctrl+C reaches the browser: group %d, ours %d, %v", group, syscall.Getpgrp(), err)
	}
	p.end(t, syscall.SIGINT)
}

func TestOpenWithoutABrowser(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	p := start(t, append(forbidden(t), "PATH="+t.TempDir(), "TMPDIR="+tmp), "--open")
	p.signIn(t)
	if !strings.Contains(p.errs.String(), "the browser cannot be opened") {
		t.Errorf("%s", p.errs)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestOpenInABrowser starts where a browser does: with the file of --open.
func TestOpenInABrowser(t *testing.T) {
	t.Parallel()
	p, o := startOpen(t, forbidden(t))
	other, elsewhere := startOpen(t, forbidden(t))
	ctx := browsertest.Browse(t)
	for _, from := range []struct {
		p *program
		o opened
	}{{p, o}, {other, elsewhere}} {
		browsertest.Run(t, ctx, chromedp.Navigate("file://"+from.o.file))
		browsertest.At(t, ctx, from.p.base+"/", "Overview")
		look(t, ctx, "forbidden")
		if !from.o.gone() {
			t.Error("the file is still there")
		}
	}
	// The second one is on the same host, and so has the same set of cookies.
	browsertest.Run(t, ctx, chromedp.Navigate(p.base+"/quarantine"))
	browsertest.At(t, ctx, p.base+"/quarantine", "Quarantine")
	browsertest.Run(t, ctx, chromedp.Navigate(p.address))
	browsertest.At(t, ctx, p.base+"/", "Overview")

	stranger := browsertest.Browse(t)
	browsertest.Run(t, stranger, browsertest.Look(375, "dark"), chromedp.Navigate(p.address))
	browsertest.At(t, stranger, p.address, "This address does not work any more")
	look(t, stranger, "stranger-enter")
	browsertest.Run(t, stranger, chromedp.Navigate(p.base+"/usage?month=2024-03"))
	browsertest.At(t, stranger, p.base+"/usage?month=2024-03", "Not signed in")
	look(t, stranger, "stranger")

	otherPrograms(t, ctx, p)
}

// look checks what the open page looks like, and keeps it.
func look(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	browsertest.Shot(t, ctx, filepath.Join("..", "..", "out", "console"), name)
	browsertest.Axe(t, ctx)
	if wider := browsertest.Wider(t, ctx); len(wider) > 0 {
		t.Errorf("%s: wider than the window: %q", name, wider)
	}
}

// otherPrograms: a page of another program on this host, which is the same site for the
// browser, reads nothing with the cookie of who is signed in, and cannot frame the console.
func otherPrograms(t *testing.T, ctx context.Context, p *program) {
	t.Helper()
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><html><title>evil</title><body><script>
			window.got = [];
			const frame = document.createElement('iframe');
			frame.onload = () => { try { window.got.push('frame ' + frame.contentDocument.body.textContent) } catch (e) { window.got.push('frame: ' + e.name) } };
			frame.src = %[1]q;
			document.body.append(frame);
			fetch(%[1]q, {credentials: 'include'}).then(r => r.text()).then(x => window.got.push('fetched ' + x), e => window.got.push('fetch: ' + e.name));
			fetch(%[1]q, {credentials: 'include', mode: 'no-cors'}).then(r => window.got.push('blind ' + r.type), e => window.got.push('blind: ' + e.name));
			const script = document.createElement('script');
			script.onload = () => window.got.push('script loaded'); script.onerror = () => window.got.push('script: refused');
			script.src = %[1]q;
			document.body.append(script);
			</script></body></html>`, p.base+"/quarantine?csv=list")
	}))
	t.Cleanup(evil.Close)
	var got []string
	browsertest.Run(t, ctx, chromedp.Navigate(evil.URL), chromedp.Poll(`window.got.length === 4`, nil), chromedp.Evaluate(`window.got`, &got))
	slices.Sort(got)
	if want := []string{"blind: TypeError", "fetch: TypeError", "frame: TypeError", "script: refused"}; !slices.Equal(got, want) {
		t.Errorf("another program's page has %q", got)
	}
}
