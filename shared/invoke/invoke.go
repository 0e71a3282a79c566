// Package invoke is the envelope in which the Azure Functions host calls a
// custom handler, and the answer it expects.
//
//	POST /{FunctionName}   {"Data":{"<binding>":<value>},"Metadata":{...}}
//	200 application/json   {"Outputs":{},"Logs":[],"ReturnValue":null}
//
// The host is strict about answers: an empty body, 204 or null hangs until the
// timeout and costs the process its life; a missing content type fails the
// invocation. Reply writes the only good form. Strings come JSON-encoded twice;
// Metadata can be overwritten by whoever writes messages and is for logs only.
package invoke

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"stackusage/shared/strictjson"
)

// MaxRequest bounds an envelope. A queue message has at most 64 KiB, which the
// host encodes twice and repeats in Metadata.
const MaxRequest = 4 << 20

// Headers that the host sets on every call.
const (
	HeaderInvocationID = "X-Azure-Functions-InvocationId"
	HeaderTraceParent  = "traceparent"
)

// Request is one invocation.
type Request struct {
	Data     map[string]strictjson.Value `json:"Data"`
	Metadata map[string]strictjson.Value `json:"Metadata"`
}

// ErrEnvelope means that the request is not what the host sends.
var ErrEnvelope = errors.New("not an invocation of the Functions host")

// Decode reads an invocation.
func Decode(r io.Reader) (Request, error) {
	body, err := io.ReadAll(io.LimitReader(r, MaxRequest+1))
	if err != nil {
		return Request{}, fmt.Errorf("read invocation: %w", err)
	}
	if len(body) > MaxRequest {
		return Request{}, fmt.Errorf("read invocation: %w: more than %d bytes", ErrEnvelope, MaxRequest)
	}
	var req Request
	if err := strictjson.Unmarshal(body, &req); err != nil {
		return Request{}, fmt.Errorf("read invocation: %w: %w", ErrEnvelope, err)
	}
	if req.Data == nil {
		return Request{}, fmt.Errorf("read invocation: %w: no Data", ErrEnvelope)
	}
	return req, nil
}

// Text is the trigger's text. The host encodes a string twice; documentation
// shows it encoded once, and a binary or object binding is not encoded twice
// either: all three are read.
func (r Request) Text(binding string) (string, error) {
	raw, ok := r.Data[binding]
	if !ok {
		return "", fmt.Errorf("read invocation: %w: no binding %q", ErrEnvelope, binding)
	}
	var once string
	if strictjson.Unmarshal(raw, &once) != nil {
		return string(raw), nil
	}
	var twice string
	if strictjson.Unmarshal([]byte(once), &twice) == nil {
		return twice, nil
	}
	return once, nil
}

// Scalar is a Metadata value as text, for logs; "" if there is none.
func (r Request) Scalar(name string) string {
	text, err := Request{Data: r.Metadata}.Text(name)
	if err != nil {
		return ""
	}
	return text
}

// Reply answers the host: 200 for done, 500 for "again later". The body is a
// JSON object in both cases; of a 500 the host reads only the status.
func Reply(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err == nil {
		_, _ = io.WriteString(w, "{}") // the host may be gone; nothing to do then
		return
	}
	body, _ := json.Marshal(map[string]string{"error": err.Error()}) // a string: cannot fail
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write(body)
}
