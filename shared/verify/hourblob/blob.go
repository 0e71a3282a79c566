package hourblob

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
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/form"
)

// Source is a gzip file of lines as it is read.
type Source struct {
	r              io.Reader
	sum            hash.Hash
	size, unpacked int64
	Rest           *bufio.Reader // what follows the gzip stream
	Err            error         // of the connection, which is none of the file
}

// NewSource reads from r.
func NewSource(r io.Reader) *Source { return &Source{r: r, sum: sha256.New()} }

// Read reads the file as it is stored.
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	s.size += int64(n)
	if err != nil && err != io.EOF {
		s.Err = err
	}
	return n, err
}

// Hex is the SHA-256 of what was read.
func (s *Source) Hex() string { return fmt.Sprintf("%x", s.sum.Sum(nil)) }

// TextLine is a line without its line feed: the beginning, of one that is longer than
// maxLine, and the hash of all of it. N is 0 in the header.
type TextLine struct {
	N       int64
	Last    bool
	Content []byte
	Sum     [sha256.Size]byte
}

const maxLine = 16 << 20

// Lines gives each line of the file to each. code is what each says is wrong with a
// line, which ends it, or what is wrong with the file. It fails only with the connection.
func (s *Source) Lines(each func(TextLine) (code string)) (code string) {
	defer func() { evidence.Must(s.Err) }()
	s.Rest = bufio.NewReader(s) // gzip stops exactly at its end
	start, _ := s.Rest.Peek(4)
	gz, err := gzip.NewReader(s.Rest)
	if err != nil || start[3]&0xe0 != 0 { // flags that RFC 1952 reserves, which compress/gzip lets pass
		return "NotGzip"
	}
	gz.Multistream(false)
	r := bufio.NewReaderSize(gz, 64<<10)
	var now, ahead TextLine
	for n := int64(-1); code == ""; n++ { // the header is looked at before the next line is read, others after it
		now, ahead = ahead, now
		code = s.next(r, &ahead)
		ahead.N, now.Last = n+1, code == atEnd
		if now.Last {
			code = cmp.Or(form.When(n < 0, "UnreadableHeader"), form.When(n == 0, "NoTrailer"))
		}
		if code == "" && n > 0 {
			code = each(now)
		} else if code == "" && n < 0 {
			code = each(ahead)
		}
		if now.Last {
			break
		}
	}
	return code
}

const atEnd = "end"

// next reads a line into l, whose bytes are used again.
func (s *Source) next(r *bufio.Reader, l *TextLine) (code string) {
	h := sha256.New()
	for l.Content = l.Content[:0]; ; {
		part, err := r.ReadSlice('\n')
		s.unpacked += int64(len(part))
		text, ended := bytes.CutSuffix(part, []byte{'\n'})
		h.Write(text)
		l.Content = append(l.Content, text[:min(len(text), maxLine+1-len(l.Content))]...)
		switch {
		case ended:
			h.Sum(l.Sum[:0])
			return ""
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(l.Content) == 0:
			return atEnd
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
			return "CutShort"
		default:
			return "NotGzip" // or the connection broke
		}
	}
}

