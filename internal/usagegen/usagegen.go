// Package usagegen makes the hour blobs of the benchmarks of record: rows with the
// shape, the names, the tags and the lengths of numbers that a real stack reported.
// The same rows and resources give the same bytes.
package usagegen

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// Seed begins all that is random.
const Seed = 7

// CloudID is the registration of all hour blobs.
const CloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// Region is the stack's name for itself.
const Region = "northwest"

// Reported is the reported hour of Hour.
var Reported = usage.HourOf(time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC))

// perPage is how many rows the stack gives at once.
const perPage = 1000

// Hour writes one hour blob: the rows go over the resources evenly, in a shuffled
// order. A resource has one meter, so a blob has as many sums as resources. The mean
// row has 920 bytes; half of the quantities are random floats, and two of a hundred
// have 20 and more digits or an exponent. The rows are compressed by the standard
// library at level 6, 70 bytes a row.
func Hour(w io.Writer, rows, resources int) (landing.Name, landing.Trailer, error) {
	return Blob{CloudID: CloudID, Hour: Reported, Rows: rows, Resources: resources}.Write(w)
}

// Blob says what an hour blob has.
type Blob struct {
	CloudID         string
	Hour            usage.Hour
	Day             usage.Day // that all rows are of; the zero day: they are of the hours before Hour
	Rows, Resources int
}

// Write writes the hour blob.
func (blob Blob) Write(w io.Writer) (landing.Name, landing.Trailer, error) {
	hour := blob.Hour
	fail := func(err error) (landing.Name, landing.Trailer, error) {
		return landing.Name{}, landing.Trailer{}, fmt.Errorf("write hour %s: %w", hour, err)
	}
	file := sha256.New()
	gz, err := gzip.NewWriterLevel(io.MultiWriter(w, file), 6)
	if err != nil {
		return fail(err)
	}
	line, err := json.Marshal(blob.header())
	if err != nil {
		return fail(err)
	}
	if _, err := gz.Write(append(line, '\n')); err != nil {
		return fail(err)
	}
	var set landing.RowSet
	for row := range blob.rows() {
		set.AddRow(row)
		if _, err := gz.Write(append(row, '\n')); err != nil {
			return fail(err)
		}
	}
	trailer := landing.Trailer{Records: int64(blob.Rows), Pages: (blob.Rows + perPage - 1) / perPage, RowSetHash: set.String()}
	line, err = json.Marshal(map[string]landing.Trailer{"trailer": trailer})
	if err != nil {
		return fail(err)
	}
	if _, err := gz.Write(append(line, '\n')); err != nil {
		return fail(err)
	}
	if err := gz.Close(); err != nil {
		return fail(err)
	}
	return landing.NameOf(blob.CloudID, hour, [sha256.Size]byte(file.Sum(nil))), trailer, nil
}

func (blob Blob) header() landing.Header {
	hour := blob.Hour
	return landing.Header{
		Format: landing.Format, CloudID: blob.CloudID, Region: Region, Domain: "azurestack.example",
		ReportedStart: hour.Start(), ReportedEnd: hour.End(), CollectedAt: hour.End().Add(90 * time.Minute), AgentVersion: "benchmark",
		ProviderSubscriptions: []string{provider}, Tenants: map[string]string{}, TenantsAt: hour.End(),
	}
}

// Rows goes through the rows that Hour writes for an hour. The bytes of a row are valid
// until the next one.
func Rows(hour usage.Hour, rows, resources int) func(yield func([]byte) bool) {
	return Blob{Hour: hour, Rows: rows, Resources: resources}.rows()
}

func (blob Blob) rows() func(yield func([]byte) bool) {
	rows, resources := blob.Rows, blob.Resources
	return func(yield func([]byte) bool) {
		g := newGenerator(blob)
		order := make([]uint32, rows)
		for i := range order {
			order[i] = uint32(i % resources)
		}
		g.random.Shuffle(rows, func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, resource := range order {
			if !yield(g.row(int(resource))) {
				return
			}
		}
	}
}

// source is a generator of random numbers for what belongs to one number of one kind.
func source(pcg *rand.PCG, kind, number uint64) *rand.PCG {
	pcg.Seed(Seed<<32|kind, number)
	return pcg
}
