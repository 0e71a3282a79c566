package stackapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

var bom = []byte("\xef\xbb\xbf")

// header is what a page says beside its rows.
type header struct {
	next          string // empty if null or absent
	code, message string // of an error sent with status 200
}

var (
	errNoValue  = errors.New("the answer has no value")
	errPageSize = errors.New("the answer is larger than the limit")
)

// decodePage reads {"value":[row, ...],"nextLink":...}, calling row for each
// element as it comes; raw is valid until row returns. Unknown fields are
// skipped. An answer that ends early is io.ErrUnexpectedEOF.
//
// value and nextLink decide whether the hour is whole: each may come once, and
// spelled in no other way. What is inside a row is not validated here: a bad row is
// refused on the Azure side, alone, and must not cost its hour.
func decodePage(body *gauge, row func(raw []byte) error) (header, error) {
	var head header
	body.skipBOM()
	if err := htmlPage(body.start()); err != nil {
		return head, err
	}
	d := decoder{newPageText(body)}
	defer d.free()
	if err := d.delim('{'); err != nil {
		return head, err
	}
	found := map[string]bool{}
	for n := 0; ; n++ {
		more, err := d.member(n, '}')
		if err != nil {
			return head, err
		}
		if !more {
			break
		}
		key, err := d.key()
		if err != nil {
			return head, err
		}
		for _, name := range []string{"value", "nextLink"} {
			switch {
			case !strings.EqualFold(key, name):
			case key != name:
				return head, fmt.Errorf("the answer has %.20q where %s belongs", key, name)
			case found[name]:
				return head, fmt.Errorf("the answer has %s twice", name)
			default:
				found[name] = true
			}
		}
		if key == "value" {
			if err := d.rows(row); err != nil {
				return head, err
			}
			continue
		}
		raw, err := d.element()
		if err != nil {
			return head, fmt.Errorf("read %.40q: %w", key, err)
		}
		switch key {
		case "nextLink":
			if err := json.Unmarshal(raw, &head.next); err != nil {
				return head, errors.New("read nextLink: not a string")
			}
		case "error":
			head.code, head.message = reason([]byte(`{"error":` + string(raw) + `}`))
		case "code":
			json.Unmarshal(raw, &head.code) // only to explain a missing value
		case "message":
			json.Unmarshal(raw, &head.message) // likewise
		}
	}
	head.code, head.message = cut(head.code), cut(head.message)
	if err := d.end(); err != nil {
		return head, err
	}
	if !found["value"] {
		return head, errNoValue
	}
	return head, nil
}

// decoder reads the members of a page.
type decoder struct{ *pageText }

func (d decoder) rows(row func([]byte) error) error {
	if err := d.delim('['); err != nil {
		return fmt.Errorf("read value: %w", err)
	}
	for n := 0; ; n++ {
		more, err := d.member(n, ']')
		if err != nil {
			return fmt.Errorf("read row %d: %w", n+1, err)
		}
		if !more {
			return nil
		}
		raw, err := d.element()
		if err != nil {
			return fmt.Errorf("read row %d: %w", n+1, err)
		}
		if err := row(raw); err != nil {
			return err
		}
	}
}

// member takes what separates the member with the given number from the one before, or
// what ends them.
func (d decoder) member(n int, closing byte) (more bool, err error) {
	c, err := d.next()
	switch {
	case err != nil:
		return false, err
	case c == closing:
		d.at++
		return false, nil
	case n == 0:
		return true, nil
	case c != ',':
		return false, found(c, "a comma")
	}
	d.at++
	return true, nil
}

// maxSpace is the most white space, or the longest name, between two elements.
const maxSpace = 64 << 10

func (d decoder) key() (string, error) {
	c, err := d.next()
	if err != nil {
		return "", err
	}
	if c != '"' {
		return "", found(c, "a name")
	}
	raw, err := d.value(maxSpace, errSpace)
	if err != nil {
		return "", err
	}
	var key string
	if err := json.Unmarshal(raw, &key); err != nil {
		return "", err
	}
	return key, d.delim(':')
}

func (d decoder) element() ([]byte, error) { return d.value(MaxRowBytes, errRowSize) }

func (d decoder) end() error {
	switch _, err := d.next(); err {
	case io.ErrUnexpectedEOF:
		return d.body.err // none at an end
	case nil:
		return errors.New("the answer goes on after its end")
	default:
		return err
	}
}

var (
	errRowSize = fmt.Errorf("larger than %d bytes", MaxRowBytes)
	errSpace   = fmt.Errorf("over %d bytes of white space, or of one name", maxSpace)
)

// gauge stops a reader at a limit, and remembers whether it was the reader that failed.
type gauge struct {
	r    *bufio.Reader
	most int64
	read int64
	err  error // of r, io.EOF aside
}

// skipBOM leaves out a byte order mark, which some proxies of .NET origin add.
func (g *gauge) skipBOM() {
	if start, err := g.r.Peek(len(bom)); err == nil && bytes.Equal(start, bom) {
		g.r.Discard(len(bom)) // just peeked: cannot fail
	}
}

// start is what of the answer has come already.
func (g *gauge) start() []byte {
	text, _ := g.r.Peek(g.r.Buffered()) // cannot fail
	return text
}

func (g *gauge) Read(p []byte) (int, error) {
	if g.read > g.most {
		return 0, errPageSize
	}
	n, err := g.r.Read(p[:min(int64(len(p)), g.most+1-g.read)])
	g.read += int64(n)
	if err != nil && err != io.EOF {
		g.err = err
	}
	return n, err
}
