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
	d := decoder{body: body, json: json.NewDecoder(body)}
	if err := d.delim('{'); err != nil {
		return head, err
	}
	found := map[string]bool{}
	for d.more() {
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
	if err := d.delim('}'); err != nil {
		return head, err
	}
	if err := d.end(); err != nil {
		return head, err
	}
	if !found["value"] {
		return head, errNoValue
	}
	return head, nil
}

// decoder reads JSON token by token, with a bound on the bytes of each.
type decoder struct {
	body *gauge
	json *json.Decoder
	raw  json.RawMessage
}

func (d *decoder) rows(row func([]byte) error) error {
	if err := d.delim('['); err != nil {
		return fmt.Errorf("read value: %w", err)
	}
	for n := 1; d.more(); n++ {
		raw, err := d.element()
		if err != nil {
			return fmt.Errorf("read row %d: %w", n, err)
		}
		if err := row(raw); err != nil {
			return err
		}
	}
	return d.delim(']')
}

// maxSpace is the most white space, or the longest name, between two elements.
const maxSpace = 64 << 10

// allow lets the JSON decoder read so far ahead. The bytes it has buffered count.
func (d *decoder) allow(bytes int64, beyond error) {
	d.body.allowed, d.body.beyond = d.json.InputOffset()+bytes, beyond
}

func (d *decoder) more() bool {
	d.allow(maxSpace, errSpace)
	return d.json.More()
}

func (d *decoder) token() (json.Token, error) {
	d.allow(maxSpace, errSpace)
	token, err := d.json.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return token, err
}

func (d *decoder) delim(want json.Delim) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("found %.40q where %q belongs", fmt.Sprint(token), want)
	}
	return nil
}

func (d *decoder) key() (string, error) {
	token, err := d.token()
	if err != nil {
		return "", err
	}
	key, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("found %.40q where a name belongs", fmt.Sprint(token))
	}
	return key, nil
}

func (d *decoder) element() ([]byte, error) {
	d.allow(MaxRowBytes+4096, errRowSize)
	err := d.json.Decode(&d.raw)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && len(d.raw) > MaxRowBytes {
		err = errRowSize
	}
	return d.raw, err
}

func (d *decoder) end() error {
	d.allow(maxSpace, errSpace)
	switch _, err := d.json.Token(); err {
	case io.EOF:
		return nil
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

// gauge stops a reader at two limits, one for the whole and one that moves, and
// remembers whether it was the reader that failed.
type gauge struct {
	r       *bufio.Reader
	most    int64 // of the whole
	allowed int64 // for now
	beyond  error // what reading further means
	read    int64
	err     error // of r, io.EOF aside
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
	switch {
	case g.read > g.most:
		return 0, errPageSize
	case g.read >= g.allowed:
		return 0, g.beyond
	}
	left := min(g.allowed, g.most+1) - g.read
	n, err := g.r.Read(p[:min(int64(len(p)), left)])
	g.read += int64(n)
	if err != nil && err != io.EOF {
		g.err = err
	}
	return n, err
}
