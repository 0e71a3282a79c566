package infra_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	ofPicture = regexp.MustCompile(`[a-z_]+/[a-z_]+\.go`)
	ofText    = regexp.MustCompile("`((?:agent|cmd|functions|handlers|internal|shared)/[a-z_/]+(?:\\.go)?)`")
)

// TestWalks: the files that docs/architecture.md and its picture name are there. In
// the picture, names are below shared/ or the root.
func TestWalks(t *testing.T) {
	missing := func(names []string, roots ...string) (gone []string) {
		for _, name := range names {
			found := false
			for _, root := range roots {
				_, err := os.Stat(filepath.Join("..", root, filepath.FromSlash(name)))
				found = found || err == nil
			}
			if !found {
				gone = append(gone, name)
			}
		}
		return gone
	}
	picture := ofPicture.FindAllString(read(t, "docs/architecture.svg"), -1)
	var text []string
	for _, m := range ofText.FindAllStringSubmatch(read(t, "docs/architecture.md"), -1) {
		text = append(text, m[1])
	}
	if len(picture) < 40 || len(text) < 30 {
		t.Errorf("the picture names %d files, the page %d", len(picture), len(text))
	}
	if gone := append(missing(picture, "shared", ""), missing(text, "")...); gone != nil {
		t.Errorf("docs/architecture names files that are not there: %s", strings.Join(gone, ", "))
	}
}
