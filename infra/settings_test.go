package infra_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stackusage/functions"
	"stackusage/internal/bicep"
	"stackusage/shared/azurestore"
)

// goFile parses a file of ours.
func goFile(t testing.TB, name string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, read(t, name), 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// handlerSettings are the settings that the handler reads, with their defaults:
// the tags of its Config. Those without default are not in defaults.
func handlerSettings(t testing.TB) (names []string, defaults map[string]string) {
	t.Helper()
	defaults = map[string]string{}
	ast.Inspect(goFile(t, "cmd/handler/config.go"), func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return true
		}
		text, _ := strconv.Unquote(field.Tag.Value)
		tag := reflect.StructTag(text)
		if name := tag.Get("env"); name != "" {
			names = append(names, name)
			if value, ok := tag.Lookup("default"); ok {
				defaults[name] = value
			}
		}
		return true
	})
	if len(names) < 10 {
		t.Fatalf("settings of the handler: %v", names)
	}
	return names, defaults
}

// connections are the storage connections that the handler opens.
func connections(t testing.TB) (names []string) {
	t.Helper()
	ast.Inspect(goFile(t, "cmd/handler/main.go"), func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		if fn, ok := call.Fun.(*ast.SelectorExpr); ok && fn.Sel.Name == "Connect" {
			if lit, ok := call.Args[1].(*ast.BasicLit); ok {
				name, _ := strconv.Unquote(lit.Value)
				names = append(names, name)
			}
		}
		return true
	})
	if len(names) == 0 {
		t.Fatal("the handler opens no connection")
	}
	return names
}

// set are the settings that the templates set, as they are written.
func set(t testing.TB, all templates) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for _, group := range []string{"ofHost", "ofHandler"} {
		for _, p := range all.value(t, "modules/settings.bicep", group).Named() {
			if key, value := bicep.KeyValue(p); value != nil {
				settings[key] = value.Text()
			}
		}
	}
	return settings
}

// Settings of the Functions host on this plan. FUNCTIONS_WORKER_RUNTIME is none:
// the plan takes the runtime from functionAppConfig.
var hostSettings = []string{
	"APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING",
	"AzureWebJobsStorage__blobServiceUri", "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri",
	"AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId",
}

func TestSettings(t *testing.T) {
	holds(t, func(t testing.TB, all templates) (problems []string) {
		settings := set(t, all)
		for _, name := range hostSettings {
			if settings[name] == "" {
				problems = append(problems, "the host's setting "+name+" is not set")
			}
			delete(settings, name)
		}
		names, defaults := handlerSettings(t)
		for _, connection := range connections(t) {
			names = slices.DeleteFunc(names, func(n string) bool { return n == connection })
			problems = append(problems, connects(settings, connection)...)
		}
		for _, name := range names {
			value, ok := settings[name]
			text, literal := strings.CutPrefix(value, "'")
			switch {
			case !ok:
				problems = append(problems, "the handler reads "+name+", which is not set")
			case literal && defaults[name] != strings.TrimSuffix(text, "'") && !commented(all["modules/settings.bicep"], name):
				problems = append(problems, name+" is "+value+", by default "+defaults[name])
			}
			delete(settings, name)
		}
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			problems = append(problems, "nothing reads "+name)
		}
		return append(problems, expansions(t, set(t, all))...)
	},
		mutant{"a setting is missing", edit{"modules/settings.bicep", "  SEND_LIMIT: '5m'\n", ""}, "the handler reads SEND_LIMIT, which is not set"},
		mutant{"a setting that nothing reads", edit{"modules/settings.bicep", "  SEND_LIMIT", "  SENT_LIMIT: '1'\n  SEND_LIMIT"}, "nothing reads SENT_LIMIT"},
		mutant{"another default", edit{"modules/settings.bicep", "SEND_LIMIT: '5m'", "SEND_LIMIT: '6m'"}, "SEND_LIMIT is '6m', by default 5m"},
		mutant{"a connection without queues", edit{"modules/settings.bicep", "  UsageStorage__queueServiceUri: usage.queue\n", ""}, "set UsageStorage to"},
		mutant{"a connection without its identity", edit{"modules/settings.bicep", "  LandingStorage__clientId: clientId\n", ""}, "LandingStorage__clientId is not set"},
		mutant{"a connection string", edit{"modules/settings.bicep", "  UsageStorage__clientId", "  UsageStorage: 'AccountKey=x'\n  UsageStorage__clientId"}, "UsageStorage is a connection string"},
		mutant{"blobs of another account", edit{"modules/settings.bicep", "LandingStorage__blobServiceUri: landing.blob", "LandingStorage__blobServiceUri: usage.blob"}, "are of landing and usage"},
		mutant{"the schedule is not set", edit{"modules/settings.bicep", "  SWEEP_SCHEDULE: '0 */5 * * * *'\n", ""}, "%SWEEP_SCHEDULE% is not set"},
		mutant{"the host has no identity", edit{"modules/settings.bicep", "  AzureWebJobsStorage__clientId: clientId\n", ""}, "AzureWebJobsStorage__clientId is not set"},
	)
}

