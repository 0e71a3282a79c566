package usagesums

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/usage"
)

// inMemory is a file of bytes.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

func opened(text []byte) (*Day, error) {
	return decode(inMemory{bytes.NewReader(text)}, "memory", int64(len(text)))
}

// encoded is a file of some resources.
func encoded(t testing.TB, resources int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := newWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	q, _ := usage.ParseQuantity("16.461425899527967")
	h := head{cloudID: "c", day: 19800, settled: true, from: []usage.Day{19790},
		owners: []Owner{{"s", "t"}, {"s", ""}}, terms: []Term{{MeterID: "m", Unit: "hours", Name: "VM"}, {MeterID: "m", CarriedFrom: 19790}}}
	for i := range resources {
		key := fmt.Sprintf("/subscriptions/s/machine-%05d", i)
		e := entry{Term: i % 2, Lines: int64(1 + i%3), Counts: [Parts]int64{1, 0, int64(i % 3)}, Of: [Parts]usage.Quantity{q, {}, q}}
		if err := w.record(record{key: key, spelling: strings.ToUpper(key), tags: fmt.Sprintf(`{"n":"%d"}`, i/7), owner: i % 2, entries: []entry{e, e}}); err != nil {
			t.Fatal(err)
		}
		h.lines += 2 * e.Lines
		h.coarse = append(h.coarse, coarse{i % 2, e})
	}
	if err := w.end(h); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read is all that is in a file, as a text.
func read(d *Day) (string, error) {
	var text strings.Builder
	fmt.Fprintln(&text, d.CloudID, d.Day, d.Settled, d.Lines, d.from, d.Owners, d.Terms)
	err := d.Coarse(func(e *Entry) error { show(&text, e); return nil })
	c := d.Resources()
	var e Entry
	for c.Next() {
		fmt.Fprintf(&text, "%s %s %s %d\n", c.Key, c.Spelling, c.Tags, c.Owner)
		for c.Entry(&e) {
			show(&text, &e)
		}
	}
	return text.String(), errors.Join(err, c.Err)
}

func show(text *strings.Builder, e *Entry) {
	fmt.Fprint(text, e.Owner, e.Term, e.Lines)
	for _, p := range e.Of[:e.N] {
		fmt.Fprint(text, " ", p.Part, p.Lines, p.Quantity)
	}
	fmt.Fprintln(text)
}

// TestSeek: what is behind a key is found, whichever block it is in.
func TestSeek(t *testing.T) {
	d, err := opened(encoded(t, 5000))
	if err != nil || len(d.blocks) < 4 {
		t.Fatal(err, len(d.blocks))
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := d.Resources()
		at := -1
		for range rapid.IntRange(1, 5).Draw(rt, "seeks") {
			n := rapid.IntRange(0, 5200).Draw(rt, "to")
			c.Seek(fmt.Sprintf("/subscriptions/s/machine-%05d", n))
			want := max(at+1, n)
			if !c.Next() {
				if want < 5000 || c.Err != nil {
					rt.Fatalf("%d is not there: %v", want, c.Err)
				}
				return
			}
			if got := string(c.Key[len(c.Key)-5:]); got != fmt.Sprintf("%05d", want) {
				rt.Fatalf("got %s, want %d", got, want)
			}
			at = want
			if rapid.Bool().Draw(rt, "again") {
				c.Back()
				at--
			}
		}
	})
}

// TestEveryByteCounts: no changed byte, and no missing one, is taken for what was written.
func TestEveryByteCounts(t *testing.T) {
	text := encoded(t, 40)
	good, err := opened(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(good); err != nil {
		t.Fatal(err)
	}
	for i := range text {
		for _, broken := range [][]byte{append(append(append([]byte(nil), text[:i]...), text[i]^0x10), text[i+1:]...), text[:i]} {
			d, err := opened(broken)
			if err == nil {
				_, err = read(d)
			}
			if err == nil {
				t.Fatalf("byte %d is not seen", i)
			}
		}
	}
}

// FuzzDecode: whatever is in a file whose hashes are right, it is read without a panic and
// with no more memory than its size.
func FuzzDecode(f *testing.F) {
	text := encoded(f, 20)
	d, err := opened(text)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text[len(magic):len(text)-footer], uint16(d.blocks[0].length))
	f.Add([]byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, body []byte, blocks uint16) {
		n := min(int(blocks), len(body)) // bytes of blocks; the rest is the head
		head := body[n:]
		sum := sha256.Sum256(head)
		file := append(append(append([]byte(magic), body[:n]...), head...), append(binary.BigEndian.AppendUint64(nil, uint64(len(head))), sum[:]...)...)
		if d, err := opened(file); err == nil {
			_, _ = read(d)
		}
		// The same bytes as a block whose hash is right.
		d := &Day{file: inMemory{bytes.NewReader(body)}, blocks: []block{{length: int64(len(body)), hash: sha256.Sum256(body)}}, Owners: make([]Owner, 3), Terms: make([]Term, 3), coarse: body, n: 3}
		if len(body) > 0 {
			_, _ = read(d)
		}
	})
}
