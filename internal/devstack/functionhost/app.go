package functionhost

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// app is a staged folder, read and checked.
type app struct {
	dir       string
	config    *hostConfig
	functions []*function // by name
}

// loadApp reads host.json and the function.json of each direct subfolder. A
// folder with a bad name is logged and left out, as the real host does; any
// other fault is an error, because the real host would not run that function.
func loadApp(dir string, set settings, log *slog.Logger) (*app, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("load app %s: %w", dir, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "host.json"))
	if err != nil {
		return nil, fmt.Errorf("load app: %w", err)
	}
	a := &app{dir: dir}
	if a.config, err = decodeHostJSON(b); err != nil {
		return nil, fmt.Errorf("load app %s: %w", dir, err)
	}
	if rt := set.get("FUNCTIONS_WORKER_RUNTIME"); rt != "" && !strings.EqualFold(rt, "custom") {
		return nil, fmt.Errorf("load app %s: FUNCTIONS_WORKER_RUNTIME is %q, not custom", dir, rt)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("load app: %w", err)
	}
	for _, e := range entries {
		fn, err := a.loadFunction(e.Name(), set, log)
		if errors.Is(err, errSkip) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("load app %s: %w", dir, err)
		}
		a.functions = append(a.functions, fn)
	}
	if len(a.functions) == 0 {
		return nil, fmt.Errorf("load app %s: no functions", dir)
	}
	return a, nil
}

var errSkip = errors.New("not a function to load")

func (a *app) loadFunction(name string, set settings, log *slog.Logger) (*function, error) {
	b, err := os.ReadFile(filepath.Join(a.dir, name, "function.json"))
	if err != nil {
		return nil, errSkip
	}
	if !functionName.MatchString(name) || strings.EqualFold(name, "host") {
		log.Error("'" + name + "' is not a valid function name.")
		return nil, errSkip
	}
	allowed := func(n string) bool { return strings.EqualFold(n, name) }
	if a.config.allow != nil && !slices.ContainsFunc(a.config.allow, allowed) {
		return nil, errSkip
	}
	fn, err := decodeFunctionJSON(name, b)
	if err != nil {
		return nil, err
	}
	fn.disabled = set.disabled(name)
	if fn.retry {
		log.Warn("retry in function.json is not carried out by the stand-in",
			"function", name, "supported", fn.trigger.Type == timerTrigger)
	}
	if err := a.resolve(&fn.trigger, set); err != nil {
		return nil, fmt.Errorf("check bindings of %s: %w", name, err)
	}
	for i := range fn.outputs {
		if err := a.resolve(&fn.outputs[i], set); err != nil {
			return nil, fmt.Errorf("check bindings of %s: %w", name, err)
		}
	}
	return fn, nil
}

// resolve expands the settings in a binding and checks what depends on them.
func (a *app) resolve(b *binding, set settings) error {
	var err error
	switch b.Type {
	case queueTrigger, queueOutput:
		if !a.config.bundle {
			return fmt.Errorf("%s: %s needs extensionBundle in host.json", b.Name, b.Type)
		}
		if b.QueueName, err = set.expand(b.QueueName); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		b.QueueName = strings.ToLower(b.QueueName)
		if n := len(b.QueueName); n < 3 || n > 63 || !queueName.MatchString(b.QueueName) {
			return fmt.Errorf("%s: queueName %q is not a queue's name", b.Name, b.QueueName)
		}
		if _, err := set.connection(b.Connection); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	case timerTrigger:
		if b.Schedule, err = set.expand(b.Schedule); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		if _, err := parseSchedule(b.Schedule); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	case httpTrigger:
		if b.Route != nil {
			route, err := set.expand(*b.Route)
			if err != nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
			b.Route = &route
		}
	}
	return nil
}

func (a *app) find(name string) *function {
	for _, fn := range a.functions {
		if strings.EqualFold(fn.name, name) {
			return fn
		}
	}
	return nil
}
