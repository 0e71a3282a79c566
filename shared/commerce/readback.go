package commerce

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stackusage/shared/strictjson"
)

// AcceptedRecord is a record that commerce has accepted, as it is read back.
type AcceptedRecord struct {
	RecordID   string    `json:"recordId"`
	Quantity   string    `json:"quantity"`
	AcceptedAt time.Time `json:"acceptedAt"`
	SHA256     string    `json:"sha256"` // of the record's bytes, 64 hex digits
}

// ErrStop ends a read-back early when its callback returns it: what was looked
// for has been found.
var ErrStop = errors.New("no more records are needed")

// Bounds of a read-back: a page has 1,000 records of some 200 bytes, a day of
// 20 million records 20,000 pages.
const (
	maxPage     = 4 << 20 // bytes
	maxPages    = 20_000
	maxReadText = 200 // characters of an id, a quantity
)

// errPage: commerce answered 200 with something that is not a page.
var errPage = errors.New("the answer is not a page of records")

// Accepted reads back what commerce accepted of one usage day (2019-12-10), by
// ascending recordId. Records are handed on as they arrive; no page is held.
// An error of each ends the reading and comes back, ErrStop as nil; any other
// failure is an *Error, and what was handed on until then is true all the same.
func (c *Client) Accepted(ctx context.Context, cloudID, usageDate string, each func(AcceptedRecord) error) error {
	target, err := c.target()
	if err != nil {
		return &Error{Kind: Unknown, Err: err}
	}
	target.RawQuery = url.Values{"cloudId": {cloudID}, "usageDate": {usageDate}}.Encode()
	last := ""
	for range maxPages {
		next, err := c.page(ctx, target, &last, each)
		switch {
		case errors.Is(err, ErrStop):
			return nil
		case err != nil || next == nil:
			return err
		}
		target = next
	}
	return &Error{Kind: Unknown, Err: fmt.Errorf("read back day %s: more than %d pages", usageDate, maxPages)}
}

// page reads one page and says where the next one is; nil after the last.
func (c *Client) page(ctx context.Context, target *url.URL, last *string, each func(AcceptedRecord) error) (*url.URL, error) {
	resp, err := c.do(ctx, http.MethodGet, target.String(), "", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body := &io.LimitedReader{R: resp.Body, N: maxPage + 1}
	if resp.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(body)
		if err != nil {
			return nil, &Error{Kind: Unknown, Status: resp.StatusCode, Err: err}
		}
		return nil, judge(resp, answer)
	}
	before := *last
	link, err := decodePage(body, last, each)
	var stopped stop
	switch {
	case errors.As(err, &stopped):
		return nil, stopped.cause
	case body.N <= 0:
		err = fmt.Errorf("%w: longer than %d bytes", errPage, maxPage)
	case err == nil && link != "" && before == *last:
		// Pages without records could go on for ever.
		err = fmt.Errorf("%w: an empty one that has a next one", errPage)
	}
	if err != nil {
		return nil, &Error{Kind: Unknown, Status: resp.StatusCode, Err: fmt.Errorf("read back: %w", err)}
	}
	if link == "" {
		return nil, nil
	}
	next, err := target.Parse(link)
	// A link elsewhere would take the bearer token there.
	if err != nil || next.Scheme != target.Scheme || next.Host != target.Host || next.User != nil {
		return nil, &Error{Kind: Unknown, Status: resp.StatusCode, Err: fmt.Errorf("read back: %w: nextLink %.200q leads elsewhere", errPage, link)}
	}
	return next, nil
}

// stop carries the error of a callback through the decoder.
type stop struct{ cause error }

func (s stop) Error() string { return s.cause.Error() }

// decodePage hands on the records of one page, which come in ascending order
// after last, and returns its nextLink.
func decodePage(r io.Reader, last *string, each func(AcceptedRecord) error) (link string, err error) {
	dec := json.NewDecoder(r)
	if err := expect(dec, json.Delim('{')); err != nil {
		return "", err
	}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return "", fmt.Errorf("%w: %w", errPage, err)
		}
		field, _ := name.(string) // in an object every other token is a name
		// Value beside value could hold what is taken to be missing.
		for _, ours := range []string{"value", "nextLink"} {
			if field != ours && strings.EqualFold(field, ours) {
				return "", fmt.Errorf("%w: %.20q where %s belongs", errPage, field, ours)
			}
		}
		if (field == "value" || field == "nextLink") && seen[field] {
			return "", fmt.Errorf("%w: field %s is there twice", errPage, field)
		}
		switch field {
		case "value":
			err = decodeRecords(dec, last, each)
		case "nextLink":
			err = dec.Decode(&link)
		default: // a field of a later version
			var skipped json.RawMessage
			err = dec.Decode(&skipped)
			field = ""
		}
		var stopped stop
		if errors.As(err, &stopped) {
			return "", err
		}
		if err != nil {
			return "", fmt.Errorf("%w: %w", errPage, err)
		}
		seen[field] = true
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return "", err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%w: something follows it", errPage)
	}
	if !seen["value"] {
		return "", fmt.Errorf("%w: no value", errPage)
	}
	return link, nil
}

func decodeRecords(dec *json.Decoder, last *string, each func(AcceptedRecord) error) error {
	if err := expect(dec, json.Delim('[')); err != nil {
		return err
	}
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		var r AcceptedRecord
		if err := strictjson.Unmarshal(raw, &r); err != nil {
			return err
		}
		sum, err := hex.DecodeString(r.SHA256)
		if err != nil || len(sum) != 32 || r.RecordID == "" || len(r.RecordID) > maxReadText || len(r.Quantity) > maxReadText {
			return fmt.Errorf("record %.60q: its fields cannot be used", r.RecordID)
		}
		if r.RecordID <= *last {
			return fmt.Errorf("record %.60q: it comes after %.60q", r.RecordID, *last)
		}
		*last = r.RecordID
		if err := each(r); err != nil {
			return stop{err}
		}
	}
	return expect(dec, json.Delim(']'))
}

func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		return fmt.Errorf("%w: %w", errPage, err)
	}
	if token != want {
		return fmt.Errorf("%w: %s is missing", errPage, want)
	}
	return nil
}
