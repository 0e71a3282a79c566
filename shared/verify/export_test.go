package verify

import (
	"cmp"
	"io"
)

// Doors for tests that hold the readers against those of the pipeline.

// ReadRow reads one row.
func ReadRow(text []byte, reported int64) (shown [6]string, at int64, quantity, code string) {
	u, code := readRow(text, hour(reported))
	if code != "" {
		return shown, 0, "", code
	}
	return u.Shown, int64(u.Hour), decimal(u.Quantity), ""
}

// ReadHour reads an hour blob.
func ReadHour(r io.Reader, cloudID string, reported int64, sha16 string) (code, rowSet string, rows int64, err error) {
	var b hourBlob
	err = readHour(r, blobName{cloudID, hour(reported), sha16, false}, &b, func(int64, []byte, bool) {})
	return b.code, b.rowSet, b.records, err
}

// SortTexts sorts texts as if each had so many bytes.
func SortTexts(dir string, texts []string, size int) (sorted []string, files int) {
	s := &sorter[string]{dir: dir, compare: cmp.Compare[string]}
	defer s.close()
	for _, text := range texts {
		s.put(text, size)
	}
	for range 2 { // it may be read again
		sorted = nil
		for text := range s.all() {
			sorted = append(sorted, text)
		}
	}
	return sorted, len(s.files)
}

// MaxMemory is what a sorter holds.
const MaxMemory = maxMemory
