package app

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Function is one <Name>/function.json, checked and with its settings expanded.
type Function struct {
	Name     string
	Trigger  Binding
	Disabled bool // by an app setting; its trigger is not listened to
}

// Binding is one entry of a function.json.
type Binding struct {
	Type      string `json:"type"` // lower case
	Direction string `json:"direction"`
	Name      string `json:"name"`

	QueueName  string `json:"queueName"`
	Connection string `json:"connection"`

	Schedule     string `json:"schedule"`
	RunOnStartup bool   `json:"runOnStartup"`
	UseMonitor   *bool  `json:"useMonitor"`

	AuthLevel string   `json:"authLevel"`
	Methods   []string `json:"methods"`
	Route     string   `json:"route"`

	Due Schedule `json:"-"` // of Schedule
}

// Types of triggers.
const (
	QueueTrigger = "queuetrigger"
	TimerTrigger = "timertrigger"
	HTTPTrigger  = "httptrigger"

	httpOutput = "http"
)

var (
	functionName = regexp.MustCompile(`(?i)^[a-z][a-z0-9_\-]{0,127}$`)
	bindingName  = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]{0,127}$`)
	queueName    = regexp.MustCompile(`^[a-z0-9](?:-?[a-z0-9])+$`)
	routeForm    = regexp.MustCompile(`^(?:\{[a-zA-Z]\w*\}|[^{}/]+)(?:/(?:\{[a-zA-Z]\w*\}|[^{}/]+))*$`)
)

// decodeFunctionJSON reads one function.json and checks its bindings: a trigger, and
// for HTTP a response beside it.
func decodeFunctionJSON(name string, b []byte) (*Function, error) {
	if !functionName.MatchString(name) || strings.EqualFold(name, "host") {
		return nil, fmt.Errorf("%q is not a valid function name", name)
	}
	var f struct {
		Bindings []Binding `json:"bindings"`
	}
	if err := decode(b, &f); err != nil {
		return nil, fmt.Errorf("decode function.json of %s: %w", name, err)
	}
	fn := &Function{Name: name}
	seen, outputs := map[string]bool{}, 0
	fault := func(format string, args ...any) error {
		return fmt.Errorf("check bindings of %s: %w", name, fmt.Errorf(format, args...))
	}
	for _, bind := range f.Bindings {
		bind.Type = strings.ToLower(bind.Type)
		key, out := strings.ToLower(bind.Name), strings.EqualFold(bind.Direction, "out")
		switch {
		case !bindingName.MatchString(bind.Name):
			return nil, fault("name %q is not allowed", bind.Name)
		case seen[key]:
			return nil, fault("name %q is used twice", bind.Name)
		case out && bind.Type == httpOutput:
			outputs++
		case out || !strings.HasSuffix(bind.Type, "trigger"):
			return nil, fault("%s: the stand-in has no binding %q in direction %q", bind.Name, bind.Type, bind.Direction)
		case fn.Trigger.Type != "":
			return nil, fault("more than one trigger")
		default:
			fn.Trigger = bind
		}
		seen[key] = true
	}
	if err := fn.Trigger.check(outputs); err != nil {
		return nil, fault("%w", err)
	}
	return fn, nil
}

// check checks a trigger, beside which stand so many HTTP responses.
func (b *Binding) check(outputs int) error {
	want := 0
	switch b.Type {
	case "":
		return errors.New("no trigger")
	case QueueTrigger:
		if b.QueueName == "" {
			return fmt.Errorf("%s: queueName is missing", b.Name)
		}
	case TimerTrigger:
		if b.Schedule == "" {
			return fmt.Errorf("%s: schedule is missing", b.Name)
		}
		if b.RunOnStartup || !orElse(b.UseMonitor, true) {
			return fmt.Errorf("%s: the stand-in has no runOnStartup, and no timer without a monitor", b.Name)
		}
	case HTTPTrigger:
		want = 1
		switch strings.ToLower(b.AuthLevel) {
		case "", "anonymous", "function", "admin":
		default:
			return fmt.Errorf("%s: authLevel %q is not anonymous, function or admin", b.Name, b.AuthLevel)
		}
		if b.Route != "" && !routeForm.MatchString(b.Route) {
			return fmt.Errorf("%s: route %q: the stand-in knows literals and {name}", b.Name, b.Route)
		}
	default:
		return fmt.Errorf("%s: the stand-in has no trigger %q", b.Name, b.Type)
	}
	if outputs != want {
		return fmt.Errorf("%d HTTP responses beside a %s, want %d", outputs, b.Type, want)
	}
	return nil
}

// resolve expands the settings in a trigger and checks what depends on them.
func (b *Binding) resolve(set Settings) (err error) {
	switch b.Type {
	case QueueTrigger:
		if b.QueueName, err = set.expand(b.QueueName); err != nil {
			return err
		}
		b.QueueName = strings.ToLower(b.QueueName)
		if n := len(b.QueueName); n < 3 || n > 63 || !queueName.MatchString(b.QueueName) {
			return fmt.Errorf("queueName %q is not a queue's name", b.QueueName)
		}
		_, err = set.Connection(b.Connection)
	case TimerTrigger:
		if b.Schedule, err = set.expand(b.Schedule); err != nil {
			return err
		}
		b.Due, err = ParseSchedule(b.Schedule)
	}
	return err
}
