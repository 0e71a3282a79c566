package rowsums

import "sync"

// chunk is how much memory an arena takes at a time, but for the first time: most hours
// are small. No text is longer.
const (
	chunk      = 1 << 20
	firstChunk = 16 << 10
)

// maxFree is how many chunks are kept: as many as tables take after the first one.
const maxFree = maxBytes / later / chunk

// pool has the chunks that no arena uses.
type pool struct {
	mu   sync.Mutex
	free [][]byte
}

func (p *pool) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.free) - 1; last >= 0 {
		c := p.free[last]
		p.free = p.free[:last]
		return c
	}
	return make([]byte, chunk)
}

func (p *pool) give(chunks [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, chunks[:min(len(chunks), max(0, maxFree-len(p.free)))]...)
}

// arena keeps texts in chunks, so that it grows without copying.
type arena struct {
	pool   *pool
	chunks [][]byte
	next   int // byte of the last chunk
	used   int
}

// span is where a text is.
type span struct{ at, length uint32 }

func (a *arena) put(text []byte) span {
	if len(text) == 0 {
		return span{}
	}
	if len(a.chunks) == 0 {
		a.chunks = append(a.chunks, make([]byte, firstChunk))
	}
	last := len(a.chunks) - 1
	if a.next+len(text) > len(a.chunks[last]) {
		a.chunks, a.next = append(a.chunks, a.pool.take()), 0
		last++
	}
	s := span{uint32(last*chunk + a.next), uint32(len(text))}
	a.next += copy(a.chunks[last][a.next:], text)
	a.used += len(text)
	return s
}

func (a *arena) get(s span) []byte {
	if s.length == 0 {
		return nil
	}
	at := s.at % chunk
	return a.chunks[s.at/chunk][at : at+s.length : at+s.length]
}

// reset gives all chunks back but the first.
func (a *arena) reset() {
	if len(a.chunks) > 1 {
		a.pool.give(a.chunks[1:])
		clear(a.chunks[1:])
		a.chunks = a.chunks[:1]
	}
	a.next, a.used = 0, 0
}
