// Package bicep reads Bicep files for tests: syntax by the grammar of
// tree-sitter, pinned in test/bicep, and on top of it what a compiler would find
// about names and modules. It knows no Azure types and is no compiler.
package bicep

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"stackusage/internal/npm"
)

// Node is a piece of a file.
type Node struct {
	Kind       string // of the grammar: object_property, string, "[", ...
	Field      string // what it is to its parent, where the grammar says so
	Start, End int    // bytes
	Row        int    // from 1
	Name       bool   // of a rule of the grammar, not of a bracket or a word
	Bad        bool   // not understood, or missing
	Children   []*Node

	file *File
}

// Text is the piece as it is written.
func (n *Node) Text() string { return string(n.file.source[n.Start:n.End]) }

// Named are the children but for brackets, words and comments.
func (n *Node) Named() (named []*Node) {
	for _, c := range n.Children {
		if c.Name && c.Kind != "comment" {
			named = append(named, c)
		}
	}
	return named
}

// Child is the child that is field to n; nil if there is none.
func (n *Node) Child(field string) *Node {
	for _, c := range n.Children {
		if c.Field == field {
			return c
		}
	}
	return nil
}

// Walk calls fn for n and all below it, until fn returns false for a node.
func (n *Node) Walk(fn func(*Node) bool) {
	if !fn(n) {
		return
	}
	for _, c := range n.Children {
		c.Walk(fn)
	}
}

// Value is the text of a string without interpolation.
func (n *Node) Value() (text string, ok bool) {
	if n.Kind != "string" {
		return "", false
	}
	text = n.Text()
	if rest, multi := strings.CutPrefix(text, "'''"); multi {
		return strings.TrimPrefix(strings.TrimSuffix(rest, "'''"), "\n"), true
	}
	for _, c := range n.Children {
		if c.Kind == "interpolation" {
			return "", false
		}
	}
	return strings.ReplaceAll(text[1:len(text)-1], `\'`, `'`), true
}

// Parse reads files. A file that is not understood has Problems.
func Parse(ctx context.Context, paths ...string) ([]*File, error) {
	dir, err := npm.Install(ctx, "test/bicep")
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join(dir, "parse.js")}, paths...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("parse bicep: %w\n%s", err, &stderr)
	}
	var roots []*Node
	if err := json.Unmarshal(out, &roots); err != nil {
		return nil, fmt.Errorf("parse bicep: %w", err)
	}
	if len(roots) != len(paths) {
		return nil, errors.New("parse bicep: a tree is missing")
	}
	files := make([]*File, len(paths))
	for i, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("parse bicep: %w", err)
		}
		files[i] = newFile(path, source, roots[i])
	}
	return files, nil
}