// commented reports whether the line that sets a setting says why.
func commented(f *bicep.File, name string) bool {
	return regexp.MustCompile(`(?m)^ +` + name + `: .* // \w`).MatchString(f.Root.Text())
}

// connects opens a connection with its settings, as the handler does, and takes
// out what it asks for.
func connects(settings map[string]string, connection string) (problems []string) {
	if _, ok := settings[connection]; ok {
		problems = append(problems, connection+" is a connection string")
	}
	accounts := map[string]bool{}
	asked := map[string]bool{}
	_, err := azurestore.Connect(func(name string) string {
		asked[name] = true
		value := settings[name]
		if account, service, ok := strings.Cut(value, "."); ok && strings.HasSuffix(name, "ServiceUri") {
			accounts[account] = true
			return "https://" + account + "." + service + ".example/"
		}
		return strings.Trim(value, "'")
	}, connection)
	if err != nil {
		problems = append(problems, err.Error())
	}
	for _, name := range []string{connection + "__credential", connection + "__clientId"} {
		if settings[name] == "" {
			problems = append(problems, name+" is not set")
		}
	}
	if len(accounts) > 1 {
		problems = append(problems, "services of "+connection+" are of "+strings.Join(slices.Sorted(maps.Keys(accounts)), " and "))
	}
	for name := range asked {
		delete(settings, name)
	}
	return problems
}

var expansion = regexp.MustCompile(`%(\w+)%`)

// expansions are settings that bindings and host.json name, and the connections
// of bindings.
func expansions(t testing.TB, settings map[string]string) (problems []string) {
	t.Helper()
	all, err := functions.All()
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "host.json")
	for _, f := range all {
		for _, b := range f.Bindings {
			text += b.Schedule + b.QueueName + b.Route
			if b.Connection != "" && settings[b.Connection+"__queueServiceUri"] == "" {
				problems = append(problems, f.Name+" uses connection "+b.Connection+", which is not set")
			}
		}
	}
	for _, m := range expansion.FindAllStringSubmatch(text, -1) {
		if _, ok := settings[m[1]]; !ok {
			problems = append(problems, m[0]+" is not set")
		}
	}
	return problems
}

func TestHostTimes(t *testing.T) {
	var host struct {
		FunctionTimeout string
		Logging         struct {
			ApplicationInsights struct {
				SamplingSettings struct{ ExcludedTypes string }
			}
		}
		Extensions struct {
			Queues struct {
				VisibilityTimeout, MaxPollingInterval string
				MaxDequeueCount                       int
			}
		}
	}
	decode(t, "host.json", &host)
	clock := func(text string) time.Duration {
		at, err := time.Parse("15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return at.Sub(at.Truncate(24 * time.Hour))
	}
	q := host.Extensions.Queues
	tries := time.Duration(q.MaxDequeueCount) * (clock(q.VisibilityTimeout) + clock(q.MaxPollingInterval))
	holds(t, func(t testing.TB, all templates) (problems []string) {
		settings := set(t, all)
		length := func(name string) time.Duration {
			d, err := time.ParseDuration(strings.Trim(settings[name], "'"))
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		check := func(ok bool, problem string) {
			if !ok {
				problems = append(problems, problem)
			}
		}
		check(length("INVOCATION_LIMIT") < clock(host.FunctionTimeout), "an invocation is killed before it gives up")
		check(tries < length("SWEEP_GRACE"), "Sweep sends another message while the host still tries the first")
		check(length("SEND_LIMIT") < length("INVOCATION_LIMIT"), "a sender's claim outlives its invocation")
		check(strings.Contains(host.Logging.ApplicationInsights.SamplingSettings.ExcludedTypes, "Trace"), "alert rules miss lines that are sampled away")
		for d := range all.resources("Microsoft.EventGrid/systemTopics/eventSubscriptions") {
			ttl := bicep.Find(bicep.Body(d.Value), "properties", "deliveryWithResourceIdentity", "destination", "properties", "queueMessageTimeToLiveInSeconds")
			check(ttl != nil && ttl.Text() == "-1", "announcements expire in an outage")
		}
		return problems
	},
		mutant{"a limit above the timeout", edit{"modules/settings.bicep", "INVOCATION_LIMIT: '28m'", "INVOCATION_LIMIT: '31m'"}, "killed before it gives up"},
		mutant{"no grace", edit{"modules/settings.bicep", "SWEEP_GRACE: '15m'", "SWEEP_GRACE: '1m'"}, "Sweep sends another"},
		mutant{"a long claim", edit{"modules/settings.bicep", "SEND_LIMIT: '5m'", "SEND_LIMIT: '50m'"}, "outlives its invocation"},
		mutant{"messages that expire", edit{"modules/events.bicep", "InSeconds: -1", "InSeconds: 604800"}, "expire in an outage"},
	)
}
