package functionhost_test

import (
	"maps"
	"strings"
	"testing"

	"stackusage/internal/devstack/functionhost"
)

// TestRefused shows the apps that Start does not run, because the real host
// would not run them or would run them without a function.
func TestRefused(t *testing.T) {
	t.Parallel()
	good := map[string]string{"host.json": hostJSON("00:10:00", ""), "F": manual}
	tests := []struct {
		name, file, content string
		set                 map[string]string
		want                string
	}{
		{"no host.json", "host.json", "", nil, "host.json"},
		{"broken host.json", "host.json", "{", nil, "decode host.json"},
		{"no version", "host.json", `{"customHandler":{}}`, nil, "version"},
		{"no custom handler", "host.json", `{"version":"2.0"}`, nil, "customHandler is missing"},
		{"no executable", "host.json", `{"version":"2.0","customHandler":{}}`, nil, "defaultExecutablePath"},
		{"customHandler.http beside functions", "host.json", `{"version":"2.0","customHandler":{` + described + `,"http":{"routes":[]}}}`, nil, "customHandler.http"},
		{"timeout not a span", "host.json", hostJSON("10m", ""), nil, "functionTimeout"},
		{"batch too large", "host.json", hostJSON("00:10:00", `"extensions":{"queues":{"batchSize":33}}`), nil, "batchSize 33"},
		{"polling too fast", "host.json", hostJSON("00:10:00", `"extensions":{"queues":{"maxPollingInterval":"00:00:00.05"}}`), nil, "maxPollingInterval"},
		{"unknown encoding", "host.json", hostJSON("00:10:00", `"extensions":{"queues":{"messageEncoding":"utf8"}}`), nil, "messageEncoding"},
		{"empty allow list", "host.json", hostJSON("00:10:00", `"functions":[]`), nil, "no functions"},
		{"other runtime", "F", manual, map[string]string{"FUNCTIONS_WORKER_RUNTIME": "node"}, `"node", not custom`},
		{"no trigger", "F", `{"bindings":[{"type":"http","direction":"out","name":"res"}]}`, nil, "no trigger"},
		{"two triggers", "F", `{"bindings":[{"type":"manualTrigger","name":"a"},{"type":"manualTrigger","name":"b"}]}`, nil, "more than one trigger"},
		{"unknown trigger", "F", `{"bindings":[{"type":"blobTrigger","name":"a"}]}`, nil, `no trigger "blobtrigger"`},
		{"unknown output", "F", `{"bindings":[{"type":"manualTrigger","name":"a"},{"type":"table","direction":"out","name":"b"}]}`, nil, `no output binding "table"`},
		{"input binding", "F", `{"bindings":[{"type":"manualTrigger","name":"a"},{"type":"blob","direction":"in","name":"b"}]}`, nil, `no input binding "blob"`},
		{"bad binding name", "F", `{"bindings":[{"type":"manualTrigger","name":"a-b"}]}`, nil, `"a-b" is not allowed`},
		{"binding name twice", "F", `{"bindings":[{"type":"manualTrigger","name":"a"},{"type":"http","direction":"out","name":"A"}]}`, nil, "used twice"},
		{"queue without bundle", "host.json", `{"version":"2.0","customHandler":{` + described + `}}`, map[string]string{"F": onQueue("work", "")}, "extensionBundle"},
		{"queue without name", "F", `{"bindings":[{"type":"queueTrigger","name":"a"}]}`, nil, "queueName is missing"},
		{"queue name not allowed", "F", onQueue("a--b", ""), map[string]string{"AzureWebJobsStorage": "x"}, `"a--b"`},
		{"setting not set", "F", onQueue("%NOT_SET%", ""), nil, "%NOT_SET%"},
		{"connection not set", "F", onQueue("work", `,"connection":"Elsewhere"`), nil, "app setting Elsewhere is not set"},
		{"connection by identity", "F", onQueue("work", `,"connection":"Elsewhere"`), map[string]string{"Elsewhere__queueServiceUri": "https://x", "Elsewhere__credential": "managedidentity"}, "the app has none (Options.Identity)"},
		{"connection by another credential", "F", onQueue("work", `,"connection":"Elsewhere"`), map[string]string{"Elsewhere__queueServiceUri": "https://x", "Elsewhere__credential": "password"}, "only managedidentity"},
		{"connection string not readable", "F", onQueue("work", ""), map[string]string{"AzureWebJobsStorage": "nonsense"}, "open queue work"},
		{"schedule of four fields", "F", timer("* * * *", ""), nil, "4 fields"},
		{"schedule in cron's own words", "F", timer("0 0 0 ? * *", ""), nil, "NCRONTAB"},
		{"schedule that never advances", "F", timer("00:00:00", ""), nil, "never advances"},
		{"route constraint", "F", web(`,"route":"{id:int}"`), nil, "parse route"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files, set := maps.Clone(good), map[string]string{}
			for name, v := range test.set {
				if name == "F" {
					files["F"] = v
					continue
				}
				set[name] = v
			}
			if files[test.file] = test.content; test.content == "" {
				delete(files, test.file)
			}
			r := stage(t, files)
			maps.Copy(r.opts.Settings, set)
			if test.set["AzureWebJobsStorage"] == "" && test.set["F"] != "" {
				r.opts.Settings["AzureWebJobsStorage"] = "x"
			}
			_, err := r.tryStart()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestLoaded(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{
		"host.json":           hostJSON("00:10:00", `"functions":["f","Retrying"]`),
		"F":                   "\ufeff" + manual,
		"Retrying":            `{"retry":{"strategy":"fixedDelay","maxRetryCount":2,"delayInterval":"00:00:10"},` + manual[1:],
		"NotAllowed":          manual,
		"1st":                 manual, // a name must begin with a letter
		"F/Nested":            manual, // only direct subfolders count
		"notes/readme.txt":    "not a function",
		"local.settings.json": "{}",
	}).start()
	want := map[string]functionhost.FunctionStats{"F": {}, "Retrying": {}}
	if got := r.Stats().Functions; !maps.Equal(got, want) {
		t.Errorf("functions %v", got)
	}
	if r.log.find("'1st' is not a valid function name.") == nil {
		t.Error("the bad name is not logged")
	}
	if record := r.log.find("retry in function.json is not carried out by the stand-in"); record == nil || record["function"] != "Retrying" || record["level"] != "WARN" {
		t.Errorf("the retry policy is not warned of: %v", record)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	// The handler fails to start unless it sees its settings: the probe needs
	// PROBE_DIR and the port. What else it sees is its own report.
	r := stage(t, map[string]string{"host.json": hostJSON("00:10:00", ""), "F": manual})
	r.opts.Settings["AzureWebJobs.Other.Disabled"] = "true"
	r.start()
	r.invoke("F", "env")
	r.finished("F", 1)
	env := make(map[string]string)
	for _, line := range r.lines("env") {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	for name, want := range map[string]string{
		"AzureWebJobs.Other.Disabled": "true",
		"FUNCTIONS_WORKER_RUNTIME":    "custom",
		"FUNCTIONS_APP_ROOT_PATH":     r.opts.AppDir,
		"AzureWebJobsScriptRoot":      r.opts.AppDir,
		"PWD_SEEN":                    r.opts.AppDir,
		"WEBSITE_HOSTNAME":            strings.TrimPrefix(r.URL(), "http://"),
		"FUNCTIONS_HTTPWORKER_PORT":   env["FUNCTIONS_CUSTOMHANDLER_PORT"],
		"FUNCTIONS_HTTPWORKER_ID":     env["FUNCTIONS_CUSTOMHANDLER_WORKER_ID"],
	} {
		if env[name] != want || want == "" {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
}
