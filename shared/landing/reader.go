package landing

import (
	"bytes"
	"errors"
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
// a *Rejection, which no repetition will change, or an error of the source. It is not
// safe for concurrent use.
type Reader struct {
	name    Name
	limits  Limits
	ahead   *pipeline
	block   *block // that is being split into lines
	data    []byte // what is left of it
	held    *block // the one before, which current may be a part of
	taken   int64  // decompressed bytes
	header  Header
	trailer Trailer
	end     ending // once it was read
	records int64
	leftOut [][2]int64 // ranges of lines that are still to come and do not count
	current line
	next    line  // read, not yet given out: the last line is the trailer
	err     error // of Next, which it returns again
}

// line is a line, or its beginning if it is long.
type line struct {
	bytes []byte // a part of a block, or buf
	buf   []byte // room for a line that is not in one block
	long  bool
}

// errClosed: what was asked for is not read any more.
var errClosed = errors.New("the reader of the hour blob is closed")

// NewReader reads the header and checks it against the blob's name. Unless it returns
// an error, r is read ahead in the background until Close returns, which every caller
// defers.
func NewReader(r io.Reader, name Name, limits Limits) (*Reader, error) {
	if limits.Bytes == 0 {
		limits.Bytes = DefaultMaxBytes
	}
	if limits.Rows == 0 {
		limits.Rows = DefaultMaxRows
	}
	ahead, err := startPipeline(r)
	if err != nil {
		return nil, err
	}
	out := &Reader{name: name, limits: limits, ahead: ahead}
	if err = out.readHeader(); err == nil {
		err = out.advance() // the first record, or the trailer
		if err == io.EOF {
			err = reject(RejectedTrailer, "the blob ends after its header")
		}
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

// Close ends the reading ahead: nothing reads the source any more when it returns. It
// does not close the source. What was valid stays so, but for the bytes of a line.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = errClosed
	}
	r.ahead.close()
	return nil
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
	if err := strictjson.Unmarshal(first.bytes, h); err != nil {
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
	if r.err != nil {
		return Line{}, r.err
	}
	l, err := r.nextRow()
	if err != nil {
		r.err = err
		r.ahead.halt()
	}
	return l, err
}

func (r *Reader) nextRow() (Line, error) {
	if r.held != nil {
		r.ahead.free <- r.held
		r.held = nil
	}
	r.current, r.next = r.next, r.current
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
	for len(r.leftOut) > 0 && r.leftOut[0][1] < r.records {
		r.leftOut = r.leftOut[1:]
	}
	out := len(r.leftOut) > 0 && r.leftOut[0][0] <= r.records
	return Line{Number: r.records, Bytes: r.current.bytes, TooLong: r.current.long, LeftOut: out}, nil
}

// Trailer is the blob's trailer; valid after Next has returned io.EOF.
func (r *Reader) Trailer() Trailer { return r.trailer }

// SHA256 is the hash of the file in hex; valid after Next has returned io.EOF.
func (r *Reader) SHA256() string { return r.end.sha256 }

// Size is the number of bytes of the file; valid after Next has returned io.EOF.
func (r *Reader) Size() int64 { return r.end.size }

// RowSetHash is the hash of all rows; valid after Next has returned io.EOF.
func (r *Reader) RowSetHash() string { return r.end.rows.String() }

func (r *Reader) advance() error { return r.readLine(&r.next, usage.MaxLine) }

// readLine reads up to the next line feed and keeps at most limit bytes of it.
// A last line without a line feed is a blob that was cut short.
func (r *Reader) readLine(l *line, limit int) error {
	l.buf, l.long = l.buf[:0], false
	for begun := false; ; begun = true {
		if len(r.data) == 0 {
			switch err := r.nextBlock(); {
			case err == io.EOF && begun:
				return reject(RejectedCutShort, "the last line has no end")
			case err != nil:
				return err
			}
		}
		part, rest, ended := bytes.Cut(r.data, []byte{'\n'})
		r.taken += int64(len(r.data) - len(rest))
		r.data = rest
		if r.taken > r.limits.Bytes {
			return reject(RejectedTooLarge, "the blob unpacks to more than %d bytes", r.limits.Bytes)
		}
		if room := limit - len(l.buf); len(part) > room {
			if limit == maxHeader { // nothing that follows could mend it
				return reject(RejectedHeader, "the header is longer than %d bytes", maxHeader)
			}
			part, l.long = part[:room], true
		}
		if ended && !begun {
			l.bytes = part
			return nil
		}
		l.buf = append(l.buf, part...)
		if ended {
			l.bytes = l.buf
			return nil
		}
	}
}

// nextBlock waits for the next block that is not empty, or returns why there is none.
func (r *Reader) nextBlock() error {
	for len(r.data) == 0 {
		if r.block != nil {
			if r.block.end != nil {
				r.end = *r.block.end
				return r.end.err
			}
			if r.held == nil {
				r.held = r.block
			} else {
				r.ahead.free <- r.block
			}
		}
		r.block = <-r.ahead.summed
		r.data = r.block.data
	}
	return nil
}

func (r *Reader) finish(last line) error {
	var t trailerLine
	if err := strictjson.UnmarshalKnown(last.bytes, &t); last.long || err != nil || t.Trailer == nil || t.Trailer.Pages < 0 {
		return reject(RejectedTrailer, "the last line is not the trailer: the blob was not finished")
	}
	r.trailer = *t.Trailer
	if r.end.behind == nil {
		return reject(RejectedAfterEnd, "bytes follow the end of the gzip stream")
	} else if r.end.behind != io.EOF {
		return r.end.behind
	}
	if r.trailer.Records != r.records {
		return reject(RejectedCount, "the trailer counts %d records, the blob has %d", r.trailer.Records, r.records)
	}
	if !strings.EqualFold(r.trailer.RowSetHash, r.RowSetHash()) {
		return reject(RejectedHash, "the trailer's row-set hash is %.64s, that of the rows %s", r.trailer.RowSetHash, r.RowSetHash())
	}
	if sum := r.SHA256(); sum[:16] != r.name.SHA16 {
		return reject(RejectedName, "the name says SHA-256 %s..., the file has %s", r.name.SHA16, sum[:16])
	}
	return nil
}
