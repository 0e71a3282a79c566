package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"strings"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// maxMeters bounds what is kept of one reported hour: a stack has hundreds of
// meters at most, and a file may name one in every row.
const maxMeters = 20_000

var errMeters = fmt.Errorf("more than %d meters: choose one with --meter", maxMeters)

// blobSums is what a file says, summed: memory does not grow with its rows.
type blobSums struct {
	counted    map[meterKey]map[usage.Hour]usage.Quantity // by usage hour
	refused    map[meterKey]map[string]usage.Quantity     // by code, of rows that name a meter and a quantity
	unreadable int64                                      // rejected rows that do not
	own        map[string]bool                            // the stack's own subscriptions, as the header has them, in normal form
}

func newBlobSums(own map[string]bool) *blobSums {
	return &blobSums{counted: map[meterKey]map[usage.Hour]usage.Quantity{}, refused: map[meterKey]map[string]usage.Quantity{}, own: own}
}

// take adds a row that was reported in an hour. It counts unless it was rejected,
// with this code; one that counts and cannot be read any more is set aside, too.
func (s *blobSums) take(r *run, line []byte, code string, reported usage.Hour) error {
	if code == "" {
		record, rejection := usage.ParseRecord(line, reported)
		if rejection == nil {
			return s.count(r, record)
		}
		code = rejection.Code
	}
	meter, subscription, q, ok := measure(line)
	if !ok {
		s.unreadable++
		return nil
	}
	if r.wants(meter, subscription) {
		return sum(s.refused, meterKey{meter, r.free(subscription, reported-1, s.own)}, code, q)
	}
	return nil
}

// count adds a row that counts.
func (s *blobSums) count(r *run, record usage.Record) error {
	meter, subscription := usage.NormalGUID(record.MeterID), usage.NormalGUID(record.SubscriptionID)
	if err := r.know(subscription); err != nil || !r.wants(meter, subscription) {
		return err
	}
	return sum(s.counted, meterKey{meter, r.free(subscription, record.Hour, s.own)}, record.Hour, record.Quantity)
}

func sum[K comparable](sums map[meterKey]map[K]usage.Quantity, key meterKey, at K, q usage.Quantity) error {
	if sums[key] == nil {
		if len(sums) == maxMeters {
			return errMeters
		}
		sums[key] = map[K]usage.Quantity{}
	}
	add(sums[key], at, q)
	return nil
}

// measure reads of a rejected row what the stack would count: meter and
// subscription, in normal form, and quantity.
func measure(line []byte) (meter, subscription string, q usage.Quantity, ok bool) {
	var row struct {
		Properties struct {
			SubscriptionID string           `json:"subscriptionId"`
			MeterID        string           `json:"meterId"`
			Quantity       strictjson.Value `json:"quantity"`
		} `json:"properties"`
	}
	if strictjson.Unmarshal(line, &row) != nil || usage.CheckGUID(row.Properties.MeterID) != nil {
		return "", "", q, false
	}
	text := string(row.Properties.Quantity)
	if strings.HasPrefix(text, `"`) {
		text, _ = strictjson.Text(row.Properties.Quantity)
	}
	q, err := usage.ParseQuantity(text)
	return usage.NormalGUID(row.Properties.MeterID), usage.NormalGUID(row.Properties.SubscriptionID), q, err == nil
}

// blob reads an hour blob, once in a run.
func (r *run) blob(ctx context.Context, id hourlog.ID, h hourlog.Hour) (*blobSums, error) {
	if sums := r.blobs[id]; sums != nil {
		return sums, nil
	}
	blob := content.At(h.Blob)
	where, err := landing.ParseName(blob.Container, blob.Name)
	if err != nil {
		return nil, err
	}
	body, err := r.open(ctx, landing.Files{Landed: r.Files.Landing, Corrected: r.Files.App}, h.Blob)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// What was over a limit does not count, whatever the limits are now.
	reader, err := landing.NewReader(body, where, landing.Limits{Bytes: math.MaxInt64, Rows: math.MaxInt64})
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w (stackusage verify says what is damaged)", h.Blob, err)
	}
	defer reader.Close()
	header := reader.Header()
	sums := newBlobSums(daily.Infrastructure(header.ProviderSubscriptions))
	for _, ids := range []iter.Seq[string]{maps.Keys(sums.own), maps.Keys(header.Tenants)} {
		for id := range ids {
			if err := r.know(usage.NormalGUID(id)); err != nil {
				return nil, err
			}
		}
	}
	if err := r.sumRows(ctx, id, h, reader, sums); err != nil {
		return nil, fmt.Errorf("read blob %s: %w", h.Blob, err)
	}
	r.blobs[id] = sums
	return sums, nil
}

// sumRows adds the rows up. Which were rejected is what Quarantine says: the rules may
// be others by now, and some ask the registration.
func (r *run) sumRows(ctx context.Context, id hourlog.ID, h hourlog.Hour, reader *landing.Reader, sums *blobSums) error {
	next, stop := iter.Pull2(hourlog.RejectedLines(ctx, r.Tables, id, h.RejectedFile))
	defer stop()
	rejected, err, more := next()
	for err == nil {
		var line landing.Line
		if line, err = reader.Next(); errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		code := ""
		if more && rejected.Line == line.Number {
			code = rejected.Code
			rejected, err, more = next()
		}
		if !line.LeftOut { // what a corrected blob leaves out, the original says
			err = errors.Join(err, sums.take(r, line.Bytes, code, id.Hour))
		}
		r.counted()
	}
	return err
}

// counted counts a row.
func (r *run) counted() {
	if r.progress.Rows++; r.progress.Rows%10_000 == 0 {
		r.tell()
	}
}

// open opens a blob by container and name.
func (r *run) open(ctx context.Context, from content.Opener, path string) (io.ReadCloser, error) {
	blob := content.At(path)
	body, _, err := from.Open(ctx, blob.Container, blob.Name)
	if errors.Is(err, content.ErrNoBlob) {
		err = fmt.Errorf("%w: restore it; stackusage verify says what else is missing", err)
	}
	return body, err
}
