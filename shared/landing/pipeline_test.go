package landing_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// plain reads the lines of a blob in one loop and checks no header: lines is what comes
// before the last, code why that is not a sound end.
func plain(file []byte, limits landing.Limits) (lines []string, long []int64, code string) {
	source := bufio.NewReader(bytes.NewReader(file))
	unzip, err := gzip.NewReader(source)
	if err != nil || file[3]>>5 != 0 { // reserved bits, which compress/gzip lets pass
		return nil, nil, landing.RejectedGzip
	}
	unzip.Multistream(false)
	in := bufio.NewReader(unzip)
	taken := int64(0)
	ahead, have := "", false
	for n := int64(0); ; n++ {
		text, err := in.ReadString('\n')
		taken += int64(len(text))
		switch {
		case taken > limits.Bytes:
			return lines, long, landing.RejectedTooLarge
		case err == io.EOF && text == "":
			if _, err := source.ReadByte(); err == nil {
				return lines, long, landing.RejectedAfterEnd
			}
			return lines, long, ""
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
			return lines, long, landing.RejectedCutShort
		case err != nil:
			return lines, long, landing.RejectedGzip
		case n-1 > limits.Rows:
			return lines, long, landing.RejectedTooManyRows
		}
		if have {
			lines = append(lines, ahead)
		}
		text = text[:len(text)-1]
		if have = n > 0; have {
			if ahead = text[:min(len(text), usage.MaxLine)]; len(text) > usage.MaxLine {
				long = append(long, n)
			}
		}
	}
}

// same compares a reader with the plain one.
func same(t *testing.T, what string, source io.Reader, file []byte, limits landing.Limits) {
	t.Helper()
	rows, long, code := plain(file, many)
	broken := code == landing.RejectedGzip || code == landing.RejectedCutShort
	if broken { // the last bytes before the fault may be given or not: so is what meets a limit there
		limits = many
	} else {
		rows, long, code = plain(file, limits)
	}
	got, err := read(source, nameOf(t, file), limits)
	gotCode := ""
	if rejection, is := errors.AsType[*landing.Rejection](err); is {
		gotCode = rejection.Code
	} else if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	// What the plain reader does not look at. Rows are handed out before it is.
	if code == "" || code == landing.RejectedAfterEnd {
		switch gotCode {
		case landing.RejectedTrailer, landing.RejectedCount, landing.RejectedHash:
			gotCode = code
		}
	}
	switch gotCode {
	case landing.RejectedHeader, landing.RejectedRegistration, landing.RejectedWindow, landing.RejectedName:
		return
	}
	if len(got.rows) == 0 && len(rows) == 0 && gotCode == landing.RejectedTrailer {
		return // ends behind the header
	}
	if gotCode != code {
		t.Fatalf("%s: %q, a plain loop says %q", what, gotCode, code)
	}
	if broken && len(got.rows) < len(rows) {
		rows = rows[:len(got.rows)]
	}
	if len(got.rows) != len(rows) {
		t.Fatalf("%s: %d rows, a plain loop gives %d", what, len(got.rows), len(rows))
	}
	for i := range rows {
		if got.rows[i] != rows[i] {
			t.Fatalf("%s: row %d differs", what, i+1)
		}
	}
	for len(long) > 0 && int(long[len(long)-1]) > len(rows) {
		long = long[:len(long)-1] // the trailer's line
	}
	if len(long) != len(got.long) {
		t.Fatalf("%s: lines %v are too long, a plain loop says %v", what, got.long, long)
	}
}

var many = landing.Limits{Bytes: 1 << 40, Rows: 1 << 40}

// randomFile is an hour blob of rows of all lengths, around those of the blocks too.
func randomFile(t testing.TB, random *rand.Rand, size int) []byte {
	var rows []string
	for size > 0 {
		n := random.IntN(1200)
		switch random.IntN(60) {
		case 0:
			n = 0
		case 1:
			n = usage.MaxLine - 2 + random.IntN(5)
		case 2:
			n = random.IntN(1 << 20)
		}
		row := strings.Repeat(string(rune('a'+random.IntN(26))), n)
		rows = append(rows, row)
		size -= n + 1
	}
	return goodBlob(t, rows...).bytes(t)
}

func TestAReaderReadsAsAPlainLoopDoes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 20 {
		file := randomFile(t, random, 1<<uint(10+n%13))
		same(t, "whole", bytes.NewReader(file), file, many)
		same(t, "limited", bytes.NewReader(file), file, landing.Limits{Bytes: 1 + random.Int64N(1<<20), Rows: 1 + random.Int64N(50)})
		same(t, "byte by byte", iotest.OneByteReader(bytes.NewReader(file)), file, many)
		same(t, "with its end", iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(file))), file, many)
		for range 30 {
			cut := file[:random.IntN(len(file))]
			same(t, "cut", bytes.NewReader(cut), cut, many)
			flipped := bytes.Clone(file)
			flipped[random.IntN(len(file))] ^= 1 << random.IntN(8)
			same(t, "a bit flipped", bytes.NewReader(flipped), flipped, many)
		}
	}
	file := goodBlob(t, `{"a":1}`, "", strings.Repeat("b", 300)).bytes(t)
	for n := range len(file) {
		same(t, "cut anywhere", iotest.OneByteReader(bytes.NewReader(file[:n])), file[:n], many)
		for bit := range 8 {
			flipped := bytes.Clone(file)
			flipped[n] ^= 1 << bit
			same(t, "any bit flipped", bytes.NewReader(flipped), flipped, many)
		}
	}
}

