// Package landing is the hour blob: what the agent on a stack drops, and what
// the Azure side reads. Format azurestack-usage-hour/1, docs/formats/hour-blob.md.
//
//	gzip( header line, one line per row as the API sent it, trailer line )
//
// A blob is rejected whole or its rows are validated one by one; Reader answers the
// first question, package usage the second. Both sides stream: memory does not
// grow with the number of rows.
package landing

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"regexp"
	"strings"
	"time"

	"stackusage/shared/usage"
)

// Format names the layout of an hour blob in its header.
const Format = "azurestack-usage-hour/1"

// Suffix ends the name of every hour blob.
const Suffix = ".ndjson.gz"

// ProbePrefix begins the names of the agent's self-test; everything ignores them, as
// all names of Aside.
const ProbePrefix = "_probe/"

// containerPrefix and the registration's cloudId make the container's name.
const containerPrefix = "landing-"

// Header is the first line of an hour blob.
type Header struct {
	Format        string    `json:"format"`
	CloudID       string    `json:"cloudId"`       // of the registration, lower case with dashes
	Region        string    `json:"region"`        // the stack's own name
	Domain        string    `json:"domain"`        // the stack's external domain name
	ReportedStart time.Time `json:"reportedStart"` // UTC, on the hour
	ReportedEnd   time.Time `json:"reportedEnd"`   // one hour later
	CollectedAt   time.Time `json:"collectedAt"`
	AgentVersion  string    `json:"agentVersion"`

	// ProviderSubscriptions are the stack's infrastructure subscriptions, whose
	// usage is reported and free.
	ProviderSubscriptions []string `json:"providerSubscriptions"`
	// Tenants maps a stack subscription to its directory tenant, as known when
	// the hour was collected; TenantsStale says that it is an older map, TenantsAt
	// when the stack was asked for it. Zero: not known.
	Tenants      map[string]string `json:"tenants"`
	TenantsStale bool              `json:"tenantsStale"`
	TenantsAt    time.Time         `json:"tenantsAt,omitzero"`
	// PartialSource lists the subscribers that were asked one by one, where the
	// stack could not answer for all at once.
	PartialSource []string `json:"partialSource,omitempty"`
	// Corrects is only in the header of a corrected blob (corrected.go).
	Corrects *Corrects `json:"corrects,omitempty"`
}

// Trailer is the last line of an hour blob, inside {"trailer": ...}.
type Trailer struct {
	Records    int64  `json:"records"`
	Pages      int    `json:"pages"`
	RowSetHash string `json:"rowSetHash"` // 64 hex digits, see RowSet
}

type trailerLine struct {
	Trailer *Trailer `json:"trailer"`
}

// RowSet is the hash of a set of rows: the sum modulo 2^256 of the SHA-256 of
// each record line, so that the order of pages does not matter. The zero value
// is the empty set.
type RowSet struct{ limbs [4]uint64 } // least significant first

// Add reads a line by its SHA-256.
func (s *RowSet) Add(sum [sha256.Size]byte) {
	var carry uint64
	for i := range s.limbs {
		s.limbs[i], carry = bits.Add64(s.limbs[i], binary.BigEndian.Uint64(sum[24-8*i:]), carry)
	}
}

// AddRow reads a row by its bytes.
func (s *RowSet) AddRow(row []byte) { s.Add(sha256.Sum256(row)) }

// String is the hash as 64 hex digits.
func (s *RowSet) String() string {
	var b [sha256.Size]byte
	for i, limb := range s.limbs {
		binary.BigEndian.PutUint64(b[24-8*i:], limb)
	}
	return hex.EncodeToString(b[:])
}

// Name is where an hour blob lies.
type Name struct {
	CloudID string // lower case with dashes
	Hour    usage.Hour
	SHA16   string // first 16 hex digits of the SHA-256 of the file

	Corrected bool // a corrected blob, which the app itself wrote
}

// NameOf names the file with the given SHA-256.
func NameOf(cloudID string, hour usage.Hour, sum [sha256.Size]byte) Name {
	return Name{CloudID: cloudID, Hour: hour, SHA16: hex.EncodeToString(sum[:8])}
}

// Container is the registration's own container; of a corrected blob, the one that
// the app has for those of all registrations.
func (n Name) Container() string {
	if n.Corrected {
		return CorrectedContainer
	}
	return Container(n.CloudID)
}

// Container is the container of a registration's hour blobs.
func Container(cloudID string) string { return containerPrefix + cloudID }

// Blob is the name inside the container: 2019/12/10/19-0123456789abcdef.ndjson.gz,
// of a corrected blob with the registration in front.
func (n Name) Blob() string {
	blob := n.Hour.Start().Format("2006/01/02/15") + "-" + n.SHA16 + Suffix
	if n.Corrected {
		return n.CloudID + "/" + blob
	}
	return blob
}

