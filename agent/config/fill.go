package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FillSample is the sample with some values set, by key path, and every comment
// kept. It is for keys that hold one text each.
func FillSample(values map[string]string) (string, error) {
	lines := strings.SplitAfter(sample, "\n")
	left := maps.Clone(values)
	var err error
	walk([]byte(sample), func(path string, line int, node *yaml.Node) {
		value, ok := left[path]
		if !ok || node.Kind != yaml.ScalarNode {
			return
		}
		delete(left, path)
		text, encodeErr := yaml.Marshal(value)
		if encodeErr != nil || oddText(value) != "" {
			err = fmt.Errorf("write %s: %q does not fit in one line", path, value)
			return
		}
		// The sample has each value at the end of its key's line.
		old := lines[line-1]
		lines[line-1] = old[:node.Column-1] + string(text)
	})
	if err != nil {
		return "", err
	}
	if len(left) > 0 {
		return "", fmt.Errorf("write %s: the sample has no such key", strings.Join(slices.Sorted(maps.Keys(left)), ", "))
	}
	return strings.Join(lines, ""), nil
}
