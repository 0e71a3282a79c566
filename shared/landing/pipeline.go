package landing

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime/debug"
	"sync"

	"github.com/klauspost/compress/gzip"

	"stackusage/shared/gz"
)

// pipeline reads a blob ahead of its caller, on two goroutines, in blocks that are used
// again:
//
//	unpack   source -> SHA-256 of the file -> decompressed blocks
//	sumRows  SHA-256 of each row, and their sum
//	Reader   splits the blocks into lines once more, for the caller
//
// Decompression and hashing each take about as long as the caller: two cores are busy,
// and one core does the same work. Splitting twice costs less than handing on where
// the lines are.
type pipeline struct {
	source *source
	gz     *gzip.Reader
	rest   *bufio.Reader // what gz reads: behind its end, what follows the stream

	// Each has room for all blocks, so that only who waits for a block waits.
	free, unpacked, summed chan *block

	made   int           // blocks
	halted chan struct{} // closed when nobody wants more
	halt   func()
}

// blockSize and maxBlocks bound what is read ahead: 2 MiB.
const (
	blockSize = 256 << 10
	maxBlocks = 8
)

// block is decompressed bytes; lines may begin in one block and end in another.
type block struct {
	data []byte
	end  *ending // set in the last block
	buf  [blockSize]byte
}

// ending is what comes behind the last block.
type ending struct {
	err    error // io.EOF at the end of the gzip stream, else why there is no more
	behind error // what follows the gzip stream: io.EOF for nothing, nil for a byte
	sha256 string
	size   int64
	rows   RowSet // of all lines but the first and the last
}

var blocks = sync.Pool{New: func() any { return new(block) }}

// startPipeline reads the gzip header, and all that follows in the background.
func startPipeline(r io.Reader) (*pipeline, error) {
	halted := make(chan struct{})
	src := &source{r: r, sum: sha256.New(), halted: halted}
	// bufio gives gzip the ByteReader it needs to stop exactly at its end.
	compressed := bufio.NewReaderSize(src, 64<<10)
	unzip, err := gz.NewReader(compressed)
	if err != nil {
		if src.err != nil {
			return nil, src.err
		}
		return nil, reject(RejectedGzip, "the blob is not gzip: %v", err)
	}
	unzip.Multistream(false)
	p := &pipeline{
		source: src, gz: unzip, rest: compressed, halted: halted, halt: sync.OnceFunc(func() { close(halted) }),
		free: make(chan *block, maxBlocks), unpacked: make(chan *block, maxBlocks), summed: make(chan *block, maxBlocks),
	}
	go p.unpack()
	go p.sumRows()
	return p, nil
}

// close returns when nothing of the pipeline runs any more.
func (p *pipeline) close() {
	p.halt()
	for b := range p.summed {
		blocks.Put(b)
	}
	for len(p.free) > 0 {
		blocks.Put(<-p.free)
	}
}

func (p *pipeline) unpack() {
	defer close(p.unpacked)
	for {
		b := p.take()
		if b == nil {
			return
		}
		end := p.fill(b)
		b.end = end
		p.unpacked <- b
		if end != nil {
			return
		}
	}
}

// take returns a block to fill, nil if nobody wants it.
func (p *pipeline) take() *block {
	select {
	case <-p.halted:
		return nil
	case b := <-p.free:
		return b
	default:
	}
	if p.made < maxBlocks {
		p.made++
		return blocks.Get().(*block)
	}
	select {
	case <-p.halted:
		return nil
	case b := <-p.free:
		return b
	}
}

// fill reads until a block is full or there is no more. A decompressor that panics
// must not take others' work with it, as it would on a goroutine of ours.
func (p *pipeline) fill(b *block) (end *ending) {
	b.data = b.buf[:0]
	defer func() {
		if v := recover(); v != nil {
			end = &ending{err: fmt.Errorf("decompress blob: panic: %v\n%s", v, debug.Stack())}
		}
	}()
	for len(b.data) < blockSize {
		n, err := p.gz.Read(b.buf[len(b.data):])
		b.data = b.buf[:len(b.data)+n]
		switch {
		case err == io.EOF:
			_, behind := p.rest.ReadByte()
			if behind != nil && behind != io.EOF {
				behind = p.source.explain(behind)
			}
			return &ending{err: io.EOF, behind: behind, sha256: hex.EncodeToString(p.source.sum.Sum(nil)), size: p.source.size}
		case err != nil:
			return &ending{err: p.source.explain(err)}
		}
	}
	return nil
}

func (p *pipeline) sumRows() {
	defer close(p.summed)
	sums := rowSums{part: sha256.New()}
	for b := range p.unpacked {
		sums.read(b.data)
		if b.end != nil {
			b.end.rows = sums.set
		}
		p.summed <- b
	}
}

// rowSums hashes the lines of blocks.
type rowSums struct {
	set   RowSet            // of all rows but the last line, which may be the trailer
	last  [sha256.Size]byte // of the last line
	lines int64             // that ended
	part  hash.Hash         // of a line that begins in one block and ends in another
	begun bool              // part holds something
}

func (s *rowSums) read(data []byte) {
	for {
		n := bytes.IndexByte(data, '\n')
		switch {
		case n >= 0:
			s.line(data[:n])
			data = data[n+1:]
			continue
		case s.lines > 0 && len(data) > 0:
			s.part.Write(data)
			s.begun = true
		}
		return
	}
}

// line reads the rest of a line.
func (s *rowSums) line(rest []byte) {
	s.lines++
	if s.lines == 1 { // the header is no row
		return
	}
	if s.lines > 2 {
		s.set.Add(s.last)
	}
	if !s.begun {
		s.last = sha256.Sum256(rest)
		return
	}
	s.part.Write(rest)
	s.part.Sum(s.last[:0])
	s.part.Reset()
	s.begun = false
}

// source hashes what is read and remembers its own errors, so that a cut
// connection is never taken for a blob that is cut short. Only a bare io.EOF is
// the end: net/http reports a cut connection as an error that wraps io.EOF,
// and that must not look like an end to the reader's caller either.
type source struct {
	r      io.Reader
	sum    hash.Hash
	size   int64
	err    error
	halted <-chan struct{}
}

func (s *source) Read(p []byte) (int, error) {
	select {
	case <-s.halted:
		s.err = errClosed
		return 0, s.err
	default:
	}
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	s.size += int64(n)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(err, io.EOF):
		s.err = fmt.Errorf("read blob: %w: %v", io.ErrUnexpectedEOF, err)
	default:
		s.err = err
	}
	return n, s.err
}

// explain tells a broken blob from a broken source.
func (s *source) explain(err error) error {
	switch {
	case s.err != nil:
		return s.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return reject(RejectedCutShort, "the blob ends in the middle of its gzip stream")
	default:
		return reject(RejectedGzip, "the gzip stream is damaged: %v", err)
	}
}
