// Package deploy_test runs the scripts that deploy, with an az that writes down
// what it is asked.
package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeAZ notes its arguments, fails where FAIL is part of them, and answers the
// questions that the scripts ask.
const fakeAZ = `#!/bin/sh
echo "az $*" >> "$CALLS"
case "$*" in *"$FAIL"*) echo "az: refused" >&2; exit 1;; esac
case "$*" in
*outputs.resourceGroupName.value*) echo rg-stackusage;;
*outputs.appName.value*) echo susage-app;;
*outputs.appHostName.value*) echo susage-app.azurewebsites.net;;
*outputs.ledgerAccountName.value*) echo susageledger;;
*outputs.landingBlobEndpoint.value*) echo https://susagelanding.blob.core.windows.net/;;
*"keys list"*) echo "$KEY";;
esac
`

// fakeTool notes how it is called, and whether it got the key.
const fakeTool = `#!/bin/sh
echo "stackusage $*" >> "$CALLS"
env | grep Storage | sort >> "$CALLS"
[ "$STACKUSAGE_FUNCTION_KEY" = a-secret-key ] && echo "with the key" >> "$CALLS"
exit 2
`

const subscription = "2f1c7c36-51b7-4b6f-9c0b-6a8f3f6d2a10"

// script runs a script with the settings, and returns what az and the tool
// were asked.
func script(t *testing.T, name string, env ...string) (code int, out string, calls []string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("az", fakeAZ, 0o755)
	noted := write("calls", "", 0o644)
	cmd := exec.CommandContext(t.Context(), "./"+name)
	cmd.Env = append([]string{"PATH=" + dir + ":" + os.Getenv("PATH"), "CALLS=" + noted, "FAIL=nothing at all", "KEY=a-secret-key", "TRIES=2", "PAUSE=0",
		"PACKAGE=" + write("app.zip", "", 0o644), "PARAMETERS=" + write("main.bicepparam", "", 0o644), "TOOL=" + write("stackusage", fakeTool, 0o755)}, env...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(noted)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(both.String(), "a-secret-key") {
		t.Errorf("%s shows the key:\n%s", name, &both)
	}
	hide := strings.NewReplacer(dir+"/", "", subscription, "SUB")
	return cmd.ProcessState.ExitCode(), hide.Replace(both.String()), strings.Split(strings.TrimSpace(hide.Replace(string(text))), "\n")
}

var (
	settings = []string{"SUBSCRIPTION=" + subscription, "LOCATION=westeurope", "CONFIRM=yes"}
	deploys  = []string{
		"az account show --subscription SUB --output none",
		"az deployment sub what-if --subscription SUB --location westeurope --name stackusage --parameters main.bicepparam",
		"az deployment sub create --subscription SUB --location westeurope --name stackusage --parameters main.bicepparam --output none",
		"az deployment sub show --subscription SUB --name stackusage --query properties.outputs.resourceGroupName.value --output tsv",
		"az deployment sub show --subscription SUB --name stackusage --query properties.outputs.appName.value --output tsv",
		"az functionapp deployment source config-zip --subscription SUB --resource-group rg-stackusage --name susage-app --src app.zip --output none",
		"az functionapp deployment source config-zip --subscription SUB --resource-group rg-stackusage --name susage-app --src app.zip --output none",
	}
)

func TestDeploy(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  []string
		code int
		done int // calls of deploys
		says string
	}{
		{"everything in order", settings, 0, 6, "Deployed app.zip to susage-app in resource group rg-stackusage. Smoke-test it: make deploy-check\n"},
		{"no subscription", []string{"LOCATION=westeurope"}, 1, 0, "set SUBSCRIPTION to the id of the registration subscription"},
		{"no location", settings[:1], 1, 0, "set LOCATION to the region"},
		{"no parameters", append(settings, "PARAMETERS=nowhere.bicepparam"), 1, 0, "PARAMETERS nowhere.bicepparam: no such file"},
		{"no package", append(settings, "PACKAGE=nowhere.zip"), 1, 0, "make it with: make package"},
		{"nobody is signed in", append(settings, "FAIL=account show"), 1, 1, "sign in with az login, or check the id; nothing is changed"},
		{"what-if fails", append(settings, "FAIL=what-if"), 1, 2, "what-if failed: fix what it names in main.bicepparam or in the rights of who deploys; nothing is changed"},
		{"nobody says yes", settings[:2], 1, 2, "not confirmed: nobody can be asked here; read the above, then set CONFIRM=yes; nothing is changed"},
		{"somebody says no", append(settings[:2:2], "CONFIRM=no"), 1, 2, "not confirmed"},
		{"the deployment fails", append(settings, "FAIL=sub create"), 1, 3, "may be half there: see az deployment sub show --name stackusage"},
		{"it was made by another template", append(settings, "FAIL=outputs.resourceGroupName"), 1, 4, "has no output resourceGroupName"},
		{"the package is refused", append(settings, "FAIL=config-zip"), 1, 7, "the package was not deployed to susage-app: its infrastructure is there, its code is the one before"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out, calls := script(t, "deploy.sh", tc.env...)
			if code != tc.code || !strings.Contains(out, tc.says) {
				t.Errorf("exit code %d\n%s", code, out)
			}
			want := strings.Split(strings.Join(deploys[:tc.done], "\n"), "\n")
			if diff := cmp.Diff(want, calls); diff != "" {
				t.Errorf("calls (-want +got)\n%s", diff)
			}
		})
	}
}

