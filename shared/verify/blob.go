package verify

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
)

// blobName is where an hour blob lies: the registration, the reported hour, and
// the first 16 hex digits of its SHA-256.
type blobName struct {
	cloudID string
	hour    hour
	sha16   string

	corrected bool // it lies in the app's storage, and corrects a landed one
}

func (n blobName) path() string {
	if n.corrected {
		return fmt.Sprintf("corrected/%s/%s-%s.ndjson.gz", n.cloudID, n.hour.start().Format("2006/01/02/15"), n.sha16)
	}
	return fmt.Sprintf("landing-%s/%s-%s.ndjson.gz", n.cloudID, n.hour.start().Format("2006/01/02/15"), n.sha16)
}

// key is its RowKey in UsageHours, input the one in DayInputs.
func (n blobName) key() string   { return n.hour.compact()[8:] + "_" + n.sha16 }
func (n blobName) input() string { return n.hour.compact() + "_" + n.sha16 }

// header is what an hour blob says of the stack. docs/formats/hour-blob.md.
type header struct {
	Format        string            `json:"format"`
	CloudID       string            `json:"cloudId"`
	Region        string            `json:"region"`
	Domain        string            `json:"domain"`
	ReportedStart time.Time         `json:"reportedStart"`
	ReportedEnd   time.Time         `json:"reportedEnd"`
	CollectedAt   time.Time         `json:"collectedAt"`
	AgentVersion  string            `json:"agentVersion"`
	Providers     []string          `json:"providerSubscriptions"`
	Tenants       map[string]string `json:"tenants"`
	TenantsStale  bool              `json:"tenantsStale"`
	TenantsAt     time.Time         `json:"tenantsAt"`
	PartialSource []string          `json:"partialSource"`
	Corrects      *corrects         `json:"corrects"`
}

// corrects is what a corrected blob says of the landed one, and which of its lines do
// not count.
type corrects struct {
	Original string     `json:"original"`
	Blob     string     `json:"blob"`
	Decision string     `json:"decision"`
	Rejected [][2]int64 `json:"rejected"`
}

// leavesOut reports whether a line does not count, whatever the rules say.
func (c *corrects) leavesOut(line int64) bool {
	if c == nil {
		return false
	}
	at, _ := slices.BinarySearchFunc(c.Rejected, line, func(lines [2]int64, n int64) int { return cmp.Compare(lines[1], n) })
	return at < len(c.Rejected) && c.Rejected[at][0] <= line
}

// hourBlob is what there is to say of a file as a whole.
type hourBlob struct {
	header
	sha256, rowSet                  string
	bytes, unpacked, records, pages int64
	code                            string // why it is rejected; empty: it is not
}

// rejection is a code on its way up.
type rejection string

func (r rejection) Error() string { return string(r) }

// source counts and hashes what is read, and remembers an error of the
// connection, which is none of the file.
type source struct {
	r   io.Reader
	sum hash.Hash
	n   int64
	err error
}

func newSource(r io.Reader) *source { return &source{r: r, sum: sha256.New()} }

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *source) hex() string { return fmt.Sprintf("%x", s.sum.Sum(nil)) }

// readHour reads an hour blob into b and gives each row to each, and whether the header
// leaves it out. The error is one of storage; what is wrong with the file is in code.
func readHour(r io.Reader, name blobName, b *hourBlob, each func(n int64, row []byte, out bool)) error {
	src := newSource(r)
	err := b.read(src, name, each)
	var rejected rejection
	switch {
	case src.err != nil:
		err = src.err
	case errors.As(err, &rejected):
		b.code, err = string(rejected), nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		b.code, err = "CutShort", nil
	}
	return err
}

