package stackapi

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// pageText reads the JSON of a page value by value, as bytes, in one pass: what
// encoding/json takes and nothing else, with a bound on each. encoding/json itself reads
// each row twice and copies it, which cost more than all else that the agent does.
type pageText struct {
	body *gauge
	buf  []byte
	at   int   // of what comes next in buf
	err  error // of body: nothing comes behind buf
}

// maxDepth is how deeply encoding/json lets values be nested.
const maxDepth = 10_000

const (
	firstText = 64 << 10  // bytes of a buffer
	keptText  = 256 << 10 // the largest that is used again
)

var texts = sync.Pool{New: func() any { b := make([]byte, 0, firstText); return &b }}

func newPageText(body *gauge) *pageText {
	return &pageText{body: body, buf: (*texts.Get().(*[]byte))[:0]}
}

// free gives the buffer back: what was read is not valid any more.
func (t *pageText) free() {
	if buf := t.buf; cap(buf) <= keptText {
		texts.Put(&buf)
	}
	t.buf, t.at, t.err = nil, 0, io.ErrClosedPipe
}

// more reads at least the given number of bytes, fewer only at the end. It fails if
// there are none.
func (t *pageText) more(least int) error {
	if t.at > 0 {
		t.buf, t.at = t.buf[:copy(t.buf, t.buf[t.at:])], 0
	}
	for before := len(t.buf); len(t.buf) < before+least; {
		if t.err != nil {
			if len(t.buf) > before {
				return nil
			}
			return t.err
		}
		if len(t.buf) == cap(t.buf) {
			t.buf = append(make([]byte, 0, 2*cap(t.buf)), t.buf...)
		}
		n, err := t.body.Read(t.buf[len(t.buf):cap(t.buf)])
		t.buf = t.buf[:len(t.buf)+n]
		if t.err = err; err == io.EOF {
			t.err = io.ErrUnexpectedEOF
		}
	}
	return nil
}

// next is the next byte that is no white space. It is not taken.
func (t *pageText) next() (byte, error) {
	for space := 0; ; {
		for ; t.at < len(t.buf); t.at++ {
			if c := t.buf[t.at]; !isSpace(c) {
				return c, nil
			}
			if space++; space > maxSpace {
				return 0, errSpace
			}
		}
		if err := t.more(1); err != nil {
			return 0, err
		}
	}
}

// delim takes a byte.
func (t *pageText) delim(want byte) error {
	c, err := t.next()
	if err != nil {
		return err
	}
	if c != want {
		return fmt.Errorf("found %q where %q belongs", c, want)
	}
	t.at++
	return nil
}

// value takes a value of up to the given number of bytes. It is valid until the next
// call.
func (t *pageText) value(most int, beyond error) ([]byte, error) {
	if _, err := t.next(); err != nil {
		return nil, err
	}
	for {
		n, err := valueEnd(t.buf, t.at, 0)
		had := len(t.buf) - t.at
		switch {
		case err == nil && n-t.at > most, err == errShort && had > most:
			return nil, beyond
		case err == nil:
			raw := t.buf[t.at:n]
			t.at = n
			return raw, nil
		case err != errShort:
			return nil, err
		}
		// As much again: a long value is read through a few times, not once for
		// each piece that comes.
		if err := t.more(had); err != nil {
			return nil, err
		}
	}
}

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
