package verify

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// source is a gzip file of lines as it is read.
type source struct {
	r              io.Reader
	sum            hash.Hash
	size, unpacked int64
	rest           *bufio.Reader // what follows the gzip stream
	err            error         // of the connection, which is none of the file
}

func newSource(r io.Reader) *source { return &source{r: r, sum: sha256.New()} }

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	s.size += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *source) hex() string { return fmt.Sprintf("%x", s.sum.Sum(nil)) }

// textLine is a line without its line feed: the beginning, of one that is longer than
// maxLine, and the hash of all of it. n is 0 in the header.
type textLine struct {
	n       int64
	last    bool
	content []byte
	sum     [sha256.Size]byte
}

const maxLine = 16 << 20

// lines gives each line of the file to each. code is what each says is wrong with a
// line, which ends it, or what is wrong with the file. It fails only with the connection.
func (s *source) lines(each func(textLine) (code string)) (code string) {
	defer func() { must(s.err) }()
	s.rest = bufio.NewReader(s) // gzip stops exactly at its end
	gz, err := gzip.NewReader(s.rest)
	if err != nil {
		return "NotGzip"
	}
	gz.Multistream(false)
	r := bufio.NewReaderSize(gz, 64<<10)
	var now, ahead textLine
	for n := int64(-1); code == ""; n++ { // the header is looked at before the next line is read, others after it
		now, ahead = ahead, now
		code = s.next(r, &ahead)
		ahead.n, now.last = n+1, code == atEnd
		if now.last {
			code = first(finding{n < 0, "UnreadableHeader"}, finding{n == 0, "NoTrailer"})
		}
		if code == "" && n > 0 {
			code = each(now)
		} else if code == "" && n < 0 {
			code = each(ahead)
		}
		if now.last {
			break
		}
	}
	return code
}

const atEnd = "end"

// next reads a line into l, whose bytes are used again.
func (s *source) next(r *bufio.Reader, l *textLine) (code string) {
	h := sha256.New()
	for l.content = l.content[:0]; ; {
		part, err := r.ReadSlice('\n')
		s.unpacked += int64(len(part))
		text, ended := bytes.CutSuffix(part, []byte{'\n'})
		h.Write(text)
		l.content = append(l.content, text[:min(len(text), maxLine+1-len(l.content))]...)
		switch {
		case ended:
			h.Sum(l.sum[:0])
			return ""
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(l.content) == 0:
			return atEnd
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
			return "CutShort"
		default:
			return "NotGzip" // or the connection broke
		}
	}
}

// header is what an hour blob says of the stack. docs/formats/hour-blob.md.
type header struct {
	Format, CloudID, Region, Domain, AgentVersion      string
	ReportedStart, ReportedEnd, CollectedAt, TenantsAt time.Time
	ProviderSubscriptions, PartialSource               []string
	Tenants                                            map[string]string
	TenantsStale                                       bool
	Corrects                                           *corrects
}

// corrects is what a corrected blob says of the landed one, and which of its lines do
// not count.
type corrects struct {
	Original, Blob, Decision string
	Rejected                 [][2]int64 // first and last line of each range, in order
}

// leavesOut reports whether a line does not count, whatever the rules say.
func (c *corrects) leavesOut(line int64) bool {
	if c == nil {
		return false
	}
	at, _ := slices.BinarySearchFunc(c.Rejected, line, func(lines [2]int64, n int64) int { return int(lines[1] - n) })
	return at < len(c.Rejected) && c.Rejected[at][0] <= line
}

// file is a row of UsageHours with what there is to say of its hour blob.
type file struct {
	row
	header
	cloudID, sha16, path string
	hour                 hour
	corrected            bool // it lies in the app's storage, and corrects a landed one

	sha256, rowSet                  string
	bytes, unpacked, records, pages int64
	code                            string           // why it is rejected; empty: it is not
	accepted, rejected              int64            // rows
	days                            map[string]int64 // accepted rows by usage day
}

func newFile(r row) *file {
	f := &file{row: r, corrected: r.text("original") != "", days: map[string]int64{}}
	var day, hh string
	f.cloudID, day, _ = strings.Cut(r.Partition, "_")
	hh, f.sha16, _ = strings.Cut(r.Key, "_")
	at, _ := time.Parse("2006010215", day+hh)
	f.hour = hourOf(at)
	container := map[bool]string{false: "landing-", true: "corrected/"}[f.corrected]
	f.path = fmt.Sprintf("%s%s/%s-%s.ndjson.gz", container, f.cloudID, at.Format("2006/01/02/15"), f.sha16)
	return f
}

// read reads an hour blob and gives each row to each.
func (f *file) read(r io.Reader, each func(row textLine)) {
	s, sum := newSource(r), new(big.Int)
	f.code = s.lines(func(l textLine) string {
		switch {
		case l.n == 0:
			return f.readHeader(l.content)
		case l.last:
			f.rowSet = fmt.Sprintf("%064x", sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), 256)))
			return f.finish(s, l.content)
		}
		f.records = l.n
		sum.Add(sum, new(big.Int).SetBytes(l.sum[:]))
		each(l)
		return ""
	})
	f.unpacked = s.unpacked
}

// finish checks the trailer, the end of the file and its name.
func (f *file) finish(s *source, last []byte) (code string) {
	var line struct{ Trailer json.RawMessage }
	var trailer struct {
		Records, Pages int64
		RowSetHash     string
	}
	code = decode(last, &line, true) + decode(line.Trailer, &trailer, true)
	_, end := s.rest.ReadByte()
	f.sha256, f.bytes, f.pages = s.hex(), s.size, trailer.Pages
	return first(
		finding{len(last) > maxRow || code != "" || string(line.Trailer) == "null" || trailer.Pages < 0, "NoTrailer"},
		finding{end == nil, "BytesAfterTheEnd"},
		finding{trailer.Records != f.records, "RecordCountDiffers"},
		finding{!strings.EqualFold(trailer.RowSetHash, f.rowSet), "RowSetHashDiffers"},
		finding{f.sha256[:16] != f.sha16, "NameDiffersFromContent"})
}

func (f *file) readHeader(content []byte) (code string) {
	if len(content) > maxLine || decode(content, &f.header, false) != "" {
		return "UnreadableHeader"
	}
	start, tenants, twice := f.ReportedStart, map[string]string{}, false
	for subscription, tenant := range f.Tenants {
		other, is := tenants[plainGUID(subscription)]
		twice = twice || is && other != plainGUID(tenant)
		tenants[plainGUID(subscription)] = plainGUID(tenant)
	}
	maps.DeleteFunc(f.Tenants, func(_, tenant string) bool { return !isGUID(tenant) })
	return first(
		finding{f.Format != "azurestack-usage-hour/1", "UnreadableHeader"},
		finding{!isGUID(f.CloudID) || dashedGUID(f.CloudID) != f.cloudID, "OtherRegistration"},
		finding{!start.Truncate(time.Hour).Equal(start) || !f.ReportedEnd.Equal(start.Add(time.Hour)), "WindowNotOneHour"},
		finding{hourOf(start) != f.hour, "NameDiffersFromContent"},
		finding{(f.Corrects != nil) != f.corrected || twice || slices.ContainsFunc(f.ProviderSubscriptions, func(id string) bool { return !isGUID(id) }), "UnreadableHeader"})
}
