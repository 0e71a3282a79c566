package stackusage_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// oldWords are private words of earlier versions, for each of which there is a plain one:
// stack, ingest, fix, atomic, close a day, billing subscription.
var oldWords = regexp.MustCompile(`(?i)\b(stamps?|judge[ds]?|put right|takes? in|taken in|took in|mend(ed|s)?|whole or not there|` +
	`stated|states? (a|the) day|counts nowhere|in the open|died on its way|what counts|payer|unheard|` +
	`intake|taken out|unanswered|counts already)\b`)

// oldNames are texts that are names: of fields of formats, and of another's file.
var oldNames = regexp.MustCompile(`\bstamp\.\w+|Statement`)

// TestTextsSpeakPlainly: no text that a person may read, in an error, in help or in a
// log, has an old word. A text has a space; without one it is a name.
func TestTextsSpeakPlainly(t *testing.T) {
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || file == "internal" || len(d.Name()) > 1 && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				return false
			}
			text, ok := n.(*ast.BasicLit)
			if !ok || text.Kind != token.STRING || !strings.Contains(strings.TrimSpace(strings.Trim(text.Value, "`\"")), " ") {
				return true
			}
			if words := oldWords.FindAllString(oldNames.ReplaceAllString(text.Value, ""), -1); words != nil {
				t.Errorf("%s: %q in %.200s", fset.Position(text.Pos()), words, text.Value)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