func TestDeployCheck(t *testing.T) {
	t.Run("the tool gets the deployment's connections and the key, and says how it ends", func(t *testing.T) {
		code, out, calls := script(t, "check.sh", "SUBSCRIPTION="+subscription, "APP_SCOPE=api://app/.default", "CHECK_FLAGS=--wait 5m")
		want := []string{
			"stackusage smoke-test --app-url https://susage-app.azurewebsites.net --subscription SUB --app-scope api://app/.default --wait 5m",
			"LandingStorage__accountName=susagelanding", "UsageStorage__accountName=susageledger", "with the key",
		}
		if diff := cmp.Diff(want, calls[max(0, len(calls)-4):]); code != 2 || diff != "" {
			t.Errorf("exit code %d\n%s(-want +got)\n%s", code, out, diff)
		}
	})
	t.Run("connections that are left in the environment are not used", func(t *testing.T) {
		_, out, calls := script(t, "check.sh", "SUBSCRIPTION="+subscription, "UsageStorage=UseDevelopmentStorage=true", "UsageStorage__tableServiceUri=https://other.invalid", "LandingStorage__credential=managedidentity")
		want := []string{"LandingStorage__accountName=susagelanding", "UsageStorage__accountName=susageledger", "with the key"}
		if diff := cmp.Diff(want, calls[max(0, len(calls)-3):]); diff != "" || strings.Contains(strings.Join(calls, " "), "other") || strings.Contains(strings.Join(calls, " "), "UseDevelopment") {
			t.Errorf("%s(-want +got)\n%s", out, diff)
		}
	})
	for name, tc := range map[string]struct{ env, says string }{
		"the app has no key":       {"KEY=", "has no key named default"},
		"the app's key is null":    {"KEY=None", "has no key named default"},
		"no subscription":          {"SUBSCRIPTION=", "set SUBSCRIPTION"},
		"nothing is deployed":      {"FAIL=deployment sub show", "deploy this version's infra/main.bicep with: make deploy"},
		"the keys cannot be read":  {"FAIL=keys list", "who runs this needs Website Contributor"},
		"the tool is not built":    {"TOOL=nowhere", "make it with: make stage"},
		"an output is not there":   {"FAIL=outputs.ledgerAccountName", "has no output ledgerAccountName"},
		"an app without host name": {"FAIL=outputs.appHostName", "has no output appHostName"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, calls := script(t, "check.sh", "SUBSCRIPTION="+subscription, tc.env)
			if code != 1 || !strings.Contains(out, tc.says) || strings.HasPrefix(calls[len(calls)-1], "stackusage") {
				t.Errorf("exit code %d, calls %v\n%s", code, calls, out)
			}
		})
	}
}
