package ingest_test

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"stackusage/shared/landing"
)

// hashStep finds the lines of the file and hashes each of them and the file, with the
// standard library: no reader that checks a blob can do less.
func hashStep(args []byte) (func() (map[string]float64, error), error) {
	var f file
	if err := json.Unmarshal(args, &f); err != nil {
		return nil, err
	}
	return func() (map[string]float64, error) {
		var set landing.RowSet
		rows, _, err := eachLine(f, func(line []byte) error {
			set.AddRow(line)
			return nil
		})
		return map[string]float64{"rows": float64(rows)}, err
	}, nil
}

// eachLine goes through the rows of the file; the trailer is given back.
func eachLine(f file, row func(line []byte) error) (rows int, trailer []byte, err error) {
	in, err := os.Open(f.Path)
	if err != nil {
		return 0, nil, err
	}
	defer in.Close()
	sum := sha256.New()
	gz, err := gzip.NewReader(bufio.NewReaderSize(io.TeeReader(in, sum), 64<<10))
	if err != nil {
		return 0, nil, err
	}
	lines := bufio.NewScanner(gz)
	lines.Buffer(make([]byte, 64<<10), 16<<20)
	if !lines.Scan() {
		return 0, nil, errors.New("the file has no header")
	}
	for lines.Scan() {
		if strings.HasPrefix(lines.Text()[:min(12, len(lines.Bytes()))], `{"trailer":`) {
			trailer = slices.Clone(lines.Bytes())
			continue
		}
		rows++
		if err := row(lines.Bytes()); err != nil {
			return rows, nil, err
		}
	}
	if err := lines.Err(); err != nil {
		return rows, nil, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)[:8]); got != f.Name.SHA16 {
		return rows, nil, fmt.Errorf("the file has SHA-256 %s", got)
	}
	return rows, trailer, nil
}

// The afternoon loop does what IngestHour does in the way that comes to mind first:
// encoding/json for rows, math/big for quantities, a map for the sums. It checks what
// must hold of the file and of a row, and writes the partial.

type loopRow struct {
	Properties struct {
		SubscriptionID string      `json:"subscriptionId"`
		UsageStartTime time.Time   `json:"usageStartTime"`
		UsageEndTime   time.Time   `json:"usageEndTime"`
		InstanceData   string      `json:"instanceData"`
		Quantity       json.Number `json:"quantity"`
		MeterID        string      `json:"meterId"`
	} `json:"properties"`
}

type loopInstance struct {
	Resource struct {
		ResourceURI    string `json:"resourceUri"`
		Location       string `json:"location"`
		Tags           string `json:"tags"`
		AdditionalInfo string `json:"additionalInfo"`
	} `json:"Microsoft.Resources"`
}

type loopKey struct {
	Day                                                              string
	SubscriptionID, MeterID, ResourceURI, Location, Tags, Additional string
}

type loopSum struct {
	quantity *big.Rat
	rows     int
}

// loopLine is a line of the loop's partial.
type loopLine struct {
	loopKey
	Quantity string
	Rows     int
}

var loopGUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func afternoonStep(args []byte) (func() (map[string]float64, error), error) {
	var f file
	if err := json.Unmarshal(args, &f); err != nil {
		return nil, err
	}
	return func() (map[string]float64, error) {
		sums, set := map[loopKey]*loopSum{}, new(big.Int)
		rows, trailer, err := eachLine(f, func(line []byte) error {
			hash := sha256.Sum256(line)
			set.Add(set, new(big.Int).SetBytes(hash[:]))
			return addRow(sums, line, f.Name.Hour.End())
		})
		if err != nil {
			return nil, err
		}
		var last struct{ Trailer landing.Trailer }
		if err := json.Unmarshal(trailer, &last); err != nil {
			return nil, err
		}
		set.Mod(set, new(big.Int).Lsh(big.NewInt(1), 256))
		if got := fmt.Sprintf("%064x", set); got != last.Trailer.RowSetHash || int(last.Trailer.Records) != rows {
			return nil, fmt.Errorf("%d rows with the hash %s, the trailer says %+v", rows, got, last.Trailer)
		}
		return map[string]float64{"rows": float64(rows)}, writeSums(filepath.Join(f.Blobs, "partial.ndjson.gz"), sums)
	}, nil
}

// addRow checks a row and adds it up.
func addRow(sums map[loopKey]*loopSum, line []byte, reported time.Time) error {
	var row loopRow
	if err := json.Unmarshal(line, &row); err != nil {
		return err
	}
	p := row.Properties
	if !loopGUID.MatchString(p.SubscriptionID) || !loopGUID.MatchString(p.MeterID) {
		return fmt.Errorf("subscription %q, meter %q", p.SubscriptionID, p.MeterID)
	}
	if p.UsageEndTime.Sub(p.UsageStartTime) != time.Hour || p.UsageEndTime.After(reported) {
		return fmt.Errorf("window %s to %s", p.UsageStartTime, p.UsageEndTime)
	}
	var instance loopInstance
	if err := json.Unmarshal([]byte(p.InstanceData), &instance); err != nil {
		return err
	}
	r := instance.Resource
	if parts := strings.Split(r.ResourceURI, "/"); len(parts) < 9 || parts[1] != "subscriptions" || !loopGUID.MatchString(parts[2]) || r.Location == "" {
		return fmt.Errorf("resource %q", r.ResourceURI)
	}
	quantity, ok := new(big.Rat).SetString(p.Quantity.String())
	if !ok || quantity.Sign() < 0 {
		return fmt.Errorf("quantity %q", p.Quantity)
	}
	key := loopKey{p.UsageStartTime.UTC().Format(time.DateOnly), strings.ToLower(p.SubscriptionID), strings.ToLower(p.MeterID), r.ResourceURI, r.Location, r.Tags, r.AdditionalInfo}
	sum := sums[key]
	if sum == nil {
		sum = &loopSum{quantity: new(big.Rat)}
		sums[key] = sum
	}
	sum.quantity.Add(sum.quantity, quantity)
	sum.rows++
	return nil
}

// writeSums writes them in order of key.
func writeSums(path string, sums map[loopKey]*loopSum) error {
	keys := make([]loopKey, 0, len(sums))
	for key := range sums {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b loopKey) int {
		for _, c := range []int{strings.Compare(a.Day, b.Day), strings.Compare(a.SubscriptionID, b.SubscriptionID),
			strings.Compare(a.MeterID, b.MeterID), strings.Compare(a.ResourceURI, b.ResourceURI)} {
			if c != 0 {
				return c
			}
		}
		return 0
	})
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	gz := gzip.NewWriter(f)
	lines := json.NewEncoder(gz)
	for _, key := range keys {
		digits, _ := sums[key].quantity.FloatPrec()
		if err := lines.Encode(loopLine{key, sums[key].quantity.FloatString(digits), sums[key].rows}); err != nil {
			return err
		}
	}
	return errors.Join(gz.Close(), f.Close())
}