// File is the name of the file on a disk: 2019121019-0123456789abcdef.ndjson.gz. The
// spool of an agent and the folder of an export have it.
func (n Name) File() string { return n.Hour.Compact() + "-" + n.SHA16 + Suffix }

// ParseFile reads what File wrote for a file of the given registration. It refuses
// whatever File would not write.
func ParseFile(cloudID, file string) (Name, error) {
	hour, rest, _ := strings.Cut(file, "-")
	h, err := usage.ParseCompactHour(hour)
	sha16, ok := strings.CutSuffix(rest, Suffix)
	if b, bad := hex.DecodeString(sha16); err != nil || !ok || bad != nil || len(b) != 8 || sha16 != strings.ToLower(sha16) {
		return Name{}, fmt.Errorf("%.80q is not the name of an hour file", file)
	}
	return Name{CloudID: cloudID, Hour: h, SHA16: sha16}, nil
}

// String is container and blob, for logs and errors.
func (n Name) String() string { return n.Container() + "/" + n.Blob() }

var blobPattern = regexp.MustCompile(`^(\d{4})/(\d{2})/(\d{2})/(\d{2})-([0-9a-f]{16})\.ndjson\.gz$`)

// ParseName reads a name. It refuses whatever Name would not write, path
// tricks included.
func ParseName(container, blob string) (Name, error) {
	cloudID, ok := strings.CutPrefix(container, containerPrefix)
	corrected := container == CorrectedContainer
	if corrected {
		cloudID, blob, ok = strings.Cut(blob, "/")
	}
	if !ok || usage.CheckGUID(cloudID) != nil || usage.DashedGUID(cloudID) != cloudID {
		return Name{}, fmt.Errorf("parse container %.80q: not landing-{cloudId}, the cloudId in lower case", container)
	}
	m := blobPattern.FindStringSubmatch(blob)
	if m == nil {
		return Name{}, fmt.Errorf("parse blob name %.120q: not of the form 2019/12/10/19-0123456789abcdef%s", blob, Suffix)
	}
	hour, err := usage.ParseCompactHour(strings.Join(m[1:5], ""))
	if err != nil {
		return Name{}, fmt.Errorf("parse blob name %.120q: %w", blob, err)
	}
	return Name{CloudID: cloudID, Hour: hour, SHA16: m[5], Corrected: corrected}, nil
}

// Rejection says why a blob is refused whole. It is stored, so its codes are
// public and do not change.
type Rejection struct {
	Code    string // one of the Rejected... constants
	Reason  string // a sentence for people
	LimitOf string // the limit that it is about, where that is not the code's: OfDisk
}

// OfDisk is the limit of temporary disk. A blob over it is RejectedTooLarge, too.
const OfDisk = "disk"

// Error makes a Rejection an error; Reader returns it wrapped or bare.
func (r *Rejection) Error() string { return r.Code + ": " + r.Reason }

// Codes of rejections.
const (
	RejectedGzip         = "NotGzip"
	RejectedCutShort     = "CutShort"
	RejectedName         = "NameDiffersFromContent"
	RejectedHash         = "RowSetHashDiffers"
	RejectedCount        = "RecordCountDiffers"
	RejectedHeader       = "UnreadableHeader"
	RejectedRegistration = "OtherRegistration"
	RejectedWindow       = "WindowNotOneHour"
	RejectedTooLarge     = "TooLarge"
	RejectedTooManyRows  = "TooManyRows"
	RejectedTrailer      = "NoTrailer"
	RejectedAfterEnd     = "BytesAfterTheEnd"
	RejectedNotOver      = "HourNotOver"
)

// maxReason bounds a reason: it may quote the blob, and is stored in a table.
const maxReason = 1000 // characters

func reject(code, format string, args ...any) *Rejection {
	return &Rejection{Code: code, Reason: fmt.Sprintf("%.*s", maxReason, fmt.Sprintf(format, args...))}
}

// maxAhead is how far a stack's clock may be ahead of the storage's.
const maxAhead = time.Hour

// CheckOver rejects a blob whose reported hour was not over when it was stored:
// nobody can report all of it, and its usage day would stay open until it comes.
func CheckOver(name Name, storedAt time.Time) error {
	if end := name.Hour.End(); end.After(storedAt.Add(maxAhead)) {
		return reject(RejectedNotOver, "the reported hour ends at %s, and the blob was stored at %s: a clock is wrong",
			usage.Point(end), usage.Point(storedAt))
	}
	return nil
}
