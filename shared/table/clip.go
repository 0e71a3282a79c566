package table

import (
	"strings"
)

// Clip bounds a foreign text that is kept for people.
func Clip(s string) string {
	if len(s) > 1000 {
		return strings.ToValidUTF8(s[:1000], "") + "..."
	}
	return s
}

// AfterUnderscore ends the range of keys that go on with an underscore.
const AfterUnderscore = "`"
