package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/config"
)

// TestTheOperatorsPageHasEveryKey compares keys and defaults with the sample.
func TestTheOperatorsPageHasEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Za-z0-9.]+)` \\| (?:`([^`]*)` )?\\| \\S").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = m[2]
	}
	want := map[string]string{}
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^( *)([A-Za-z0-9]+):(?: (\S.*))?$`).FindAllStringSubmatch(config.Sample(), -1) {
		sections = append(sections[:len(m[1])/2], m[2])
		key := strings.Join(sections, ".")
		if m[3] != "" && !strings.HasPrefix(key, "storage.signIn.") {
			want[key] = strings.Trim(m[3], `"[]`)
		}
	}
	if diff := cmp.Diff(want, documented); diff != "" || len(want) < 30 {
		t.Errorf("(-sample +docs/agent.md)\n%s", diff)
	}
	if !strings.Contains(string(page), "`storage.signIn.*`") {
		t.Error("nothing says what storage.signIn has")
	}
}
