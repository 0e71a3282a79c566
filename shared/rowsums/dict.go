package rowsums

import "hash/maphash"

// dict numbers texts from 0, in the order in which they come: a hash table with open
// addressing, which keeps its memory when it is emptied. It compares what it finds.
type dict struct {
	seed  maphash.Seed
	slots []slot
	spans []span
	texts arena
}

// slot is empty if number is 0; else it is the number of a text, from 1.
type slot struct{ hash, number uint32 }

func newDict(p *pool) dict {
	return dict{seed: maphash.MakeSeed(), slots: make([]slot, 1<<8), texts: arena{pool: p}}
}

func (d *dict) len() int { return len(d.spans) }

func (d *dict) text(n uint32) []byte { return d.texts.get(d.spans[n]) }

// find is the number of a text. Its hash is for add.
func (d *dict) find(text []byte) (n, hash uint32, known bool) {
	hash = uint32(maphash.Bytes(d.seed, text))
	for i := hash; ; i++ {
		switch s := d.slots[i&uint32(len(d.slots)-1)]; {
		case s.number == 0:
			return 0, hash, false
		case s.hash == hash && string(d.text(s.number-1)) == string(text):
			return s.number - 1, hash, true
		}
	}
}

// add numbers a text that find did not find.
func (d *dict) add(text []byte, hash uint32) (n uint32) {
	if 2*(len(d.spans)+1) > len(d.slots) {
		old := d.slots
		d.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.number > 0 {
				d.place(s)
			}
		}
	}
	d.spans = append(d.spans, d.texts.put(text))
	d.place(slot{hash, uint32(len(d.spans))})
	return uint32(len(d.spans) - 1)
}

func (d *dict) place(s slot) {
	i := s.hash
	for d.slots[i&uint32(len(d.slots)-1)].number != 0 {
		i++
	}
	d.slots[i&uint32(len(d.slots)-1)] = s
}

func (d *dict) reset() {
	clear(d.slots)
	d.spans = d.spans[:0]
	d.texts.reset()
}
