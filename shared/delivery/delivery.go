// Package delivery is the two files that accompany hour blobs which a person carries
// from a stack to Azure: the manifest of an export, and the receipt of an import.
// docs/formats/delivery.md describes them.
//
//	stackusage-agent export --to FOLDER         hour files, then manifest.json
//	stackusage import FOLDER                    receipt.json: what storage has
//	stackusage-agent export --confirm RECEIPT   these hours are uploaded
package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Names of the files in an exported folder, and their formats.
const (
	ManifestName   = "manifest.json"
	ManifestFormat = "stackusage-export/1"
	ReceiptName    = "receipt.json"
	ReceiptFormat  = "stackusage-receipt/1"
)

// maxFile bounds a manifest and a receipt in bytes: a file takes 200, and ten years of
// hours have 90,000.
const maxFile = 64 << 20

// Manifest lists the hour files of an exported folder.
type Manifest struct {
	Format  string     `json:"format"` // ManifestFormat
	CloudID string     `json:"cloudId"`
	From    usage.Hour `json:"from"`  // first reported hour
	To      usage.Hour `json:"to"`    // hour after the last one
	Files   []File     `json:"files"` // by name
}

// File is an hour file.
type File struct {
	Name   string `json:"name"` // landing.Name.File
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Receipt lists the hour files of an export that storage has.
type Receipt struct {
	Format  string    `json:"format"` // ReceiptFormat
	CloudID string    `json:"cloudId"`
	At      time.Time `json:"at"`    // when storage was read
	Files   []File    `json:"files"` // by name
}

// Add lists more files; one of a name that is listed stays as it is.
func (m *Manifest) Add(files ...File) {
	for _, f := range files {
		if i, there := slices.BinarySearchFunc(m.Files, f, byName); !there {
			m.Files = slices.Insert(m.Files, i, f)
		}
	}
	if len(m.Files) > 0 {
		first, _ := landing.ParseFile(m.CloudID, m.Files[0].Name)
		last, _ := landing.ParseFile(m.CloudID, m.Files[len(m.Files)-1].Name)
		m.From, m.To = first.Hour, last.Hour+1
	}
}

func byName(a, b File) int { return strings.Compare(a.Name, b.Name) }

// ReadManifest reads and checks the manifest at path. One that does not exist is
// fs.ErrNotExist.
func ReadManifest(path string) (m Manifest, err error) {
	if err = read(path, &m); err == nil {
		if err = check(m.Format, ManifestFormat, m.CloudID, m.Files); err == nil {
			again := Manifest{CloudID: m.CloudID}
			if again.Add(m.Files...); again.From != m.From || again.To != m.To {
				err = errors.New("from and to are not those of its files")
			}
		}
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest %s: %w", path, err)
	}
	return m, nil
}

// ReadReceipt reads and checks the receipt at path.
func ReadReceipt(path string) (r Receipt, err error) {
	if err = read(path, &r); err == nil {
		err = check(r.Format, ReceiptFormat, r.CloudID, r.Files)
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("read receipt %s: %w", path, err)
	}
	return r, nil
}

// Encode is the text of a manifest or a receipt.
func Encode[T Manifest | Receipt](v T) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", " ")
	return append(text, '\n'), err
}

// Hash is the SHA-256 of a file in hex, and its size.
func Hash(r io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

func read(path string, v any) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist // the path is in the caller's words
	}
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	if len(text) > maxFile {
		return fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return strictjson.UnmarshalKnown(text, v)
}

// check refuses what an export or an import would not have written.
func check(format, want, cloudID string, files []File) error {
	if format != want {
		return fmt.Errorf("format %.40q, want %s", format, want)
	}
	if usage.CheckGUID(cloudID) != nil || usage.DashedGUID(cloudID) != cloudID {
		return fmt.Errorf("cloudId %.60q is not a GUID in lower case with dashes", cloudID)
	}
	for i, f := range files {
		name, err := landing.ParseFile(cloudID, f.Name)
		if err != nil {
			return err
		}
		if b, bad := hex.DecodeString(f.SHA256); bad != nil || len(b) != 32 || f.SHA256[:16] != name.SHA16 {
			return fmt.Errorf("sha256 %.80q of %s is not that of its name", f.SHA256, f.Name)
		}
		if f.Size <= 0 {
			return fmt.Errorf("size %d of %s", f.Size, f.Name)
		}
		if i > 0 && files[i-1].Name >= f.Name {
			return fmt.Errorf("%s is listed twice or out of order", f.Name)
		}
	}
	return nil
}
