package daily_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/shared/daily"
	"stackusage/shared/linefile"
	"stackusage/shared/usage"
)

func partialHeader(t failer) daily.PartialHeader {
	t.Helper()
	return daily.PartialHeader{
		Format: daily.PartialFormat, CloudID: cloudID, UsageDay: day10(t), ReportedHour: hour(t, "2019-12-10T19:00:00Z"),
		HourBlob: strings.Repeat("ab", 32), Region: "northwest", ProviderSubscriptions: []string{subscription},
		Tenants: map[string]string{subscription: billing}, TenantsStale: true,
	}
}

func writePartial(t failer, header daily.PartialHeader, sums []daily.Sum) ([]byte, linefile.File) {
	t.Helper()
	var b bytes.Buffer
	file, err := daily.WritePartial(&b, header, sequence(sums))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), file
}

// readPartial reads a partial to its end or to the first error.
func readPartial(r io.Reader) (sums []daily.Sum, err error) {
	p, err := daily.OpenPartial(r)
	if err != nil {
		return nil, err
	}
	for s, err := range p.Sums() {
		if err != nil {
			return sums, err
		}
		sums = append(sums, s)
	}
	return sums, nil
}

func threeSums(t testing.TB) []daily.Sum {
	t.Helper()
	var records []usage.Record
	for i, uri := range []string{"/a", "/b", "/C"} {
		s := shown()
		s.ResourceURI, s.Tags = uri, "<&>\u2028"
		for range i + 1 {
			records = append(records, record(t, s, "2019-12-10T18:00:00Z", "16.461425899527967"))
		}
	}
	return sumsOf(t, records...)
}

