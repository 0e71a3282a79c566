package commerce

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"stackusage/shared/forward"
	"stackusage/shared/strictjson"
)

// MaxQuery is how many records one read-back may ask for: those of a batch.
const MaxQuery = 500

// maxReadText bounds an id or a quantity that is read back, in bytes.
const maxReadText = 200

// Accepted reads back which of some records of one usage day (2019-12-10) commerce
// has accepted, by recordId. It asks for no more than these, however many the day
// has. Failures are *forward.Failure.
func (c *Client) Accepted(ctx context.Context, cloudID, usageDate string, recordIDs []string) (map[string]forward.AcceptedRecord, error) {
	if len(recordIDs) > MaxQuery {
		return nil, &forward.Failure{Kind: forward.Unknown, Err: fmt.Errorf("read back %d records: at most %d at once", len(recordIDs), MaxQuery)}
	}
	ids := slices.Sorted(slices.Values(recordIDs))
	body, err := json.Marshal(map[string]any{"cloudId": cloudID, "usageDate": usageDate, "recordIds": ids})
	if err != nil {
		return nil, &forward.Failure{Kind: forward.Unknown, Err: err}
	}
	target, err := c.target()
	if err != nil {
		return nil, &forward.Failure{Kind: forward.Unknown, Err: err}
	}
	resp, err := c.do(ctx, target.JoinPath("query").String(), "", body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := readAnswer(resp)
	if err != nil {
		return nil, err
	}
	found, err := decodeAccepted(answer, ids)
	if err != nil {
		return nil, &forward.Failure{Kind: forward.Unknown, Status: resp.StatusCode, Err: fmt.Errorf("read back: %w", err)}
	}
	return found, nil
}

// errPage: commerce answered 200 with something that is not a list of records.
var errPage = errors.New("the answer is not a list of accepted records")

// decodeAccepted reads the body of a 200: records that were asked for, in
// ascending order. Anything else makes the answer unusable: what it leaves out
// counts as not accepted.
func decodeAccepted(answer []byte, asked []string) (map[string]forward.AcceptedRecord, error) {
	var body struct {
		Value []forward.AcceptedRecord `json:"value"`
	}
	if err := strictjson.Unmarshal(answer, &body); err != nil {
		return nil, fmt.Errorf("%w: %w", errPage, err)
	}
	if body.Value == nil {
		return nil, fmt.Errorf("%w: no value", errPage)
	}
	found := make(map[string]forward.AcceptedRecord, len(body.Value))
	last := ""
	for _, r := range body.Value {
		sum, err := hex.DecodeString(r.SHA256)
		if err != nil || len(sum) != 32 || r.RecordID == "" || len(r.RecordID) > maxReadText || len(r.Quantity) > maxReadText {
			return nil, fmt.Errorf("%w: record %.60q: its fields cannot be used", errPage, r.RecordID)
		}
		if r.RecordID <= last {
			return nil, fmt.Errorf("%w: record %.60q: it comes after %.60q", errPage, r.RecordID, last)
		}
		if _, ours := slices.BinarySearch(asked, r.RecordID); !ours {
			return nil, fmt.Errorf("%w: record %.60q: nobody asked for it", errPage, r.RecordID)
		}
		last, found[r.RecordID] = r.RecordID, r
	}
	return found, nil
}

// readAnswer reads the body of a response. Any status but 200 is an *forward.Failure.
func readAnswer(resp *http.Response) ([]byte, error) {
	var body bytes.Buffer
	if resp.ContentLength > 0 {
		body.Grow(int(min(resp.ContentLength, maxAnswer)) + bytes.MinRead)
	}
	_, err := body.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	answer := body.Bytes()
	switch {
	case err != nil:
		return nil, &forward.Failure{Kind: forward.Unknown, Status: resp.StatusCode, Err: err, Cut: true}
	case resp.StatusCode != http.StatusOK:
		return nil, judge(resp, answer)
	case len(answer) > maxAnswer:
		return nil, &forward.Failure{Kind: forward.Unreadable, Status: resp.StatusCode, Err: fmt.Errorf("the answer is longer than %d bytes", maxAnswer)}
	}
	return answer, nil
}
