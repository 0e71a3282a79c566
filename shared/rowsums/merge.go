package rowsums

import (
	"bytes"

	"stackusage/shared/usage"
)

// item is a total on its way.
type item struct {
	key []byte
	texts
	hour usage.Hour
	total
}

// add takes in an item of the same key.
func (it *item) add(other *item) {
	it.quantity = it.quantity.Add(other.quantity)
	it.rows += other.rows
	if it.equal(&other.texts) {
		return
	}
	a, _ := it.shown()
	b, _ := other.shown()
	it.set(a.Least(b))
}

func (it *item) result() Total {
	shown, _ := it.shown()
	return Total{Shown: shown, Hour: it.hour, Quantity: it.quantity, Rows: it.rows}
}

// cursor goes through items in order of their keys. An item is valid until the next.
type cursor interface {
	next() (more bool, err error)
	item() *item
}

// merge goes through the items of several cursors, each key once.
type merge struct {
	waiting []cursor // that were not asked yet
	heap    []cursor // the one with the least key first
	item    item
}

func newMerge(cursors ...cursor) *merge { return &merge{waiting: cursors} }

func (m *merge) next() (bool, error) {
	for ; len(m.waiting) > 0; m.waiting = m.waiting[1:] {
		m.heap = append(m.heap, m.waiting[0])
		if err := m.advance(len(m.heap) - 1); err != nil {
			return false, err
		}
	}
	if len(m.heap) == 0 {
		return false, nil
	}
	it, first := &m.item, m.heap[0].item()
	it.key = append(it.key[:0], first.key...)
	it.head, it.rest, it.tail = append(it.head[:0], first.head...), append(it.rest[:0], first.rest...), append(it.tail[:0], first.tail...)
	it.hour, it.total = first.hour, first.total
	for {
		if err := m.advance(0); err != nil {
			return false, err
		}
		if len(m.heap) == 0 || !bytes.Equal(m.heap[0].item().key, it.key) {
			return true, nil
		}
		it.add(m.heap[0].item())
	}
}

// advance moves the cursor at place i of the heap on, and puts the heap in order.
func (m *merge) advance(i int) error {
	more, err := m.heap[i].next()
	if err != nil {
		return err
	}
	if !more {
		last := len(m.heap) - 1
		m.heap[i], m.heap = m.heap[last], m.heap[:last]
		if i == last {
			return nil
		}
	}
	for i > 0 && m.less(i, (i-1)/2) {
		m.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heap); child++ {
			if m.less(child, least) {
				least = child
			}
		}
		if least == i {
			return nil
		}
		m.swap(i, least)
		i = least
	}
}

func (m *merge) less(i, j int) bool {
	return bytes.Compare(m.heap[i].item().key, m.heap[j].item().key) < 0
}

func (m *merge) swap(i, j int) { m.heap[i], m.heap[j] = m.heap[j], m.heap[i] }
