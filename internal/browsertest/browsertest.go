// Package browsertest opens pages in headless Chromium for tests, looks at them and keeps
// screenshots. Only tests import it.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// chromium finds Debian's browser, and installs it where a run may do so.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	ci := os.Getenv("CI") != ""
	if ci && os.Geteuid() == 0 {
		return install(t)
	}
	if ci {
		t.Fatal("chromium must be there in CI")
	}
	t.Skip("chromium is not here; install it with: apt-get install chromium")
	return ""
}

// install installs chromium. Several test binaries want it at once, and apt-get update
// waits for nobody.
func install(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "flock", filepath.Join(os.TempDir(), "stackusage-chromium.lock"), "sh", "-ec",
		"command -v chromium || { apt-get update -qq; apt-get install -y -qq --no-install-recommends chromium; }")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("install chromium: %v\n%s", err, out)
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Browse starts a browser of its own for a test.
func Browse(t *testing.T) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(profile(t)), chromedp.WindowSize(1200, 900),
		chromedp.WSURLReadTimeout(time.Minute)}
	for _, flag := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "no-default-browser-check", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	// Not t.Context, which ends before the cleanup: the browser is asked to end.
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	tab, _ := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(tab); err != nil {
			t.Logf("end browser: %v", err)
		}
	})
	// The browser ends with the context of its first command.
	Run(t, tab)
	ctx, cancel := context.WithTimeout(tab, 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// profile is a folder for the browser, whose children may write into it for a
// moment after it ended.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "browsertest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("left behind: %s", dir)
	})
	return dir
}

// Run does actions in the browser; an error ends the test.
func Run(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// At waits until an address is open and its page has a heading.
func At(t *testing.T, ctx context.Context, address, heading string) {
	t.Helper()
	var got []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		// An error is a page that goes.
		err := chromedp.Run(ctx, chromedp.Evaluate(`[location.href, document.querySelector('h1')?.textContent ?? '', document.readyState]`, &got))
		if err == nil && got[0] == address && got[1] == heading && got[2] == "complete" {
			return
		}
	}
	t.Fatalf("want %q at %s, have %q", heading, address, got)
}

// Shot keeps what the whole page looks like as a PNG file of a folder.
func Shot(t *testing.T, ctx context.Context, folder, name string) {
	t.Helper()
	var png []byte
	Run(t, ctx, chromedp.FullScreenshot(&png, 100))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Texts of all elements that a selector finds, trimmed.
func Texts(t *testing.T, ctx context.Context, selector string) (out []string) {
	t.Helper()
	Run(t, ctx, chromedp.Evaluate(`Array.from(document.querySelectorAll(`+QuoteJS(selector)+`), e => e.textContent.trim())`, &out))
	return out
}

// QuoteJS is a text as a literal of JavaScript.
func QuoteJS(s string) string { return strconv.QuoteToASCII(s) }

// Look emulates a window's width in pixels and the colours that the user prefers: light
// or dark.
func Look(width int64, scheme string) chromedp.Tasks {
	return chromedp.Tasks{chromedp.EmulateViewport(width, 900),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})}
}

// Wider names elements that stand out of the window to the right, where the page is wider
// than its window.
func Wider(t *testing.T, ctx context.Context) (elements []string) {
	t.Helper()
	Run(t, ctx, chromedp.Evaluate(`document.documentElement.scrollWidth <= innerWidth ? [] :
		Array.from(document.body.querySelectorAll('*')).filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.parentElement.closest('.scroll'))
			.map(e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 60)).slice(0, 10).concat('scrollWidth ' + document.documentElement.scrollWidth)`, &elements))
	return elements
}
