package landing

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Limits bound what a reader reads. Zero means the default.
type Limits struct {
	Bytes int64 // decompressed; default 2 GiB
	Rows  int64 // default 20,000,000
	Disk  int64 // temporary disk while the rows are added up; default 128 MiB
}

// Defaults of Limits, and the bound of a header: a tenant map of 100,000
// subscriptions fits.
const (
	DefaultMaxBytes = 2 << 30
	DefaultMaxDisk  = 128 << 20
	DefaultMaxRows  = 20_000_000
	maxHeader       = 16 << 20
)

// Line is one record line. Its bytes are only valid until the next call.
type Line struct {
	Number  int64 // of the row, from 1
	Bytes   []byte
	TooLong bool // longer than usage.MaxLine; Bytes holds its beginning
	LeftOut bool // of a corrected blob: it does not count, whatever the rules say
}

// Reader reads one hour blob as a stream. Every error of its methods is either
// a *Rejection, which no repetition will change, or an error of the source.
type Reader struct {
	name    Name
	limits  Limits
	source  *source
	gz      *gzip.Reader
	buf     *bufio.Reader
	taken   int64 // decompressed bytes
	header  Header
	trailer Trailer
	rows    RowSet
	records int64
	leftOut [][2]int64 // ranges of lines that are still to come and do not count
	ahead   line       // read, not yet given out: the last line is the trailer
	current line
}

// line keeps at most limit bytes of a line, and the hash of all of them.
type line struct {
	buf  []byte
	sum  [sha256.Size]byte
	long bool
}

// NewReader reads the header and checks it against the blob's name.
func NewReader(r io.Reader, name Name, limits Limits) (*Reader, error) {
	if limits.Bytes == 0 {
		limits.Bytes = DefaultMaxBytes
	}
	if limits.Rows == 0 {
		limits.Rows = DefaultMaxRows
	}
	src := &source{r: r, sum: sha256.New()}
	// bufio gives gzip the ByteReader it needs to stop exactly at its end.
	compressed := bufio.NewReader(src)
	gz, err := gzip.NewReader(compressed)
	if err != nil {
		if src.err != nil {
			return nil, src.err
		}
		return nil, reject(RejectedGzip, "the blob is not gzip: %v", err)
	}
	gz.Multistream(false)
	out := &Reader{name: name, limits: limits, source: src, gz: gz, buf: bufio.NewReaderSize(gz, 64<<10)}
	src.rest = compressed
	if err := out.readHeader(); err != nil {
		return nil, err
	}
	if err := out.advance(); err != nil { // the first record, or the trailer
		if err == io.EOF {
			return nil, reject(RejectedTrailer, "the blob ends after its header")
		}
		return nil, err
	}
	return out, nil
}

func (r *Reader) readHeader() error {
	var first line
	if err := r.readLine(&first, maxHeader); err != nil {
		if err == io.EOF {
			return reject(RejectedHeader, "the blob is empty")
		}
		return err
	}
	h := &r.header
	if err := strictjson.Unmarshal(first.buf, h); err != nil {
		return reject(RejectedHeader, "the first line is not the header: %v", err)
	}
	if h.Format != Format {
		return reject(RejectedHeader, "format %.40q; only %q is read", h.Format, Format)
	}
	if usage.CheckGUID(h.CloudID) != nil || usage.DashedGUID(h.CloudID) != r.name.CloudID {
		return reject(RejectedRegistration, "the header names registration %.60q, the container %q", h.CloudID, r.name.CloudID)
	}
	hour := usage.HourOf(h.ReportedStart)
	if !hour.Start().Equal(h.ReportedStart) || !hour.End().Equal(h.ReportedEnd) {
		return reject(RejectedWindow, "the header's window %s to %s is not one full hour",
			h.ReportedStart.Format(time.RFC3339), h.ReportedEnd.Format(time.RFC3339))
	}
	if hour != r.name.Hour {
		return reject(RejectedName, "the header is of the hour %s, the name of %s", hour, r.name.Hour)
	}
	for _, id := range h.ProviderSubscriptions {
		if err := usage.CheckGUID(id); err != nil {
			return reject(RejectedHeader, "providerSubscriptions %.60q: %v", id, err)
		}
	}
	if err := r.checkCorrects(); err != nil {
		return err
	}
	return checkTenants(h.Tenants)
}

// checkTenants refuses a map that sends one subscription, spelled in two ways,
// to two directories: who pays would depend on which is looked at first.
func checkTenants(tenants map[string]string) error {
	seen := make(map[string]string, len(tenants))
	for _, id := range slices.Sorted(maps.Keys(tenants)) {
		tenant := usage.NormalGUID(tenants[id])
		if other, twice := seen[usage.NormalGUID(id)]; twice && other != tenant {
			return reject(RejectedHeader, "tenants: subscription %.60q is there twice, with two directories", id)
		}
		seen[usage.NormalGUID(id)] = tenant
	}
	return nil
}

