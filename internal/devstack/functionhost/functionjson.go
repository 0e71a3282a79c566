package functionhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// function is one <Name>/function.json, checked and with its settings expanded.
type function struct {
	name     string
	trigger  binding
	outputs  []binding
	retry    bool // the file has a retry policy
	disabled bool // by an app setting; the listener is not started
}

type binding struct {
	Type      string `json:"type"`
	Direction string `json:"direction"`
	Name      string `json:"name"`
	DataType  string `json:"dataType"`

	QueueName  string `json:"queueName"`
	Connection string `json:"connection"`

	Schedule     string `json:"schedule"`
	RunOnStartup bool   `json:"runOnStartup"`
	UseMonitor   *bool  `json:"useMonitor"`

	AuthLevel string   `json:"authLevel"`
	Methods   []string `json:"methods"`
	Route     *string  `json:"route"`
}

// Binding types, compared in lower case as the host does.
const (
	queueTrigger  = "queuetrigger"
	timerTrigger  = "timertrigger"
	httpTrigger   = "httptrigger"
	manualTrigger = "manualtrigger"
	queueOutput   = "queue"
	httpOutput    = "http"

	returnName = "$return"
)

var (
	functionName = regexp.MustCompile(`(?i)^[a-z][a-z0-9_\-]{0,127}$`)
	bindingName  = regexp.MustCompile(`^(?:[a-zA-Z][a-zA-Z0-9]{0,127}|\$return)$`)
	queueName    = regexp.MustCompile(`^[a-z0-9](?:-?[a-z0-9])+$`)
)

// decodeFunctionJSON reads one function.json and checks its bindings. "disabled"
// in the file means nothing, as in the real host.
func decodeFunctionJSON(name string, b []byte) (*function, error) {
	var f struct {
		Bindings []binding        `json:"bindings"`
		Retry    *json.RawMessage `json:"retry"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &f); err != nil {
		return nil, fmt.Errorf("decode function.json of %s: %w", name, err)
	}
	fn := &function{name: name, retry: f.Retry != nil}
	seen := make(map[string]bool)
	for _, bind := range f.Bindings {
		bind.Type = strings.ToLower(bind.Type)
		if !bindingName.MatchString(bind.Name) {
			return nil, fmt.Errorf("check bindings of %s: name %q is not allowed", name, bind.Name)
		}
		if seen[strings.ToLower(bind.Name)] {
			return nil, fmt.Errorf("check bindings of %s: name %q is used twice", name, bind.Name)
		}
		seen[strings.ToLower(bind.Name)] = true
		if err := fn.add(bind); err != nil {
			return nil, fmt.Errorf("check bindings of %s: %w", name, err)
		}
	}
	if fn.trigger.Type == "" {
		return nil, fmt.Errorf("check bindings of %s: no trigger", name)
	}
	return fn, nil
}

func (fn *function) add(b binding) error {
	switch {
	case strings.HasSuffix(b.Type, "trigger"):
		if fn.trigger.Type != "" {
			return errors.New("more than one trigger")
		}
		fn.trigger = b
		return checkTrigger(b)
	case strings.EqualFold(b.Direction, "out"):
		fn.outputs = append(fn.outputs, b)
		return checkOutput(b)
	default:
		return fmt.Errorf("%s: the stand-in has no input binding %q", b.Name, b.Type)
	}
}

func checkTrigger(b binding) error {
	if b.Direction != "" && !strings.EqualFold(b.Direction, "in") {
		return fmt.Errorf("%s: direction of a trigger is %q, not in", b.Name, b.Direction)
	}
	switch b.Type {
	case queueTrigger:
		if b.QueueName == "" {
			return fmt.Errorf("%s: queueName is missing", b.Name)
		}
	case timerTrigger:
		if b.Schedule == "" {
			return fmt.Errorf("%s: schedule is missing", b.Name)
		}
	case httpTrigger:
		switch strings.ToLower(b.AuthLevel) {
		case "", "anonymous", "function", "admin":
		default:
			return fmt.Errorf("%s: authLevel %q is not anonymous, function or admin", b.Name, b.AuthLevel)
		}
	case manualTrigger:
	default:
		return fmt.Errorf("%s: the stand-in has no trigger %q", b.Name, b.Type)
	}
	switch strings.ToLower(b.DataType) {
	case "", "string", "binary":
		return nil
	}
	return fmt.Errorf("%s: dataType %q is not string or binary", b.Name, b.DataType)
}

func checkOutput(b binding) error {
	switch b.Type {
	case httpOutput:
	case queueOutput:
		if b.QueueName == "" {
			return fmt.Errorf("%s: queueName is missing", b.Name)
		}
	default:
		return fmt.Errorf("%s: the stand-in has no output binding %q", b.Name, b.Type)
	}
	return nil
}

func (b binding) binary() bool { return strings.EqualFold(b.DataType, "binary") }

// simpleHTTP reports whether HTTP calls can pass through to the handler: the
// function takes a request and gives a response, and nothing else.
func (fn *function) simpleHTTP() bool {
	return fn.trigger.Type == httpTrigger && len(fn.outputs) == 1 && fn.outputs[0].Type == httpOutput
}