func TestAPartialIsReadAsItWasWritten(t *testing.T) {
	for name, sums := range map[string][]daily.Sum{"of three sums": threeSums(t), "without sums": nil} {
		t.Run(name, func(t *testing.T) {
			header := partialHeader(t)
			content, file := writePartial(t, header, sums)
			sum := sha256.Sum256(content)
			if file.SHA256 != hex.EncodeToString(sum[:]) || file.Size != int64(len(content)) || file.Lines != int64(len(sums)) {
				t.Errorf("got %+v", file)
			}
			p, err := daily.OpenPartial(iotest.OneByteReader(bytes.NewReader(content)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(header, p.Header()); diff != "" {
				t.Error(diff)
			}
			got := collect(t, p.Sums())
			if diff := cmp.Diff(views(sums), views(got)); diff != "" {
				t.Error(diff)
			}
			for i := range got {
				if got[i].Key() != sums[i].Key() {
					t.Errorf("sum %d has key %+v", i, got[i].Key())
				}
			}
		})
	}
}

func TestTheSameSumsGiveTheSameBytes(t *testing.T) {
	header := partialHeader(t)
	for i := range 50 {
		header.Tenants[fmt.Sprint(i)] = "tenant"
	}
	a, fa := writePartial(t, header, threeSums(t))
	b, fb := writePartial(t, header, threeSums(t))
	if !bytes.Equal(a, b) || fa != fb {
		t.Error("two writes differ")
	}
}

func TestAPartialCarriesAsManyTenantsAsAnHourBlobMay(t *testing.T) {
	header := partialHeader(t)
	for i := range 100_000 {
		header.Tenants[fmt.Sprintf("%08x-cfe9-4fcf-b90c-87f2af292fc9", i)] = fmt.Sprintf("%08x-2a53-4a8e-9a43-0c2d4c9f1b11", i)
	}
	content, _ := writePartial(t, header, threeSums(t))
	p, err := daily.OpenPartial(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if sums := collect(t, p.Sums()); len(sums) != 3 || len(p.Header().Tenants) != len(header.Tenants) {
		t.Errorf("%d sums, %d tenants", len(sums), len(p.Header().Tenants))
	}
}

func TestADamagedPartialIsAnError(t *testing.T) {
	sums := threeSums(t)
	content, _ := writePartial(t, partialHeader(t), sums)
	lines := gunzip(t, content) // header, three sums, trailer
	if len(lines) != 5 {
		t.Fatalf("%d lines", len(lines))
	}
	header, a, b, c, trailer := lines[0], lines[1], lines[2], lines[3], lines[4]
	if sums, err := readPartial(bytes.NewReader(zip(t, lines...))); err != nil || len(sums) != 3 {
		t.Fatalf("the sound lines: %d, %v", len(sums), err)
	}
	for name, content := range map[string][]byte{
		"no bytes":                    nil,
		"no gzip":                     []byte(strings.Join(lines, "")),
		"no lines":                    zip(t),
		"a header alone":              zip(t, header),
		"a header that is not JSON":   zip(t, "x\n", a, b, c, trailer),
		"another format":              zip(t, strings.Replace(header, daily.PartialFormat, daily.DayFormat, 1), a, b, c, trailer),
		"no trailer":                  zip(t, header, a, b, c),
		"no header":                   zip(t, a, b, c, trailer),
		"a line taken out":            zip(t, header, a, c, trailer),
		"all lines taken out":         zip(t, header, trailer),
		"a line put twice":            zip(t, header, a, a, b, c, trailer),
		"a line put for another":      zip(t, header, a, b, b, trailer),
		"lines in another order":      zip(t, header, b, a, c, trailer),
		"a line that is not JSON":     zip(t, header, a, "x\n", c, trailer),
		"a quantity that is none":     zip(t, header, a, strings.Replace(b, `"quantity":"`, `"quantity":"x`, 1), c, trailer),
		"a quantity as a number":      zip(t, header, strings.Replace(a, `"16.461425899527967"`, `16.461425899527967`, 1), b, c, trailer),
		"an hour beyond the day":      zip(t, header, strings.Replace(a, `"hours":[18]`, `"hours":[24]`, 1), b, c, trailer),
		"rows that do not add up":     zip(t, header, strings.Replace(a, `"rows":1`, `"rows":2`, 1), b, c, trailer),
		"a trailer of other rows":     zip(t, header, a, b, c, strings.Replace(trailer, `"rows":6`, `"rows":5`, 1)),
		"a trailer of other lines":    zip(t, header, a, b, c, strings.Replace(trailer, `"lines":3`, `"lines":2`, 1)),
		"a line after the trailer":    zip(t, header, a, b, c, trailer+"\n", c),
		"bytes after the gzip stream": append(bytes.Clone(content), 'x'),
	} {
		t.Run(name, func(t *testing.T) {
			if sums, err := readPartial(bytes.NewReader(content)); err == nil {
				t.Errorf("read, with %d sums", len(sums))
			}
		})
	}
}

func TestAPartialThatIsCutAnywhereIsAnError(t *testing.T) {
	content, _ := writePartial(t, partialHeader(t), threeSums(t))
	for what, cause := range map[string]error{
		"by its end":                   nil,
		"by a connection that reset":   errors.New("connection reset by peer"),
		"by a connection that was cut": io.ErrUnexpectedEOF,
		"by a connection that closed":  &url.Error{Op: "Get", URL: "https://x", Err: io.EOF},
	} {
		t.Run(what, func(t *testing.T) {
			for n := range len(content) {
				var r io.Reader = bytes.NewReader(content[:n])
				if cause != nil {
					r = io.MultiReader(r, iotest.ErrReader(cause))
				}
				if sums, err := readPartial(r); err == nil {
					t.Fatalf("after %d of %d bytes: read, with %d sums", n, len(content), len(sums))
				}
			}
		})
	}
}

func TestWritingAPartialReportsErrors(t *testing.T) {
	t.Run("of the sums", func(t *testing.T) {
		broken := func(yield func(daily.Sum, error) bool) { yield(daily.Sum{}, errors.New("run is gone")) }
		_, err := daily.WritePartial(io.Discard, partialHeader(t), broken)
		if err == nil || !strings.Contains(err.Error(), "run is gone") || !strings.Contains(err.Error(), "2019-12-10, hour 2019-12-10T19:00Z") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of the disk", func(t *testing.T) {
		content, _ := writePartial(t, partialHeader(t), threeSums(t))
		for room := 0; room < len(content); room += 8 {
			if _, err := daily.WritePartial(&failing{room}, partialHeader(t), sequence(threeSums(t))); err == nil {
				t.Fatalf("with room for %d of %d bytes", room, len(content))
			}
		}
	})
}

// failing takes a number of bytes and then no more.
type failing struct{ room int }

func (f *failing) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestMergingPartialsEqualsSummingAllRows(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		// Each group is one reported hour; all its rows are of one day here.
		var all []usage.Record
		var sequences []iter.Seq2[daily.Sum, error]
		for range rapid.IntRange(0, 4).Draw(t, "hours") {
			records := drawRecords(t)
			for i := range records {
				records[i].Hour = day10(t).First() + usage.Hour(records[i].Hour.OfDay())
			}
			all = append(all, records...)
			s := summer(t, base, 3, records)
			content, _ := writePartial(t, partialHeader(t), collect(t, s.Sums()))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			p, err := daily.OpenPartial(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			sequences = append(sequences, p.Sums())
		}
		s := summer(t, base, 1000, all)
		defer s.Close()
		want := views(collect(t, s.Sums()))
		order := rapid.Permutation(sequences).Draw(t, "order")
		if diff := cmp.Diff(want, views(collect(t, daily.Merge(order...)))); diff != "" {
			t.Fatal(diff)
		}
	})
}