// Header is the blob's header, checked.
func (r *Reader) Header() Header { return r.header }

// Next returns the next record line. After the last one it checks the trailer,
// the end of the stream and the file's hash, and returns io.EOF if all agree.
func (r *Reader) Next() (Line, error) {
	r.current, r.ahead = r.ahead, line{buf: r.current.buf[:0]}
	switch err := r.advance(); {
	case err == io.EOF:
		if err := r.finish(r.current); err != nil {
			return Line{}, err
		}
		return Line{}, io.EOF
	case err != nil:
		return Line{}, err
	}
	r.records++
	if r.records > r.limits.Rows {
		return Line{}, reject(RejectedTooManyRows, "the blob has more than %d rows", r.limits.Rows)
	}
	r.rows.Add(r.current.sum)
	for len(r.leftOut) > 0 && r.leftOut[0][1] < r.records {
		r.leftOut = r.leftOut[1:]
	}
	out := len(r.leftOut) > 0 && r.leftOut[0][0] <= r.records
	return Line{Number: r.records, Bytes: r.current.buf, TooLong: r.current.long, LeftOut: out}, nil
}

// Trailer is the blob's trailer; valid after Next has returned io.EOF.
func (r *Reader) Trailer() Trailer { return r.trailer }

// SHA256 is the hash of the file in hex; valid after Next has returned io.EOF.
func (r *Reader) SHA256() string { return hex.EncodeToString(r.source.sum.Sum(nil)) }

// Size is the number of bytes of the file; valid after Next has returned io.EOF.
func (r *Reader) Size() int64 { return r.source.size }

// RowSetHash is the hash of the rows read so far.
func (r *Reader) RowSetHash() string { return r.rows.String() }

func (r *Reader) advance() error { return r.readLine(&r.ahead, usage.MaxLine) }

// readLine reads up to the next line feed and keeps at most limit bytes of it.
// A last line without a line feed is a blob that was cut short.
func (r *Reader) readLine(l *line, limit int) error {
	sum := sha256.New()
	l.long = false
	for first := true; ; first = false {
		part, err := r.buf.ReadSlice('\n')
		r.taken += int64(len(part))
		if r.taken > r.limits.Bytes {
			return reject(RejectedTooLarge, "the blob unpacks to more than %d bytes", r.limits.Bytes)
		}
		part, ended := bytes.CutSuffix(part, []byte{'\n'})
		sum.Write(part)
		if room := limit - len(l.buf); len(part) > room {
			if limit == maxHeader { // nothing that follows could mend it
				return reject(RejectedHeader, "the header is longer than %d bytes", maxHeader)
			}
			l.buf, l.long = append(l.buf, part[:room]...), true
		} else {
			l.buf = append(l.buf, part...)
		}
		switch {
		case ended:
			sum.Sum(l.sum[:0])
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && first && len(part) == 0:
			return io.EOF
		case err == io.EOF:
			return reject(RejectedCutShort, "the last line has no end")
		default:
			return r.explain(err)
		}
	}
}

// explain tells a broken blob from a broken source.
func (r *Reader) explain(err error) error {
	switch {
	case r.source.err != nil:
		return r.source.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return reject(RejectedCutShort, "the blob ends in the middle of its gzip stream")
	default:
		return reject(RejectedGzip, "the gzip stream is damaged: %v", err)
	}
}

func (r *Reader) finish(last line) error {
	var t trailerLine
	if err := strictjson.UnmarshalKnown(last.buf, &t); last.long || err != nil || t.Trailer == nil || t.Trailer.Pages < 0 {
		return reject(RejectedTrailer, "the last line is not the trailer: the blob was not finished")
	}
	r.trailer = *t.Trailer
	if _, err := r.source.rest.ReadByte(); err == nil {
		return reject(RejectedAfterEnd, "bytes follow the end of the gzip stream")
	} else if err != io.EOF {
		return r.explain(err)
	}
	if r.trailer.Records != r.records {
		return reject(RejectedCount, "the trailer counts %d records, the blob has %d", r.trailer.Records, r.records)
	}
	if !strings.EqualFold(r.trailer.RowSetHash, r.rows.String()) {
		return reject(RejectedHash, "the trailer's row-set hash is %.64s, that of the rows %s", r.trailer.RowSetHash, &r.rows)
	}
	if sum := r.SHA256(); sum[:16] != r.name.SHA16 {
		return reject(RejectedName, "the name says SHA-256 %s..., the file has %s", r.name.SHA16, sum[:16])
	}
	return nil
}

// source hashes what is read and remembers its own errors, so that a cut
// connection is never taken for a blob that is cut short. Only a bare io.EOF is
// the end: net/http reports a cut connection as an error that wraps io.EOF,
// and that must not look like an end to the reader's caller either.
type source struct {
	r    io.Reader
	sum  hash.Hash
	size int64
	err  error
	rest *bufio.Reader
}

func (s *source) Read(p []byte) (int, error) {
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
