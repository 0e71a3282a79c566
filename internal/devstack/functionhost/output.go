package functionhost

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// outputWriter carries out the queue outputs of functions.
type outputWriter struct {
	queues map[string]*queueClient // by function and binding, see outputKey
	base64 bool                    // messageEncoding
}

func outputKey(fn *function, b binding) string { return fn.name + "/" + b.Name }

// write sends every queue output in an answer. An error fails the invocation,
// after the handler has done its work.
func (o *outputWriter) write(ctx context.Context, fn *function, r *response) error {
	hasReturn := fn.hasReturn()
	for _, b := range fn.outputs {
		if b.Type != queueOutput {
			continue
		}
		v, ok := r.output(b.Name, hasReturn)
		if !ok {
			continue
		}
		messages, err := outputMessages(v, b.binary())
		if err != nil {
			return fmt.Errorf("write output %s: %w", b.Name, err)
		}
		q := o.queues[outputKey(fn, b)]
		for _, m := range messages {
			if o.base64 {
				m = base64.StdEncoding.EncodeToString([]byte(m))
			}
			if err := q.addCreating(ctx, m); err != nil {
				return fmt.Errorf("write output %s: %w", b.Name, err)
			}
		}
	}
	return nil
}

func (fn *function) hasReturn() bool {
	for _, b := range fn.outputs {
		if b.Name == returnName {
			return true
		}
	}
	return false
}

// outputMessages is what a queue output value becomes: a string one message, an
// array (or a string that holds one) a message per element, an object its JSON.
// Unless the binding is binary, a string that happens to be base64 is decoded
// first, as the real host does: "test" arrives as three bytes of nonsense.
func outputMessages(v json.RawMessage, binary bool) ([]string, error) {
	v = bytes.TrimSpace(v)
	switch v[0] {
	case '"':
		var s string
		if err := json.Unmarshal(v, &s); err != nil {
			return nil, err
		}
		if !binary {
			if b, err := decodeBase64(s); err == nil {
				return []string{string(b)}, nil
			}
		}
		if t := strings.TrimSpace(s); strings.HasPrefix(t, "[") && json.Valid([]byte(t)) {
			return elements([]byte(t))
		}
		return []string{s}, nil
	case '[':
		return elements(v)
	default:
		m, err := outputText(v)
		return []string{m}, err
	}
}

func elements(v []byte) ([]string, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(v, &items); err != nil {
		return nil, err
	}
	var out []string
	for _, item := range items {
		m, err := outputText(item)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func outputText(v json.RawMessage) (string, error) {
	if v[0] == '"' {
		var s string
		err := json.Unmarshal(v, &s)
		return s, err
	}
	var b bytes.Buffer
	err := json.Compact(&b, v)
	return b.String(), err
}

// decodeBase64 accepts what Convert.FromBase64String accepts: white space
// anywhere, padding required. The empty string counts as not base64.
func decodeBase64(s string) ([]byte, error) {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, s)
	return base64.StdEncoding.DecodeString(s)
}
