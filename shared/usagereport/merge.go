package usagereport

import (
	"bytes"
	"context"
	"slices"

	"stackusage/shared/usagesums"
)

// reading is a day on its way through a merge.
type reading struct {
	*usagesums.Cursor
	day      *labelled
	spelling string
	before   []byte
	to       string
	more     bool
}

func (at *reading) advance() bool {
	at.more = at.Next() && (at.to == "" || string(at.Key) < at.to)
	return at.more
}

// merge goes through the resources of several days in one order.
type merge struct {
	from, to string
	heap     []*reading
	same     []*reading
}

func (m *merge) run(ctx context.Context, l *labels, each func(uri string, at []*reading) error) error {
	for _, d := range l.days {
		at := &reading{Cursor: d.sums.Resources(), day: d, to: m.to}
		if m.from != "" {
			at.Seek(m.from)
		}
		if at.advance() {
			m.heap = append(m.heap, at)
		} else if at.Err != nil {
			return at.Err
		}
	}
	slices.SortFunc(m.heap, func(a, b *reading) int { return bytes.Compare(a.Key, b.Key) })
	for len(m.heap) > 0 && ctx.Err() == nil {
		uri := string(m.heap[0].Key)
		m.pop(uri)
		if err := each(uri, m.same); err != nil {
			return err
		}
		for _, at := range m.same {
			for at.more && string(at.Key) == uri { // nobody has asked for it
				at.advance()
			}
			if at.Err != nil {
				return at.Err
			}
			if at.more {
				m.push(at)
			}
		}
	}
	return ctx.Err()
}

// pop takes the days that are at a resource off the heap.
func (m *merge) pop(uri string) {
	m.same = m.same[:0]
	for len(m.heap) > 0 && string(m.heap[0].Key) == uri {
		last := len(m.heap) - 1
		m.same = append(m.same, m.heap[0])
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
		for i := 0; ; {
			least := 2*i + 1
			if least >= last {
				break
			}
			if least+1 < last && bytes.Compare(m.heap[least+1].Key, m.heap[least].Key) < 0 {
				least++
			}
			if bytes.Compare(m.heap[i].Key, m.heap[least].Key) <= 0 {
				break
			}
			m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
			i = least
		}
	}
}

func (m *merge) push(at *reading) {
	m.heap = append(m.heap, at)
	for i := len(m.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if bytes.Compare(m.heap[up].Key, m.heap[i].Key) <= 0 {
			return
		}
		m.heap[up], m.heap[i] = m.heap[i], m.heap[up]
		i = up
	}
}
