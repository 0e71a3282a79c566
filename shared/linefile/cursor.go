package linefile

import (
	"strings"
	"unicode/utf8"
)

// Cursor reads a line as this package's users write it, part by part: without spaces, with
// its names in the one order. Where the line has something else the Cursor stops, and the
// line is for encoding/json, which a Cursor never contradicts.
type Cursor struct {
	rest    string
	stopped bool
}

// NewCursor is at the beginning of a line.
func NewCursor(line string) Cursor { return Cursor{rest: line} }

// Done reports whether the whole line was read, and was as expected.
func (c *Cursor) Done() bool { return !c.stopped && c.rest == "" }

// Has skips a text if it is next.
func (c *Cursor) Has(text string) bool {
	rest, has := strings.CutPrefix(c.rest, text)
	c.rest = rest
	return has
}

// Skip skips a text that must be next.
func (c *Cursor) Skip(text string) {
	if !c.Has(text) {
		c.Stop()
	}
}

// Stop has the line be for encoding/json.
func (c *Cursor) Stop() { c.rest, c.stopped = "", true }

// Known is a JSON string that was read before, where it is likely to come again: the same
// field of the line before.
type Known struct{ raw, text string }

// String reads a JSON string.
func (c *Cursor) String(known *Known) string {
	if n := len(known.raw) + 1; len(c.rest) > n && c.rest[n] == '"' && c.rest[0] == '"' && c.rest[1:n] == known.raw {
		c.rest = c.rest[n+1:]
		return known.text
	}
	raw, escapes := c.quoted()
	text := raw
	if escapes {
		text = c.unescaped(raw)
	}
	if !c.stopped {
		*known = Known{raw, text}
	}
	return text
}

// Quoted reads a JSON string without escapes.
func (c *Cursor) Quoted() string {
	raw, escapes := c.quoted()
	if escapes {
		c.Stop()
		return ""
	}
	return raw
}

// quoted reads what is between two quotes.
func (c *Cursor) quoted() (raw string, escapes bool) {
	if c.rest == "" || c.rest[0] != '"' {
		c.Stop()
		return "", false
	}
	ascii := true
	for i := 1; i < len(c.rest); i++ {
		switch b := c.rest[i]; {
		case plain[b]:
		case b == '"':
			raw, c.rest = c.rest[1:i], c.rest[i+1:]
			if !ascii && !utf8.ValidString(raw) { // encoding/json replaces what is not valid
				c.Stop()
			}
			return raw, escapes
		case b == '\\':
			i, escapes = i+1, true
		case b >= utf8.RuneSelf:
			ascii = false
		default:
			i = len(c.rest)
		}
	}
	c.Stop()
	return "", false
}

// unescaped is a text with the escapes of quotes and backslashes, and no others.
func (c *Cursor) unescaped(raw string) string {
	text := make([]byte, 0, len(raw))
	for raw != "" {
		before, after, escape := strings.Cut(raw, `\`)
		text = append(text, before...)
		if !escape {
			break
		}
		if after[0] != '"' && after[0] != '\\' {
			c.Stop()
			return ""
		}
		text, raw = append(text, after[0]), after[1:]
	}
	return string(text)
}

// maxNumber is how many digits Int reads, which always fit.
const maxNumber = 18

// Int reads a whole number.
func (c *Cursor) Int() int64 {
	negative := c.Has("-")
	var n int64
	i := 0
	for ; i < len(c.rest) && c.rest[i]-'0' <= 9; i++ {
		if i == maxNumber {
			c.Stop()
			return 0
		}
		n = 10*n + int64(c.rest[i]-'0')
	}
	if i == 0 || i > 1 && c.rest[0] == '0' {
		c.Stop()
		return 0
	}
	c.rest = c.rest[i:]
	if negative {
		return -n
	}
	return n
}

// Object reads an object, whatever is in it, as it is written.
func (c *Cursor) Object() string {
	if !strings.HasPrefix(c.rest, "{") {
		c.Stop()
		return ""
	}
	text := c.rest
	c.value(maxDepth)
	return text[:len(text)-len(c.rest)]
}

// maxDepth is how deep values of a value are read.
const maxDepth = 4

func (c *Cursor) value(depth int) {
	switch {
	case depth == 0 || c.rest == "":
		c.Stop()
	case c.rest[0] == '"':
		c.checked()
	case c.Has("{}"), c.Has("[]"), c.Has("true"), c.Has("false"), c.Has("null"):
	case c.Has("{"):
		for more := true; more; more = c.Has(",") {
			c.checked()
			c.Skip(":")
			c.value(depth - 1)
		}
		c.Skip("}")
	case c.Has("["):
		for more := true; more; more = c.Has(",") {
			c.value(depth - 1)
		}
		c.Skip("]")
	default:
		c.Int()
	}
}

// checked skips a string without the rarer escapes.
func (c *Cursor) checked() {
	raw, escapes := c.quoted()
	for escapes {
		var after string
		if _, after, escapes = strings.Cut(raw, `\`); escapes {
			if after[0] != '"' && after[0] != '\\' {
				c.Stop()
				return
			}
			raw = after[1:]
		}
	}
}
