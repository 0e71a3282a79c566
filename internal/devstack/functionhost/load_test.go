package functionhost_test

import (
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) {
	t.Parallel()
	// The handler fails to start unless it sees its settings: the probe needs
	// PROBE_DIR and the port. What else it sees is its own report.
	r := stage(t, map[string]string{"host.json": hostJSON("00:10:00", ""), "F": byHand})
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
