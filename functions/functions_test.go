package functions_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/functions"
)

func all(t testing.TB) []functions.Function {
	t.Helper()
	list, err := functions.All()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestFunctions(t *testing.T) {
	list := all(t)
	t.Run("the list is the folders, by name", func(t *testing.T) {
		paths, err := filepath.Glob("*/function.json")
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, p := range paths {
			want = append(want, filepath.Dir(p))
		}
		for _, f := range list {
			got = append(got, f.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" || !slices.IsSorted(got) {
			t.Errorf("functions (-folders +list):\n%s", diff)
		}
	})
	t.Run("names are what the host takes, and differ in more than case", func(t *testing.T) {
		seen := map[string]bool{}
		for _, f := range list {
			if lower := strings.ToLower(f.Name); !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,126}$`).MatchString(f.Name) || seen[lower] {
				t.Errorf("function %q", f.Name)
			} else {
				seen[lower] = true
			}
		}
	})
	t.Run("a folder has its bindings and nothing else", func(t *testing.T) {
		for _, f := range list {
			entries, err := os.ReadDir(f.Name)
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) != 1 {
				t.Errorf("%s holds %d files", f.Name, len(entries))
			}
		}
	})
}

func TestBindings(t *testing.T) {
	queues := map[string]string{}
	for _, f := range all(t) {
		trigger := f.Trigger()
		t.Run(f.Name+" has one trigger, in, and writes through no binding", func(t *testing.T) {
			for i, b := range f.Bindings {
				http := b.Type == "http" && b.Direction == "out" && trigger.Type == "httpTrigger"
				if i == 0 && (b.Direction != "in" || !strings.HasSuffix(b.Type, "Trigger")) || i > 0 && !http {
					t.Errorf("binding %d: %+v", i, b)
				}
			}
		})
		switch trigger.Type {
		case "queueTrigger":
			t.Run(f.Name+" reads a queue of its own, of the app's storage, as \"message\"", func(t *testing.T) {
				if other := queues[trigger.QueueName]; other != "" {
					t.Errorf("%s reads it too", other)
				}
				queues[trigger.QueueName] = f.Name
				if trigger.Connection != "UsageStorage" || trigger.Name != "message" {
					t.Errorf("%+v", trigger)
				}
				if !regexp.MustCompile(`^usage-[a-z]+$`).MatchString(trigger.QueueName) {
					t.Errorf("queue %q", trigger.QueueName)
				}
			})
			t.Run(f.Name+" has no retry of its own", func(t *testing.T) {
				// The host would multiply it with maxDequeueCount.
				text, err := os.ReadFile(f.Name + "/function.json")
				if err != nil || strings.Contains(string(text), "retry") {
					t.Errorf("%v %s", err, text)
				}
			})
		case "timerTrigger":
			if trigger.Schedule != "%SWEEP_SCHEDULE%" {
				t.Errorf("%s runs %q: the schedule is a setting", f.Name, trigger.Schedule)
			}
		case "httpTrigger":
			if trigger.AuthLevel == "anonymous" || trigger.AuthLevel == "" || trigger.Route == "" || len(trigger.Methods) == 0 {
				t.Errorf("%s is open to everybody, or has no route: %+v", f.Name, trigger)
			}
		default:
			t.Errorf("%s has a trigger %q that no handler knows", f.Name, trigger.Type)
		}
	}
	if len(queues) != 3 {
		t.Errorf("queues %v", queues)
	}
}
