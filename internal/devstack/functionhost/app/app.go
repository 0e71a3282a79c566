// Package app reads a staged function app: host.json, and the function.json of each
// direct subfolder. The real host ignores what it does not know. Here it is an error,
// and so is what the stand-in does not do, so that nothing in an app counts for less
// here than it seems to.
package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// App is a staged folder, read and checked.
type App struct {
	Dir       string // absolute
	Config    *Config
	Functions []*Function // by name
}

// Load reads an app and expands the settings in its bindings. An app that the real
// host would not run, or would run without one of its functions, is an error.
func Load(dir string, set Settings) (*App, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("load app %s: %w", dir, err)
	}
	if rt := set.Get("FUNCTIONS_WORKER_RUNTIME"); rt != "" && !strings.EqualFold(rt, "custom") {
		return nil, fmt.Errorf("load app %s: FUNCTIONS_WORKER_RUNTIME is %q, not custom", dir, rt)
	}
	b, err := os.ReadFile(filepath.Join(dir, "host.json"))
	if err != nil {
		return nil, fmt.Errorf("load app: %w", err)
	}
	a := &App{Dir: dir}
	if a.Config, err = decodeHostJSON(b); err != nil {
		return nil, fmt.Errorf("load app %s: %w", dir, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "function.json"))
	if err != nil {
		return nil, fmt.Errorf("load app: %w", err)
	}
	for _, file := range files {
		fn, err := loadFunction(file, set)
		if err != nil {
			return nil, fmt.Errorf("load app %s: %w", dir, err)
		}
		a.Functions = append(a.Functions, fn)
	}
	if len(a.Functions) == 0 {
		return nil, fmt.Errorf("load app %s: no functions", dir)
	}
	return a, nil
}

func loadFunction(file string, set Settings) (*Function, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(filepath.Dir(file))
	fn, err := decodeFunctionJSON(name, b)
	if err != nil {
		return nil, err
	}
	fn.Disabled = set.disabled(name)
	if err := fn.Trigger.resolve(set); err != nil {
		return nil, fmt.Errorf("check bindings of %s: %s: %w", name, fn.Trigger.Name, err)
	}
	return fn, nil
}

// Find returns a function by its name in any case, or nil.
func (a *App) Find(name string) *Function {
	for _, fn := range a.Functions {
		if strings.EqualFold(fn.Name, name) {
			return fn
		}
	}
	return nil
}

// decode reads JSON that may have nothing but what v has.
func decode(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("more than one value")
	}
	return nil
}

// timeSpan is a .NET TimeSpan as it stands in host.json: "hh:mm:ss", with an
// optional fraction.
type timeSpan time.Duration

var timeSpanForm = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d):([0-5]\d(?:\.\d{1,7})?)$`)

// UnmarshalText reads a time span.
func (t *timeSpan) UnmarshalText(b []byte) error {
	m := timeSpanForm.FindStringSubmatch(string(b))
	if m == nil {
		return fmt.Errorf("parse time span %q: want hh:mm:ss", b)
	}
	d, err := time.ParseDuration(m[1] + "h" + m[2] + "m" + m[3] + "s")
	*t = timeSpan(d)
	return err
}
