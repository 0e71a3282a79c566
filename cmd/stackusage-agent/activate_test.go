package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/config"
	"stackusage/shared/activation"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

const guid = "39c82aed-b2b7-4a66-abdb-611de00bf11e"

// keyOf is an activation key with something changed.
func keyOf(t *testing.T, change func(*activation.Key)) string {
	t.Helper()
	first, err := usage.ParseHour("2019-12-10T19:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	k := activation.Key{
		Account: "landingusage", Container: landing.Container(cloudID), CloudID: cloudID,
		Identity: activation.Identity{Method: activation.ClientSecret, TenantID: guid, ClientID: guid},
		Stack:    activation.Stack{Region: "local", Domain: "azurestack.external", ProviderSubscription: guid},
		Rules:    &activation.Rules{BillingModel: "PayAsYouUse", FirstHour: &first},
	}
	if change != nil {
		change(&k)
	}
	text, err := activation.Encode(k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestActivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etc")
	path := filepath.Join(dir, "config.yaml")
	got := call(t, nil, "activate", keyOf(t, nil), "--config", path)
	mustEqual(t, nil, got.err)
	for _, want := range []string{
		"wrote " + path + "\nregistration " + cloudID + "\nstack https://adminmanagement.local.azurestack.external\nstorage landingusage, container landing-" + cloudID + "\nbilling model PayAsYouUse\n",
		"put the secret of application " + guid + " into " + filepath.Join(dir, "secrets", "storage-client-secret") + ", mode 0640, group stackusage-agent\n",
		": stack.signIn.method: must be one of clientSecret, clientCertificate, managedIdentity\n",
		": storage.signIn.secretFile: there is no such file",
		"then check it: stackusage-agent config check --config " + path + "\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("nothing says %q:\n%s", want, got.stdout)
		}
	}
	text := mustRead(t, path)
	t.Run("every comment of the sample is kept", func(t *testing.T) {
		mustEqual(t, strings.Count(config.Sample(), "#"), strings.Count(text, "#"))
		mustEqual(t, strings.Count(config.Sample(), "\n"), strings.Count(text, "\n"))
	})
	t.Run("nobody else reads it, and nothing else is left behind", func(t *testing.T) {
		entries, err := os.ReadDir(dir)
		mustEqual(t, nil, err)
		names := []string{}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		mustEqual(t, []string{"config.yaml", "secrets"}, names)
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o644 {
			t.Errorf("%v, %v", info, err)
		}
	})
	t.Run("a file that is there is not touched", func(t *testing.T) {
		again := call(t, nil, "activate", "--config", path, keyOf(t, nil))
		if again.err == nil || !strings.Contains(again.err.Error(), "exists: edit it") || again.stdout != "" {
			t.Errorf("got %+v", again)
		}
		mustEqual(t, text, mustRead(t, path))
	})
	t.Run("by force it is replaced, and kept", func(t *testing.T) {
		edited := strings.Replace(text, "level: info", "level: debug", 1)
		mustEqual(t, nil, os.WriteFile(path, []byte(edited), 0o640))
		again := call(t, nil, "activate", keyOf(t, func(k *activation.Key) { k.Stack.Region = "north" }), "--force", "--config", path)
		mustEqual(t, nil, again.err)
		mustEqual(t, edited, mustRead(t, path+".bak"))
		mustEqual(t, strings.Replace(text, "region: local", "region: north", 1), mustRead(t, path))
	})
}

func TestAConfigurationThatIsFilledInIsRight(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	got := call(t, nil, "activate", "--config", path, keyOf(t, func(k *activation.Key) {
		k.Identity = activation.Identity{Method: activation.ManagedIdentity}
	}))
	mustEqual(t, nil, got.err)
	if strings.Contains(got.stdout, "put the") {
		t.Errorf("asks for a secret: %s", got.stdout)
	}
	if check := call(t, nil, "config", "check", "--config", path); check.err == nil || !strings.Contains(check.err.Error(), "stack.signIn.method") {
		t.Errorf("got %+v", check)
	}
	text := mustRead(t, path)
	stack := strings.Replace(text, `method: ""`, "method: clientSecret", 1)
	stack = strings.Replace(stack, `tenantId: ""`, "tenantId: adfs", 1)
	stack = strings.Replace(stack, `clientId: ""`, "clientId: "+guid, 1)
	stack = strings.Replace(stack, `secretEnv: ""`, "secretEnv: STACK_CLIENT_SECRET", 1)
	mustEqual(t, nil, os.WriteFile(path, []byte(stack), 0o640))
	check := call(t, map[string]string{"STACK_CLIENT_SECRET": "hidden-value"}, "config", "check", "--config", path)
	mustEqual(t, nil, check.err)
	if !strings.HasPrefix(check.stdout, path+" is valid\nregistration "+cloudID+" from 2019-12-10T19:00Z on\nstack https://adminmanagement.local.azurestack.external by clientSecret\n") ||
		strings.Contains(check.text(), "hidden-value") {
		t.Errorf("printed %s", check.stdout)
	}
}

func TestWhatEachMethodIsFilledInWith(t *testing.T) {
	for _, tt := range []struct {
		method string
		want   map[string]string
	}{
		{activation.ClientSecret, map[string]string{"method": "clientSecret", "clientId": guid, "tenantId": guid, "secretFile": "storage-client-secret"}},
		{activation.ClientCertificate, map[string]string{"method": "clientCertificate", "clientId": guid, "tenantId": guid, "certificateFile": "storage-certificate.pem"}},
		{activation.ManagedIdentity, map[string]string{"method": "managedIdentity", "clientId": guid}},
	} {
		got := map[string]string{}
		for key, value := range filled(activation.Key{Identity: activation.Identity{Method: tt.method, TenantID: guid, ClientID: guid}}) {
			if name, ok := strings.CutPrefix(key, "storage.signIn."); ok {
				got[name] = value
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.method, diff)
		}
	}
}

func TestConfigSample(t *testing.T) {
	if got := call(t, nil, "config", "sample"); got != (result{stdout: config.Sample()}) {
		t.Errorf("got %+v", got)
	}
}

func TestRefusalsOfTheConfigurationCommands(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent.yaml")
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"half a key", []string{"activate", keyOf(t, nil)[:100], "--config", absent}, "read activation key: not the JSON of a key"},
		{"no file", []string{"config", "check", "--config", absent}, "stackusage-agent activate KEY"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := call(t, nil, tt.args...)
			if got.err == nil || !strings.Contains(got.err.Error(), tt.says) || got.stdout != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
	if _, err := os.Stat(absent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a command that was refused wrote: %v", err)
	}
	if runtime.GOOS != "windows" {
		t.Run("the service command elsewhere than on Windows", func(t *testing.T) {
			if got := call(t, nil, "service", "install"); got.err == nil || !strings.Contains(got.err.Error(), "is for Windows") {
				t.Errorf("got %+v", got)
			}
		})
	}
}
