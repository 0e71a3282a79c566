package decisions

import (
	"fmt"
	"strings"
	"unicode"

	"stackusage/shared/calendar"
)

// Words are a kind as the command that takes such a decision has it: hour accept-missing.
func (k Kind) Words() string {
	var words strings.Builder
	separator := ' ' // behind the noun
	for _, letter := range string(k) {
		if unicode.IsUpper(letter) {
			words.WriteRune(separator)
			letter, separator = unicode.ToLower(letter), '-'
		}
		words.WriteRune(letter)
	}
	return words.String()
}

// Text says what was decided about which stack, in one line.
func (d Decision) Text(stack string) string {
	parts := []string{d.Kind.Words()}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if stack != "" {
		add("%s", stack)
	}
	if h := d.Hours; h != nil {
		add("%s", calendar.Range{First: h.First, Last: h.Last})
		switch {
		case h.Rows == 1:
			add("line %d", h.Line)
		case h.Rows > 1:
			add("%d rows from line %d", h.Rows, h.Line)
		case h.SHA16 != "":
			add("%s", h.SHA16)
		}
	}
	if d.Day != 0 {
		add("%s", d.Day)
	}
	if d.Batch != 0 {
		add("revision %d batch %d", d.Revision, d.Batch)
	}
	if d.Queue != "" {
		add("%s %s", d.Queue, d.Message)
	}
	if d.Detail != "" {
		add("%s", d.Detail)
	}
	text := strings.Join(parts, " ")
	if d.Open {
		text += ", not carried out yet"
	}
	return text
}
