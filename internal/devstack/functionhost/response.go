package functionhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// maxResponse bounds what is read of an answer in envelope mode. The real host
// has no such bound; it would run out of memory somewhere above.
const maxResponse = 64 << 20

// response is what a handler answers in envelope mode.
type response struct {
	Outputs     map[string]json.RawMessage
	Logs        []string
	ReturnValue json.RawMessage
}

// errHang says that the host would never complete this invocation: the handler
// gave an answer that the host waits behind until functionTimeout.
var errHang = errors.New("the host waits for functionTimeout after an empty answer")

// decodeResponse judges an answer as the real host does. It returns errHang for
// an empty body, 204 and null.
func decodeResponse(r *http.Response) (*response, error) {
	if r.StatusCode < 200 || r.StatusCode > 299 {
		return nil, fmt.Errorf("response status code does not indicate success: %s", r.Status)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(body) > maxResponse {
		return nil, fmt.Errorf("read answer: more than %d bytes", maxResponse)
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

func decodeResponseBody(body []byte) (*response, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(body) == 0 || string(body) == "null" {
		return nil, errHang
	}
	if body[0] != '{' {
		return nil, invalidResponse("body is not a JSON object")
	}
	var resp response
	if err := json.Unmarshal(body, &resp); err != nil {
		return nil, invalidResponse("%v", err)
	}
	if string(resp.ReturnValue) == "null" {
		resp.ReturnValue = nil
	}
	return &resp, nil
}

func invalidResponse(format string, args ...any) error {
	return fmt.Errorf("invalid HttpResponseMessage: "+format, args...)
}

// output is the value for an output binding. A name compares without case; null
// counts as absent.
func (r *response) output(name string, hasReturn bool) (json.RawMessage, bool) {
	if name == returnName {
		return r.ReturnValue, r.ReturnValue != nil
	}
	if !hasReturn && r.ReturnValue != nil && r.ReturnValue[0] == '{' {
		// Without a $return binding the properties of the return value stand over
		// the outputs of the same name.
		var spread map[string]json.RawMessage
		if err := json.Unmarshal(r.ReturnValue, &spread); err == nil {
			if v, ok := foldLookup(spread, name); ok {
				return v, true
			}
		}
	}
	return foldLookup(r.Outputs, name)
}

func foldLookup(m map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	v, ok := m[name]
	if !ok {
		for k, candidate := range m {
			if strings.EqualFold(k, name) {
				v, ok = candidate, true
				break
			}
		}
	}
	if !ok || string(v) == "null" {
		return nil, false
	}
	return v, true
}
