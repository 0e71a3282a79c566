package gz_test

import (
	"bufio"
	"bytes"
	stdgzip "compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"stackusage/shared/gz"
)

// sample is text like that of the files of this app, the same on every machine.
func sample(rows int) string {
	random := rand.New(rand.NewPCG(7, 7))
	var text strings.Builder
	for n := range rows {
		id := random.Uint64N(uint64(rows))
		fmt.Fprintf(&text, `{"id":"/subscriptions/%016x/providers/Microsoft.Commerce/UsageAggregate/%[1]x","properties":{"subscriptionId":"%016[1]x","quantity":%d.%d,"meterId":"%x"}}`+"\n",
			id*2654435761, n, random.Uint64(), id%40)
	}
	for range 3000 { // what does not compress
		text.WriteByte(byte(random.Uint32()))
	}
	return text.String()
}

// zip compresses a text in pieces of up to the given number of bytes.
func zip(t *testing.T, text string, piece int) []byte {
	t.Helper()
	var file bytes.Buffer
	w := gz.NewWriter(&file)
	for left := text; len(left) > 0; {
		n := min(piece, len(left))
		if _, err := io.WriteString(w, left[:n]); err != nil {
			t.Fatal(err)
		}
		left = left[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// pinned are the bytes of files that another release of the compressor would change: a
// repeat across such a release does not write the names of before.
var pinned = map[string]string{
	"nothing":   "d745de7aeb2aad43aa42c3327d96aa9359fc28454e5bb26877b6bbe9501e8eff",
	"a byte":    "9f0843c62fb2937e8fc23d0521212f4e5f043b20f804ae29da6be68b460f806a",
	"rows":      "2913577e78ac969caff594d3fd64250b6aa76a52da4a6b3ee8ba81f34c9bbaac",
	"many rows": "c73fc6f7dd03a50c7291a563d20d5a16cc8322f03b120a1243bae5027bb88949",
}

var texts = map[string]string{"nothing": "", "a byte": "a", "rows": sample(500), "many rows": sample(30_000)}

// TestBytes: the same content gives the same bytes, whatever processor and build it is,
// in whatever pieces it comes, and whatever the compressor wrote before.
func TestBytes(t *testing.T) {
	for range 2 {
		for name, text := range texts {
			for _, piece := range []int{len(text) + 1, 1 << 16, 4097, 7} {
				file := zip(t, text, piece)
				if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != pinned[name] {
					t.Errorf("%s in pieces of %d: %d bytes of SHA-256 %x, want %s", name, piece, len(file), sum, pinned[name])
				}
			}
		}
	}
}

// TestBytesOfOtherBuilds runs TestBytes without assembly, and on a processor of 32 bits
// where this machine has one.
func TestBytesOfOtherBuilds(t *testing.T) {
	if testing.Short() || os.Getenv("GZ_OTHER_BUILD") != "" {
		t.Skip("one build inside the other")
	}
	t.Parallel()
	builds := map[string][]string{"without assembly": {"GOFLAGS=-tags=noasm,purego,nounsafe"}}
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		builds["of 32 bits"] = []string{"GOARCH=386"}
	}
	if runtime.GOARCH != "arm64" && exec.Command("qemu-aarch64", "--version").Run() == nil {
		builds["arm64"] = []string{"GOARCH=arm64"}
	}
	for name, env := range builds {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("go", "test", "-count=1", "-run", "^TestBytes$", ".")
			if name == "arm64" {
				cmd.Args = append(cmd.Args, "-exec", "qemu-aarch64")
			}
			cmd.Env = append(append(os.Environ(), "GZ_OTHER_BUILD=1", "CGO_ENABLED=0"), env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestReader reads what other programs wrote, and several members, from any source.
func TestReader(t *testing.T) {
	var other bytes.Buffer
	w := stdgzip.NewWriter(&other)
	for _, text := range []string{texts["rows"], "", texts["many rows"]} {
		w.Reset(&other)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	want := texts["rows"] + texts["many rows"]
	files := map[string][]byte{
		"of compress/gzip": other.Bytes(),
		"of this package":  append(zip(t, texts["rows"], 1000), zip(t, texts["many rows"], 1000)...),
	}
	for name, file := range files {
		for _, source := range []io.Reader{bytes.NewReader(file), bufio.NewReader(bytes.NewReader(file)), iotest.OneByteReader(bytes.NewReader(file))} {
			r, err := gz.NewReader(source)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != want {
				t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(want))
			}
		}
		plain, err := stdgzip.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(plain); err != nil || string(got) != want {
			t.Errorf("%s, read by compress/gzip: %d bytes, %v; want %d", name, len(got), err, len(want))
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestAFailedWriter(t *testing.T) {
	w := gz.NewWriter(failing{})
	if _, err := w.Write([]byte("a")); err == nil {
		t.Error("no error of Write")
	}
	if err := w.Close(); err == nil {
		t.Error("no error of Close")
	}
	if _, err := w.Write([]byte("a")); err == nil {
		t.Error("written after Close: into the file of another")
	}
	var file bytes.Buffer
	next := gz.NewWriter(&file)
	if err := errors.Join(next.Close(), next.Close()); err != nil || file.Len() == 0 {
		t.Errorf("the next file has %d bytes, %v", file.Len(), err)
	}
}
