package infra_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	pageLink   = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notAnchor  = regexp.MustCompile(`[^\w\- ]`)
	ofNobody   = map[string]bool{"docs/seed-coverage.md": true} // a list for those who change the tests
	everyPage  = []string{"README.md", "docs", "infra/README.md"}
	pageByPage = regexp.MustCompile("`((?:docs/)?(?:formats/|decisions/)?[a-z0-9-]+\\.md)`")
)

// anchors are the links into a page, by its headings.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		found["#"+strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// pages are the texts for people, by path.
func pages(t testing.TB) map[string]string {
	all := map[string]string{}
	for _, root := range everyPage {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".md") {
				return err
			}
			text, err := os.ReadFile(path)
			all[strings.TrimPrefix(filepath.ToSlash(path), "../")] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestLinks: a link leads to a file and a heading that are there, and every page
// but those of decisions is named by another one.
func TestLinks(t *testing.T) {
	all, named := pages(t), map[string]bool{"README.md": true}
	for name, text := range all {
		for _, m := range pageLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := name
			if m[1] != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1]))
				named[target] = true
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: %s: no file %s", name, m[0], target)
			} else if m[2] != "" && !anchors(all[target])[m[2]] {
				t.Errorf("%s: %s: no such heading in %s", name, m[0], target)
			}
		}
		for _, m := range pageByPage.FindAllStringSubmatch(text, -1) {
			named[strings.TrimPrefix(m[1], "/")] = true
			named[filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1]))] = true
		}
	}
	for name := range all {
		if !named[name] && !ofNobody[name] && !strings.HasPrefix(name, "docs/decisions/") {
			t.Errorf("no page names %s", name)
		}
	}
}
