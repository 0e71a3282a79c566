package stackapi

import (
	"errors"
	"fmt"
)

var (
	errShort = errors.New("the value goes on")
	errDepth = errors.New("values are nested too deeply")
)

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// found is the error for a byte that does not belong where it is.
func found(c byte, belongs string) error {
	return fmt.Errorf("found %q where %s belongs", c, belongs)
}

// valueEnd is where the JSON value that begins at b[i] ends; errShort if it does not. A
// number ends with what follows it.
func valueEnd(b []byte, i, depth int) (int, error) {
	if i == len(b) {
		return 0, errShort
	}
	switch c := b[i]; c {
	case '"':
		return stringEnd(b, i+1)
	case '{', '[':
		if depth >= maxDepth {
			return 0, errDepth
		}
		return membersEnd(b, i+1, depth+1, c == '{')
	case 't':
		return literalEnd(b, i, "true")
	case 'f':
		return literalEnd(b, i, "false")
	case 'n':
		return literalEnd(b, i, "null")
	default:
		if c == '-' || isDigit(c) {
			return numberEnd(b, i)
		}
		return 0, found(c, "a value")
	}
}

// membersEnd is the end of an object or array behind its bracket.
func membersEnd(b []byte, i, depth int, object bool) (int, error) {
	closing := byte(']')
	if object {
		closing = '}'
	}
	if i = skipSpace(b, i); i < len(b) && b[i] == closing {
		return i + 1, nil
	}
	for {
		var err error
		if object {
			if i, err = nameEnd(b, i); err != nil {
				return 0, err
			}
		}
		if i, err = valueEnd(b, i, depth); err != nil {
			return 0, err
		}
		if i = skipSpace(b, i); i == len(b) {
			return 0, errShort
		}
		switch b[i] {
		case closing:
			return i + 1, nil
		case ',':
			i = skipSpace(b, i+1)
		default:
			return 0, found(b[i], "a comma or the end")
		}
	}
}

// nameEnd is where the value of a member begins.
func nameEnd(b []byte, i int) (int, error) {
	if i == len(b) {
		return 0, errShort
	}
	if b[i] != '"' {
		return 0, found(b[i], "a name")
	}
	i, err := stringEnd(b, i+1)
	if err != nil {
		return 0, err
	}
	if i = skipSpace(b, i); i == len(b) {
		return 0, errShort
	}
	if b[i] != ':' {
		return 0, found(b[i], "a colon")
	}
	return skipSpace(b, i+1), nil
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (is [256]bool) {
	for c := range is {
		is[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return is
}()

// stringEnd is the end of a string behind its first quote.
func stringEnd(b []byte, i int) (int, error) {
	for {
		for i < len(b) && plain[b[i]] {
			i++
		}
		if i == len(b) {
			return 0, errShort
		}
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			n, err := escapeEnd(b, i+1)
			if err != nil {
				return 0, err
			}
			i = n
		default:
			return 0, found(b[i], "text")
		}
	}
}

// escapeEnd is the end of an escape behind its backslash.
func escapeEnd(b []byte, i int) (int, error) {
	if i == len(b) {
		return 0, errShort
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, nil
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n == len(b) {
				return 0, errShort
			}
			if c := b[i+n] | 0x20; !isDigit(b[i+n]) && (c < 'a' || c > 'f') {
				return 0, found(b[i+n], "a hex digit")
			}
		}
		return i + 5, nil
	}
	return 0, found(b[i], "an escape")
}

func literalEnd(b []byte, i int, want string) (int, error) {
	for n := range len(want) {
		if i+n == len(b) {
			return 0, errShort
		}
		if b[i+n] != want[n] {
			return 0, found(b[i+n], want)
		}
	}
	return i + len(want), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits is the end of at least one digit.
func digits(b []byte, i int) (int, error) {
	if i == len(b) {
		return 0, errShort
	}
	if !isDigit(b[i]) {
		return 0, found(b[i], "a digit")
	}
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == len(b) {
		return 0, errShort
	}
	return i, nil
}

func numberEnd(b []byte, i int) (n int, err error) {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		if i++; i == len(b) {
			return 0, errShort
		}
		if isDigit(b[i]) {
			return 0, found(b[i], "the end of a number")
		}
	} else if i, err = digits(b, i); err != nil {
		return 0, err
	}
	if b[i] == '.' {
		if i, err = digits(b, i+1); err != nil {
			return 0, err
		}
	}
	if b[i]|0x20 != 'e' {
		return i, nil
	}
	if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
		i++
	}
	return digits(b, i)
}
