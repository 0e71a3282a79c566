package usagesums

import (
	"crypto/sha256"
	"slices"
	"sort"
)

// Cursor goes through the records of resources, in order of their keys: each is the sums
// of a resource in one spelling, of one owner and with the same tags. Texts are valid
// until the next record.
type Cursor struct {
	Key      []byte // the URI in lower case
	Spelling []byte // as the stack wrote it
	Tags     []byte // JSON, empty, or LongTags
	Owner    int    // of Day.Owners
	Err      error  // what ended it, if that is an error

	day   *Day
	next  int // block
	buf   []byte
	r     reader
	left  int  // entries of the record
	ahead bool // the record was read by Seek, and is the next one
	done  bool // there is none any more
}

// Resources makes a cursor before the first record.
func (d *Day) Resources() *Cursor { return &Cursor{day: d} }

// Next moves to the next record, if there is one.
func (c *Cursor) Next() bool {
	if c.ahead {
		c.ahead = false
		return true
	}
	return c.advance()
}

func (c *Cursor) advance() bool {
	var e Entry
	for c.left > 0 {
		if !c.Entry(&e) {
			return false
		}
	}
	if c.Err != nil || c.r.p == len(c.r.b) && !c.block() {
		return false
	}
	c.Key, c.Spelling, c.Tags = c.r.after(c.Key), c.r.after(c.Spelling), c.r.after(c.Tags)
	c.Owner, c.left = int(c.r.number()), c.r.count(2)
	if c.r.bad || c.Owner >= len(c.day.Owners) {
		c.Err, c.left = c.day.damaged("a record"), 0
	}
	return c.Err == nil
}

// Entry reads the next entry of the record, if there is one.
func (c *Cursor) Entry(e *Entry) bool {
	if c.left == 0 {
		return false
	}
	c.left--
	if e.Owner = c.Owner; !c.r.entry(e) || e.Term >= len(c.day.Terms) {
		c.Err, c.left = c.day.damaged("sums of a resource"), 0
	}
	return c.Err == nil
}

// block reads the next block, which must have its hash.
func (c *Cursor) block() bool {
	if c.next == len(c.day.blocks) {
		c.done = true
		return false
	}
	b := &c.day.blocks[c.next]
	c.next++
	c.buf = slices.Grow(c.buf[:0], int(b.length))[:b.length]
	if _, err := c.day.file.ReadAt(c.buf, b.offset); err != nil {
		c.Err = c.day.damaged(err.Error())
		return false
	}
	if sha256.Sum256(c.buf) != b.hash {
		c.Err = c.day.damaged("a block's hash differs")
		return false
	}
	c.r = reader{b: c.buf}
	c.Key, c.Spelling, c.Tags = c.Key[:0], c.Spelling[:0], c.Tags[:0]
	return true
}

// Seek moves on to before the first record whose key is not less.
func (c *Cursor) Seek(key string) {
	if c.ahead && string(c.Key) >= key || c.Err != nil {
		return
	}
	// The block before the first one that begins with the key or behind it.
	at := sort.Search(len(c.day.blocks), func(i int) bool { return c.day.blocks[i].first >= key }) - 1
	if at >= c.next {
		c.next, c.left, c.r = at, 0, reader{}
	}
	c.ahead = false
	for c.advance() {
		if string(c.Key) >= key {
			c.ahead = true
			return
		}
	}
}

// Back makes the record that the cursor is at the next one again. None of its entries
// may have been read.
func (c *Cursor) Back() { c.ahead = c.Err == nil && !c.done }

// Splits are keys that divide the records of days into so many ranges of about the same
// size; perhaps fewer.
func Splits(days []*Day, ranges int) (keys []string) {
	var all []string
	for _, d := range days {
		for _, b := range d.blocks {
			all = append(all, b.first)
		}
	}
	slices.Sort(all)
	for i := 1; i < ranges && len(all) > 0; i++ {
		key := all[i*len(all)/ranges]
		if len(keys) == 0 || keys[len(keys)-1] < key {
			keys = append(keys, key)
		}
	}
	return keys
}
