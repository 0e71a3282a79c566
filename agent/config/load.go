package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxShown is how many problems an error shows. A file with more is of another
// kind altogether.
const maxShown = 100

// Error is all that is wrong with a file, in the order of its lines.
type Error struct {
	Path     string
	Problems []Problem
}

func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return fmt.Sprintf("read configuration %s: %s", e.Path, e.Problems[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "read configuration %s: %d problems", e.Path, len(e.Problems))
	for _, p := range e.Problems[:min(len(e.Problems), maxShown)] {
		b.WriteString("\n  " + p.String())
	}
	if more := len(e.Problems) - maxShown; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}

// Load reads the file at path and looks at what it names: secret files must be
// there, and readable by owner and group only; variables must be set. An error
// of the content is *Error.
func Load(path string, getenv func(string) string) (Config, error) {
	return load(path, getenv, true)
}

// Read is Load without a look at secrets, for what needs none: they may be where
// the service alone finds them.
func Read(path string, getenv func(string) string) (Config, error) {
	return load(path, getenv, false)
}

func load(path string, getenv func(string) string, secrets bool) (Config, error) {
	text, err := readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, fmt.Errorf("read configuration: %w: make it with stackusage-agent activate KEY, or name it with --config", err)
	}
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, problems := parse(text)
	if secrets {
		problems = append(problems, c.findSecrets(path, getenv, linesOf(text))...)
	}
	if len(problems) > 0 {
		slices.SortStableFunc(problems, byLine)
		return Config{}, &Error{path, problems}
	}
	c.fill(getenv)
	return c, nil
}

func parse(text []byte) (Config, []Problem) {
	if len(text) > MaxFile {
		return Config{}, []Problem{{Text: fmt.Sprintf("over %d bytes: this is no configuration", MaxFile)}}
	}
	c := Default()
	problems := decode(text, &c)
	wrong := slices.Clone(problems)
	lines := linesOf(text)
	for _, p := range c.validate() {
		unread := func(q Problem) bool { return q.Key == "" || strings.HasPrefix(p.Key+".", q.Key+".") }
		if !slices.ContainsFunc(wrong, unread) { // what cannot be read is not also missing
			p.Line = lines[p.Key]
			problems = append(problems, p)
		}
	}
	return c, problems
}

// linesOf says where each key stands.
func linesOf(text []byte) map[string]int {
	lines := map[string]int{}
	walk(text, func(path string, _ int, value *yaml.Node) { lines[path] = value.Line })
	return lines
}

// walk calls fn for every value that is no section.
func walk(text []byte, fn func(path string, keyLine int, value *yaml.Node)) {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return
	}
	var visit func(path string, node *yaml.Node)
	visit = func(path string, node *yaml.Node) {
		for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
			key, value := join(path, node.Content[i].Value), node.Content[i+1]
			if value.Kind == yaml.MappingNode {
				visit(key, value)
			} else {
				fn(key, node.Content[i].Line, value)
			}
		}
	}
	visit("", doc.Content[0])
}

func readFile(path string) ([]byte, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: not a file", path)
	}
	if writable(info.Mode()) {
		return nil, fmt.Errorf("open %s: others can change it (mode %04o), and with it the destination of usage and tokens: chmod o-w", path, info.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFile+1))
}
