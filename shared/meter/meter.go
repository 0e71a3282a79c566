// Package meter is the catalogue of the stack's local meters: what each one
// counts, in which unit, whether it may cost anything, and commerce's own meter
// where that is public. The list is meters.csv beside this file.
//
// A meter that is not listed is legitimate (custom App Service worker tiers
// have generated ids): it is forwarded and flagged, never dropped.
package meter

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"strings"
)

// Class says what commerce may do with a line of this meter.
type Class string

// Classes. Full and Unknown may cost something, the others never do.
const (
	Full          Class = "full"          // usage of a user's workload
	Admin         Class = "admin"         // usage of the stack's own infrastructure
	Informational Class = "informational" // comes beside another meter; charging it too would bill twice
	Unknown       Class = "unknown"       // not in the catalogue
)

// Meter is one entry of the catalogue.
type Meter struct {
	ID              string // lower case with dashes
	Name            string
	Unit            string // of a quantity: "vCPU hours", "GB*hours", ...
	Service         string
	Class           Class
	Deprecated      bool
	CommerceID      string // commerce's meter for user workloads, "" where it is not public
	AdminCommerceID string // commerce's meter for infrastructure, "" where it is not public
	Note            string
}

// Catalogue finds meters by id.
type Catalogue struct {
	byID   map[string]Meter
	text   []byte
	sha256 string
}

//go:embed meters.csv
var builtIn []byte

// BuiltIn is the catalogue that comes with the program.
func BuiltIn() (*Catalogue, error) { return Parse(builtIn) }

var columns = []string{"meter_id", "name", "unit", "service", "class", "deprecated", "commerce_meter_id", "admin_commerce_meter_id", "note"}

// Parse reads a catalogue in the layout of meters.csv.
func Parse(text []byte) (*Catalogue, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = len(columns)
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read meter catalogue: %w", err)
	}
	if len(rows) == 0 || strings.Join(rows[0], ",") != strings.Join(columns, ",") {
		return nil, fmt.Errorf("read meter catalogue: the first line must be %s", strings.Join(columns, ","))
	}
	sum := sha256.Sum256(text)
	c := &Catalogue{byID: make(map[string]Meter, len(rows)-1), text: bytes.Clone(text), sha256: hex.EncodeToString(sum[:])}
	for i, row := range rows[1:] {
		m := Meter{
			ID: strings.ToLower(row[0]), Name: row[1], Unit: row[2], Service: row[3], Class: Class(row[4]),
			Deprecated: row[5] == "yes", CommerceID: row[6], AdminCommerceID: row[7], Note: row[8],
		}
		switch {
		case len(m.ID) != 36:
			return nil, fmt.Errorf("read meter catalogue: line %d: meter_id %q: not a GUID with dashes", i+2, row[0])
		case m.Class != Full && m.Class != Informational:
			return nil, fmt.Errorf("read meter catalogue: line %d: class %q: full or informational", i+2, row[4])
		case row[5] != "yes" && row[5] != "no":
			return nil, fmt.Errorf("read meter catalogue: line %d: deprecated %q: yes or no", i+2, row[5])
		}
		if _, twice := c.byID[normal(m.ID)]; twice {
			return nil, fmt.Errorf("read meter catalogue: line %d: meter %s stands twice", i+2, m.ID)
		}
		c.byID[normal(m.ID)] = m
	}
	return c, nil
}

// Find looks a meter up by id, in any case, with or without dashes.
func (c *Catalogue) Find(id string) (Meter, bool) {
	m, ok := c.byID[normal(id)]
	return m, ok
}

// Bytes is the text that the catalogue was read from. The caller does not change it.
func (c *Catalogue) Bytes() []byte { return c.text }

// SHA256 is the hash of Bytes, 64 hex digits. A usage day records it, so that it
// can be read again by what it was settled with.
func (c *Catalogue) SHA256() string { return c.sha256 }

// Len is the number of meters.
func (c *Catalogue) Len() int { return len(c.byID) }

func normal(id string) string { return strings.ToLower(strings.ReplaceAll(id, "-", "")) }
