package functionhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// maxResponse bounds what is read of a response in envelope mode. The real host
// has no such bound; it would run out of memory somewhere above.
const maxResponse = 64 << 20

// errHang says that the host would never complete this invocation: the handler
// gave a response that the host waits behind until functionTimeout.
var errHang = errors.New("the host waits for functionTimeout after an empty response")

// decodeResponse takes a response as the real host does, and returns its log lines. It
// returns errHang for an empty body, 204 and null.
func decodeResponse(r *http.Response) (logs []string, err error) {
	if r.StatusCode < 200 || r.StatusCode > 299 {
		return nil, fmt.Errorf("response status code does not indicate success: %s", r.Status)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	if len(body) > maxResponse {
		return nil, fmt.Errorf("read response: more than %d bytes", maxResponse)
	}
	if len(body) == 0 && (r.ContentLength == 0 || r.StatusCode == http.StatusNoContent) {
		return nil, errHang // whatever its content type
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, invalidResponse("content type is %q, not application/json", r.Header.Get("Content-Type"))
	}
	return decodeResponseBody(body)
}

func decodeResponseBody(body []byte) (logs []string, err error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(body) == 0 || string(body) == "null" {
		return nil, errHang
	}
	if body[0] != '{' {
		return nil, invalidResponse("body is not a JSON object")
	}
	var resp struct {
		Outputs     map[string]json.RawMessage // of no binding: no function has one
		Logs        []string
		ReturnValue json.RawMessage
	}
	if err := json.Unmarshal(body, &resp); err != nil {
		return nil, invalidResponse("%v", err)
	}
	return resp.Logs, nil
}

func invalidResponse(format string, args ...any) error {
	return fmt.Errorf("invalid HttpResponseMessage: "+format, args...)
}