func (b *hourBlob) read(src *source, name blobName, each func(int64, []byte, bool)) error {
	compressed := bufio.NewReader(src) // gzip stops exactly at its end
	gz, err := gzip.NewReader(compressed)
	if err != nil {
		return rejection("NotGzip")
	}
	gz.Multistream(false)
	lines := bufio.NewReaderSize(gz, 64<<10)
	var last, ahead []byte // the last line is the trailer
	var sum, sumAhead [sha256.Size]byte
	rows := new(big.Int)
	for n := int64(-1); ; n++ { // -1 is the header
		ahead, sumAhead, err = b.nextLine(lines, last[:0:0])
		switch {
		case err == io.EOF && n < 1:
			return rejection([]string{"UnreadableHeader", "NoTrailer"}[n+1])
		case err == io.EOF:
			rows.Mod(rows, new(big.Int).Lsh(big.NewInt(1), 256))
			b.rowSet = fmt.Sprintf("%064x", rows)
			return b.finish(src, compressed, last, name)
		case err != nil:
			return err
		case n < 0:
			err = b.readHeader(ahead, name)
		case n > 0:
			b.records = n
			rows.Add(rows, new(big.Int).SetBytes(sum[:]))
			each(n, last, b.Corrects.leavesOut(n))
		}
		if err != nil {
			return err
		}
		last, sum = ahead, sumAhead
	}
}

// Bounds of lines. Of one that is longer than a header may be, the beginning is kept.
const (
	maxRow    = 256 << 10
	maxHeader = 16 << 20
)

// nextLine reads a line and the hash of all of it, without its line feed.
func (b *hourBlob) nextLine(r *bufio.Reader, content []byte) (_ []byte, sum [sha256.Size]byte, err error) {
	h := sha256.New()
	for {
		part, err := r.ReadSlice('\n')
		b.unpacked += int64(len(part))
		text, ended := bytes.CutSuffix(part, []byte{'\n'})
		h.Write(text)
		content = append(content, text[:min(len(text), maxHeader+1-len(content))]...)
		switch {
		case ended:
			h.Sum(sum[:0])
			return content, sum, nil
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(part)+len(content) == 0:
			return nil, sum, io.EOF
		case err == io.EOF:
			return nil, sum, rejection("CutShort")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, sum, err
		default:
			return nil, sum, rejection("NotGzip") // or the connection broke
		}
	}
}

// finish checks the trailer, the end of the file and its name.
func (b *hourBlob) finish(src *source, compressed *bufio.Reader, last []byte, name blobName) error {
	var line struct {
		Trailer json.RawMessage `json:"trailer"`
	}
	var trailer struct {
		Records int64  `json:"records"`
		Pages   int64  `json:"pages"`
		RowSet  string `json:"rowSetHash"`
	}
	if decodeKnown(last, &line, true) != "" || len(line.Trailer) == 0 || string(line.Trailer) == "null" ||
		decodeKnown(line.Trailer, &trailer, true) != "" || trailer.Pages < 0 || len(last) > maxRow {
		return rejection("NoTrailer")
	}
	b.pages = trailer.Pages
	if _, err := compressed.ReadByte(); err == nil {
		return rejection("BytesAfterTheEnd")
	}
	b.sha256, b.bytes = src.hex(), src.n
	switch {
	case trailer.Records != b.records:
		return rejection("RecordCountDiffers")
	case !strings.EqualFold(trailer.RowSet, b.rowSet):
		return rejection("RowSetHashDiffers")
	case b.sha256[:16] != name.sha16:
		return rejection("NameDiffersFromContent")
	}
	return nil
}

func (b *hourBlob) readHeader(content []byte, name blobName) error {
	if len(content) > maxHeader || decode(content, &b.header) != "" || b.Format != "azurestack-usage-hour/1" {
		return rejection("UnreadableHeader")
	}
	start := b.ReportedStart
	switch {
	case !isGUID(b.CloudID) || dashedGUID(b.CloudID) != name.cloudID:
		return rejection("OtherRegistration")
	case !start.Truncate(time.Hour).Equal(start) || !b.ReportedEnd.Equal(start.Add(time.Hour)):
		return rejection("WindowNotOneHour")
	case hourOf(start) != name.hour:
		return rejection("NameDiffersFromContent")
	case (b.Corrects != nil) != name.corrected:
		return rejection("UnreadableHeader")
	case slices.ContainsFunc(b.Providers, func(id string) bool { return !isGUID(id) }):
		return rejection("UnreadableHeader")
	}
	plain := map[string]string{}
	for subscription, tenant := range b.Tenants {
		id := plainGUID(subscription)
		if other, twice := plain[id]; twice && other != plainGUID(tenant) {
			return rejection("UnreadableHeader")
		}
		plain[id] = plainGUID(tenant)
		if !isGUID(tenant) {
			delete(b.Tenants, subscription)
		}
	}
	return nil
}
