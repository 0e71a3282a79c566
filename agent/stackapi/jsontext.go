package stackapi

import (
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
