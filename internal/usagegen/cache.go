package usagegen

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"stackusage/shared/landing"
)

// Cached is the path and the name of the hour blob of Hour. It is made once: the user's
// folder of caches keeps it, under a name that depends on the bytes that the generator
// and the compressor make. A file with other bytes than its name says is made again.
func Cached(rows, resources int) (path string, name landing.Name, err error) {
	folder, err := folder()
	if err != nil {
		return "", name, err
	}
	prefix := fmt.Sprintf("hour-%d-%d-", rows, resources)
	found, err := filepath.Glob(filepath.Join(folder, prefix+"*"+landing.Suffix))
	if err != nil {
		return "", name, err
	}
	for _, path := range found {
		sum, err := hashOf(path)
		if err != nil {
			return "", name, err
		}
		if name := landing.NameOf(CloudID, Reported, sum); filepath.Base(path) == prefix+name.SHA16+landing.Suffix {
			return path, name, nil
		}
		os.Remove(path)
	}
	f, err := os.CreateTemp(folder, "making-")
	if err != nil {
		return "", name, err
	}
	defer os.Remove(f.Name())
	name, _, err = Hour(f, rows, resources)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", name, err
	}
	path = filepath.Join(folder, prefix+name.SHA16+landing.Suffix)
	return path, name, os.Rename(f.Name(), path)
}

// folder is where the hour blobs of this generator are kept. The hash of a small one
// stands for the generator, and for the compressor of the Go that built it.
func folder() (string, error) {
	root, err := os.UserCacheDir()
	if err != nil {
		root = os.TempDir()
	}
	small := sha256.New()
	if _, _, err := Hour(small, 500, 100); err != nil {
		return "", err
	}
	path := filepath.Join(root, "stackusage-bench", hex.EncodeToString(small.Sum(nil)[:8]))
	return path, os.MkdirAll(path, 0o777)
}

func hashOf(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	return [sha256.Size]byte(hash.Sum(nil)), err
}