// Header is what an hour blob says of the stack. docs/formats/hour-blob.md.
type Header struct {
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

// LeavesOut reports whether a line does not count, whatever the rules say.
func (c *corrects) LeavesOut(line int64) bool {
	if c == nil {
		return false
	}
	at, _ := slices.BinarySearchFunc(c.Rejected, line, func(lines [2]int64, n int64) int { return int(lines[1] - n) })
	return at < len(c.Rejected) && c.Rejected[at][0] <= line
}

// File is a row of UsageHours with what there is to say of its hour blob.
type File struct {
	evidence.Row
	Header
	cloudID, SHA16, Path string
	Hour                 form.Hour
	Corrected            bool // it lies in the app's storage, and corrects a landed one

	SHA256, RowSet                  string
	Bytes, Unpacked, Records, Pages int64
	Code                            string           // why it is rejected; empty: it is not
	Accepted, Rejected              int64            // rows
	Days                            map[string]int64 // accepted rows by usage day
}

// NewFile is the file of a row of UsageHours.
func NewFile(r evidence.Row) *File {
	f := &File{Row: r, Corrected: r.Text("original") != "", Days: map[string]int64{}}
	var day, hh string
	f.cloudID, day, _ = strings.Cut(r.Partition, "_")
	hh, f.SHA16, _ = strings.Cut(r.Key, "_")
	at, _ := time.Parse("2006010215", day+hh)
	f.Hour = form.HourOf(at)
	container := map[bool]string{false: "landing-", true: "corrected/"}[f.Corrected]
	f.Path = fmt.Sprintf("%s%s/%s-%s.ndjson.gz", container, f.cloudID, at.Format("2006/01/02/15"), f.SHA16)
	return f
}

// Read reads an hour blob and gives each row to each.
func (f *File) Read(r io.Reader, each func(row TextLine)) {
	s, sum := NewSource(r), new(big.Int)
	f.Code = s.Lines(func(l TextLine) string {
		switch {
		case l.N == 0:
			return f.readHeader(l.Content)
		case l.Last:
			f.RowSet = fmt.Sprintf("%064x", sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), 256)))
			return f.finish(s, l.Content)
		}
		f.Records = l.N
		sum.Add(sum, new(big.Int).SetBytes(l.Sum[:]))
		each(l)
		return ""
	})
	f.Unpacked = s.unpacked
}

// finish checks the trailer, the end of the file and its name.
func (f *File) finish(s *Source, last []byte) (code string) {
	var line struct{ Trailer json.RawMessage }
	var trailer struct {
		Records, Pages int64
		RowSetHash     string
	}
	code = form.Decode(last, &line, true) + form.Decode(line.Trailer, &trailer, true)
	_, end := s.Rest.ReadByte()
	f.SHA256, f.Bytes, f.Pages = s.Hex(), s.size, trailer.Pages
	return cmp.Or(
		form.When(len(last) > maxRow || code != "" || string(line.Trailer) == "null" || trailer.Pages < 0, "NoTrailer"),
		form.When(end == nil, "BytesAfterTheEnd"),
		form.When(trailer.Records != f.Records, "RecordCountDiffers"),
		form.When(!strings.EqualFold(trailer.RowSetHash, f.RowSet), "RowSetHashDiffers"),
		form.When(f.SHA256[:16] != f.SHA16, "NameDiffersFromContent"))
}

func (f *File) readHeader(content []byte) (code string) {
	if len(content) > maxLine || form.Decode(content, &f.Header, false) != "" {
		return "UnreadableHeader"
	}
	start, tenants, twice := f.ReportedStart, map[string]string{}, false
	for subscription, tenant := range f.Tenants {
		other, is := tenants[form.PlainGUID(subscription)]
		twice = twice || is && other != form.PlainGUID(tenant)
		tenants[form.PlainGUID(subscription)] = form.PlainGUID(tenant)
	}
	maps.DeleteFunc(f.Tenants, func(_, tenant string) bool { return !form.IsGUID(tenant) })
	return cmp.Or(
		form.When(f.Format != "azurestack-usage-hour/1", "UnreadableHeader"),
		form.When(!form.IsGUID(f.CloudID) || form.DashedGUID(f.CloudID) != f.cloudID, "OtherRegistration"),
		form.When(!start.Truncate(time.Hour).Equal(start) || !f.ReportedEnd.Equal(start.Add(time.Hour)), "WindowNotOneHour"),
		form.When(form.HourOf(start) != f.Hour, "NameDiffersFromContent"),
		form.When((f.Corrects != nil) != f.Corrected || twice || slices.ContainsFunc(f.ProviderSubscriptions, func(id string) bool { return !form.IsGUID(id) }), "UnreadableHeader"))
}

// Once reports whether the file counts, or counted once: one that an end took out is
// unregistered.
func (f *File) Once() bool {
	return form.Among(f.Text("verdict"), "accepted", "voided", "excluded") || f.Text("decision") == "exclude"
}

// UsageDays lists the days that the file is an input of as the column does.
func (f *File) UsageDays() string {
	days := slices.Sorted(maps.Keys(f.Days))
	if len(days) > 100 {
		return strings.Join(days[:100], ",") + fmt.Sprintf(",... (%d days)", len(days))
	}
	return strings.Join(days, ",")
}
