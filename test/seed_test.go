package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSeedCoverage: docs/seed-coverage.md has every sentence of the seed document
// and nothing else, and the tests that it names exist.
func TestSeedCoverage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "seed-coverage.md"))
	if err != nil {
		t.Fatal(err)
	}
	problems := uncovered(string(page), seed(t))
	for _, problem := range problems {
		t.Error(problem)
	}
	t.Run("it would find what is missing", func(t *testing.T) {
		for name, change := range map[string]func(page, seed string) (string, string){
			"sentence of the document": func(page, seed string) (string, string) {
				return page, strings.Replace(seed, "## Next steps", "Usage is also sung.\n\n## Next steps", 1)
			},
			"sentence of the page": func(page, seed string) (string, string) {
				return page + "| Usage is also sung. | a song |\n", seed
			},
			"test": func(page, seed string) (string, string) {
				return strings.Replace(page, "TestTheDocumentedTest", "TestOfNothing", 1), seed
			},
			"why": func(page, seed string) (string, string) { return strings.ReplaceAll(page, "| a link |", "| |"), seed },
		} {
			if len(uncovered(change(string(page), seed(t)))) == len(problems) {
				t.Errorf("%s: not found", name)
			}
		}
	})
}

// uncovered says where page and document do not agree.
func uncovered(page, document string) (problems []string) {
	document = plain(document)
	behaviour := true
	for line := range strings.Lines(page) {
		behaviour = behaviour && !strings.HasPrefix(line, "## Sentences without tests")
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| sentence ") {
			continue
		}
		if len(cells) != 2 || strings.TrimSpace(cells[1]) == "" {
			problems = append(problems, "no test and no reason: "+line)
			continue
		}
		sentence := plain(cells[0])
		if !strings.Contains(document, sentence) {
			problems = append(problems, "not a sentence of the document, or twice: "+sentence)
		}
		document = strings.Replace(document, sentence, "\n", 1)
		if behaviour {
			problems = append(problems, missingTests(cells[1])...)
		}
	}
	for left := range strings.Lines(document) {
		if strings.ContainsFunc(left, func(r rune) bool { return r >= 'a' && r <= 'z' }) {
			problems = append(problems, "not on the page: "+strings.TrimSpace(left))
		}
	}
	return problems
}

var namedTest = regexp.MustCompile("^`([a-z/]+)` (Test[A-Za-z]+)$")

// missingTests are those of a cell that no package has.
func missingTests(cell string) (problems []string) {
	for _, name := range strings.Split(strings.TrimSpace(cell), "; ") {
		m := namedTest.FindStringSubmatch(name)
		if m == nil {
			problems = append(problems, "not the name of a test: "+name)
			continue
		}
		if !hasTest(filepath.Join("..", filepath.FromSlash(m[1])), m[2]) {
			problems = append(problems, "there is no test "+name)
		}
	}
	return problems
}

func hasTest(dir, name string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == name {
				return true
			}
		}
	}
	return false
}

var (
	frontMatter = regexp.MustCompile(`(?s)^---\n(.*?)\n---\n`)
	heading     = regexp.MustCompile(`(?m)^#.*$`)
	nextSteps   = regexp.MustCompile(`(?s)## Next steps.*`)
	image       = regexp.MustCompile(`!\[[^]]*\]\([^)]*\)`)
	link        = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
	marks       = regexp.MustCompile(`\*\*|> \[!NOTE\]|(?m:^> |^\* |^\d\. )`)
	space       = regexp.MustCompile(`\s+`)
)

// plain is a text of Markdown without headings, links, pictures and marks.
func plain(text string) string {
	if m := frontMatter.FindStringSubmatch(text); m != nil {
		text = description(m[1]) + "\n" + text[len(m[0]):]
	}
	for _, gone := range []*regexp.Regexp{nextSteps, heading, image, marks} {
		text = gone.ReplaceAllString(text, " ")
	}
	return strings.TrimSpace(space.ReplaceAllString(link.ReplaceAllString(text, "$1"), " "))
}

// description is the one sentence of a document's front matter.
func description(front string) string {
	for line := range strings.Lines(front) {
		if text, ok := strings.CutPrefix(line, "description: "); ok {
			return text
		}
	}
	return ""
}

// seed is the document that the project began with.
func seed(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STACKUSAGE_SEED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "seed")
	}
	text, err := os.ReadFile(filepath.Join(dir, "azure-stack-usage-reporting.md"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("%v; set STACKUSAGE_SEED", err)
	}
	return string(text)
}
