package stackusage_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stackusage/internal/npm"
)

var (
	pageLink  = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notAnchor = regexp.MustCompile(`[^\w\- ]`)
	codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan  = regexp.MustCompile("`[^`\n]+`")
	barePage  = regexp.MustCompile("(?:^|[^\\[])`([\\w./-]+\\.md)`")
	everyPage = []string{"README.md", "docs", "infra/README.md"}
)

// anchors are the links into a page, by its headings.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		found["#"+strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// pages are the texts for people, by path.
func pages(t testing.TB) map[string]string {
	all := map[string]string{}
	for _, root := range everyPage {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".md") {
				return err
			}
			text, err := os.ReadFile(path)
			all[filepath.ToSlash(path)] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestLinks: a link leads to a file and a heading that exist, every page has a link
// to it, and no page names another one without a link.
func TestLinks(t *testing.T) {
	all, linked := pages(t), map[string]bool{"README.md": true}
	for name, text := range all {
		text = codeBlock.ReplaceAllString(text, "")
		for _, m := range pageLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := name
			if m[1] != "" {
				target = path.Join(path.Dir(name), m[1])
				linked[target] = true
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: no file %s", name, m[0], target)
			} else if m[2] != "" && !anchors(all[target])[m[2]] {
				t.Errorf("%s: %s: no such heading in %s", name, m[0], target)
			}
		}
		for _, m := range barePage.FindAllStringSubmatch(text, -1) {
			t.Errorf("%s: %s is named without a link", name, m[1])
		}
	}
	for name := range all {
		if !linked[name] {
			t.Errorf("no page has a link to %s", name)
		}
	}
}

// TestPagesSpeakPlainly: no page has a word that another word replaced, except in a
// name that code has.
func TestPagesSpeakPlainly(t *testing.T) {
	for name, text := range pages(t) {
		text = codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "")
		for i, line := range strings.Split(text, "\n") {
			if words := oldWords.FindAllString(line, -1); words != nil {
				t.Errorf("%s:%d: %q in %q", name, i+1, words, line)
			}
		}
	}
}

// TestMarkdown runs markdownlint, pinned in test/markdownlint, on every page.
func TestMarkdown(t *testing.T) {
	dir, err := npm.Install(t.Context(), "test/markdownlint")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{filepath.Join(dir, "node_modules", "markdownlint-cli2", "markdownlint-cli2-bin.mjs"), "--config", filepath.Join(dir, ".markdownlint-cli2.yaml")}
	for name := range pages(t) {
		args = append(args, name)
	}
	cmd := exec.CommandContext(t.Context(), "node", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("markdownlint: %v\n%s", err, out.Bytes())
	}
}