// FuzzReaderAgainstPlain compares the reader with a plain loop, for any bytes and for
// any text in a sound gzip stream behind a good header.
func FuzzReaderAgainstPlain(f *testing.F) {
	good := goodBlob(f, `{"a":1}`, `{"a":2}`)
	f.Add(good.bytes(f), false, int64(1<<20), int64(1000))
	f.Add([]byte("a\nb\n\n"+good.trailer+"\n"), true, int64(600), int64(2))
	f.Add(bytes.Repeat([]byte("row\n"), 1000), true, int64(1<<20), int64(1<<20))
	f.Fuzz(func(t *testing.T, content []byte, pack bool, most, rows int64) {
		if pack {
			content = zip(t, good.header+"\n"+string(content))
		}
		limits := landing.Limits{Bytes: max(most, 1), Rows: max(rows, 1)}
		same(t, "fuzzed", bytes.NewReader(content), content, limits)
	})
}

// watched is a source that notes reads behind the end of its reader.
type watched struct {
	io.Reader
	reading, closed atomic.Bool
	late            atomic.Int32
}

func (w *watched) Read(p []byte) (int, error) {
	w.reading.Store(true)
	defer w.reading.Store(false)
	if w.closed.Load() {
		w.late.Add(1)
	}
	n, err := w.Reader.Read(p)
	if w.closed.Load() {
		w.late.Add(1)
	}
	return n, err
}

// TestNothingIsLeftBehindClose: whoever stops anywhere leaves no goroutine, and nothing
// reads the source any more.
func TestNothingIsLeftBehindClose(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	text := make([]byte, 5<<20)
	for i := range text {
		if text[i] = byte('a' + random.IntN(26)); i%900 == 0 {
			text[i] = '\n'
		}
	}
	file := goodBlob(t, strings.Split(string(text), "\n")...).bytes(t)
	damaged := bytes.Clone(file)
	damaged[len(file)/2] ^= 1
	before := runtime.NumGoroutine()
	for name, tt := range map[string]struct {
		file   []byte
		limits landing.Limits
		fails  error
	}{
		"a good blob":          {file, many, nil},
		"a damaged one":        {damaged, many, nil},
		"a cut one":            {file[:len(file)/2], many, nil},
		"one that is too long": {file, landing.Limits{Bytes: 3 << 20}, nil},
		"one of too many rows": {file, landing.Limits{Rows: 2000}, nil},
		"of a broken source":   {file[:len(file)/2], many, errors.New("broken")},
		"with a wrong header":  {zip(t, string(text)), many, nil},
	} {
		for _, stop := range []int{0, 1, 300, 1999, 1 << 30} {
			var source io.Reader = bytes.NewReader(tt.file)
			if tt.fails != nil {
				source = cut(tt.file, len(tt.file), tt.fails)
			}
			w := &watched{Reader: iotest.HalfReader(source)}
			r, err := landing.NewReader(w, nameOf(t, tt.file), tt.limits)
			for n := 0; err == nil && n < stop; n++ {
				_, err = r.Next()
			}
			if r != nil {
				if err != nil {
					if _, again := r.Next(); again != err {
						t.Errorf("%s: after %v comes %v", name, err, again)
					}
				}
				if err := errors.Join(r.Close(), r.Close()); err != nil {
					t.Error(err)
				}
				if _, err := r.Next(); err == nil {
					t.Errorf("%s: read after Close", name)
				}
			}
			if w.reading.Load() {
				t.Errorf("%s, stopped after %d rows: the source is being read after Close", name, stop)
			}
			w.closed.Store(true)
			for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if n := runtime.NumGoroutine(); n > before {
				t.Fatalf("%s, stopped after %d rows: %d goroutines, %d before", name, stop, n, before)
			}
			if n := w.late.Load(); n > 0 {
				t.Errorf("%s, stopped after %d rows: %d reads after Close", name, stop, n)
			}
		}
	}
}

// TestASourceThatPanicsIsAnError: on a goroutine of the reader, a panic would end the
// process.
func TestASourceThatPanicsIsAnError(t *testing.T) {
	file, name, _ := write(t, goodHeader(), `{"a":1}`)
	first := io.MultiReader(bytes.NewReader(file[:20]), panics{})
	_, err := read(first, name, landing.Limits{})
	if _, is := errors.AsType[*landing.Rejection](err); err == nil || is || !strings.Contains(err.Error(), "out of luck") {
		t.Error(err)
	}
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("out of luck") }

// TestReadingAllocatesNothingPerRow: rows are parts of blocks, which are used again.
func TestReadingAllocatesNothingPerRow(t *testing.T) {
	row := strings.Repeat("x", 900)
	allocated := func(rows int) uint64 {
		all := make([]string, rows)
		for i := range all {
			all[i] = row
		}
		file, name, _ := write(t, goodHeader(), all...)
		var before, after runtime.MemStats
		for range 2 { // the first warms the pool
			r, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&before)
			for err == nil {
				_, err = r.Next()
			}
			runtime.ReadMemStats(&after)
			if r.Close(); err != io.EOF {
				t.Fatal(err)
			}
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	// At most the blocks, if the pool was emptied meanwhile.
	if few, many := allocated(1000), allocated(20_000); many > few+3<<20 {
		t.Errorf("%d bytes are allocated for 1,000 rows, %d for 20,000", few, many)
	}
}
