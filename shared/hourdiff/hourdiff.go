// Package hourdiff compares two hour blobs of one reported hour, row by row: whoever
// decides which of them is accepted must know what they differ in.
//
// Rows that sum up together in a bill are one row here: usage of the same meter, resource
// and usage hour, with the same location, tags and additional info. A row that no rule can
// read is known by its bytes. Memory does not grow with the files: sums spill to disk.
package hourdiff

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"stackusage/shared/content"
	"stackusage/shared/landing"
	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// Kind is how a row differs.
type Kind string

// Kinds. Their values are public: they are in the JSON.
const (
	OnlyFirst  Kind = "onlyInFirst"
	OnlySecond Kind = "onlyInSecond"
	Quantities Kind = "otherQuantity"
	Rows       Kind = "otherNumberOfRows" // of the same sum
)

// Row is what two files have of one row.
type Row struct {
	Kind Kind `json:"difference,omitempty"`
	usage.Shown
	Hour     *usage.Hour `json:"usageHour,omitempty"`
	Code     string      `json:"code,omitempty"`   // why no rule can read it
	Text     string      `json:"row,omitempty"`    // its beginning, where no rule can read it
	Hash     string      `json:"sha256,omitempty"` // of its bytes, the same
	First    Amount      `json:"first"`
	Second   Amount      `json:"second"`
	identity key
}

// Amount is what one file has of a row.
type Amount struct {
	Rows     int64          `json:"rows"`
	Quantity usage.Quantity `json:"quantity"`
}

func (a *Amount) add(b Amount) {
	a.Rows += b.Rows
	a.Quantity = a.Quantity.Add(b.Quantity)
}

type key struct {
	usage.Key
	hour usage.Hour
	hash string // of a row that no rule can read
}

// shownText is how many bytes of a row that no rule can read are kept.
const shownText = 200

var rules = spill.Rules[key, Row]{
	Key: func(r Row) key { return r.identity },
	Compare: func(a, b Row) int {
		return cmp.Or(a.identity.Compare(b.identity.Key), cmp.Compare(a.identity.hour, b.identity.hour), cmp.Compare(a.identity.hash, b.identity.hash))
	},
	Add: func(total *Row, next Row) {
		total.Shown = total.Shown.Least(next.Shown)
		total.First.add(next.First)
		total.Second.add(next.Second)
	},
	Size: func(r Row) int {
		return 500 + 2*len(r.ResourceURI) + len(r.Location) + len(r.Tags) + len(r.AdditionalInfo) + len(r.Text)
	},
	Write: func(r Row) any { return r },
	Read: func(decode func(any) error) (r Row, err error) {
		err = decode(&r)
		r.identity = identityOf(r)
		return r, err
	},
}

func identityOf(r Row) key {
	k := key{Key: r.Shown.Key(), hash: r.Hash}
	if r.Hour != nil {
		k.hour = *r.Hour
	}
	return k
}

// Comparison is two files that were read. Close it.
type Comparison struct {
	First, Second int64    // rows of the files
	Headers       []string // fields of the headers that differ, by their names in JSON

	sums *spill.Sums[key, Row]
}

// Compare reads two hour blobs of one reported hour, by their paths (container/name).
// It fails if one of them is no hour blob, or its hash is not the one in its name.
func Compare(ctx context.Context, blobs content.Opener, first, second string) (_ *Comparison, err error) {
	c := &Comparison{}
	if c.sums, err = spill.New("", 0, rules); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	a, rows, err := c.read(ctx, blobs, first, func(r *Row) *Amount { return &r.First })
	if err != nil {
		return nil, err
	}
	c.First = rows
	b, rows, err := c.read(ctx, blobs, second, func(r *Row) *Amount { return &r.Second })
	if err != nil {
		return nil, err
	}
	c.Second, c.Headers = rows, fieldsThatDiffer(a, b)
	return c, nil
}

// Close removes temporary files.
func (c *Comparison) Close() error { return c.sums.Close() }

// Differences goes through the rows that differ, in order of subscription and resource.
func (c *Comparison) Differences() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for r, err := range c.sums.All() {
			switch {
			case err != nil:
			case r.Second.Rows == 0:
				r.Kind = OnlyFirst
			case r.First.Rows == 0:
				r.Kind = OnlySecond
			case !r.First.Quantity.Equal(r.Second.Quantity):
				r.Kind = Quantities
			case r.First.Rows != r.Second.Rows:
				r.Kind = Rows
			default:
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// read adds the rows of a file up on one side.
func (c *Comparison) read(ctx context.Context, blobs content.Opener, path string, side func(*Row) *Amount) (landing.Header, int64, error) {
	fail := func(err error) (landing.Header, int64, error) {
		return landing.Header{}, 0, fmt.Errorf("read hour blob %s: %w", path, err)
	}
	reader, err := landing.OpenStored(ctx, blobs, path)
	if err != nil {
		return fail(err)
	}
	defer reader.Close()
	reported := usage.HourOf(reader.Header().ReportedStart)
	for {
		line, err := reader.Next()
		if err == io.EOF { // bare: a connection that broke may wrap it
			return reader.Header(), reader.Trailer().Records, nil
		}
		if err == nil {
			row, quantity := rowOf(line, reported)
			*side(&row) = Amount{1, quantity}
			err = c.sums.Add(row)
		}
		if err != nil {
			return fail(err)
		}
	}
}

// rowOf is a line as it is compared, and its quantity.
func rowOf(line landing.Line, reported usage.Hour) (row Row, quantity usage.Quantity) {
	record, rejection := usage.ParseRecord(line.Bytes, reported)
	switch {
	case line.LeftOut:
		rejection = &usage.Rejection{Code: usage.RejectedLeftOut}
	case line.TooLong:
		rejection = &usage.Rejection{Code: usage.RejectedLine}
	}
	if rejection != nil {
		sum := sha256.Sum256(line.Bytes)
		row = Row{Code: rejection.Code, Hash: hex.EncodeToString(sum[:]), Text: string(line.Bytes[:min(len(line.Bytes), shownText)])}
	} else {
		row, quantity = Row{Shown: record.Shown, Hour: &record.Hour}, record.Quantity
	}
	row.identity = identityOf(row)
	return row, quantity
}

// fieldsThatDiffer are the fields of two headers that differ, but for those that no bill
// depends on.
func fieldsThatDiffer(a, b landing.Header) (names []string) {
	for name, same := range map[string]bool{
		"region": a.Region == b.Region, "domain": a.Domain == b.Domain, "providerSubscriptions": slices.Equal(a.ProviderSubscriptions, b.ProviderSubscriptions),
		"tenants": maps.Equal(a.Tenants, b.Tenants), "partialSource": slices.Equal(a.PartialSource, b.PartialSource),
	} {
		if !same {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
