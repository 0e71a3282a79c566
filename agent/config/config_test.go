package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/config"
	"stackusage/shared/usage"
)

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	guid    = "39c82aed-b2b7-4a66-abdb-611de00bf11e"
)

// whole are the keys without which no file is right.
var whole = map[string]string{
	"cloudId": cloudID, "firstHour": "2019-12-10T19:00:00Z",
	"stack.region": "local", "stack.domain": "azurestack.external", "stack.providerSubscription": guid,
	"stack.signIn.method": "clientSecret", "stack.signIn.tenantId": "adfs", "stack.signIn.clientId": guid, "stack.signIn.secretFile": "stack-client-secret",
	"storage.account": "landingusage", "storage.signIn.method": "managedIdentity",
}

func none(string) string { return "" }

// write makes a configuration of whole with some keys changed, and the secret.
func write(t *testing.T, change map[string]string) (path string) {
	t.Helper()
	values := map[string]string{}
	for key, value := range whole {
		values[key] = value
	}
	for key, value := range change {
		values[key] = value
	}
	text, err := config.FillSample(values)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "config.yaml")
	put(t, path, text, 0o640)
	put(t, filepath.Join(filepath.Dir(path), "secrets", "stack-client-secret"), "hidden-value\n", 0o600)
	return path
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestTheSampleAndTheStructHaveTheSameKeys(t *testing.T) {
	var inStruct []string
	var visit func(path string, typ reflect.Type)
	visit = func(path string, typ reflect.Type) {
		for i := range typ.NumField() {
			if typ.Field(i).Tag.Get("yaml") == "-" {
				continue // of storage: none
			}
			key := strings.TrimPrefix(path+"."+typ.Field(i).Tag.Get("yaml"), ".")
			inStruct = append(inStruct, key)
			if field := typ.Field(i).Type; field.Kind() == reflect.Struct {
				visit(key, field)
			}
		}
	}
	visit("", reflect.TypeFor[config.Config]())

	var inSample, stack []string
	line := regexp.MustCompile(`^( *)([A-Za-z0-9]+):( \S.*)?$`)
	documented := false
	for number, text := range strings.Split(config.Sample(), "\n") {
		if strings.HasPrefix(strings.TrimSpace(text), "# ") {
			documented = true
			continue
		}
		if m := line.FindStringSubmatch(text); m != nil {
			if !documented {
				t.Errorf("line %d: %s has no comment above it", number+1, m[2])
			}
			stack = append(stack[:len(m[1])/2], m[2])
			inSample = append(inSample, strings.Join(stack, "."))
		}
		documented = false
	}
	slices.Sort(inStruct)
	slices.Sort(inSample)
	if diff := cmp.Diff(inStruct, inSample); diff != "" {
		t.Errorf("(-struct +sample)\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	path := write(t, nil)
	got, err := config.Load(path, none)
	if err != nil {
		t.Fatal(err)
	}
	hour, _ := usage.ParseHour("2019-12-10T19:00:00Z")
	want := config.Config{
		CloudID: cloudID, FirstHour: &hour,
		Stack: config.Stack{
			Endpoint: "https://adminmanagement.local.azurestack.external", Region: "local", Domain: "azurestack.external", Namespace: config.Auto, ProviderSubscription: guid,
			SignIn: config.SignIn{Method: "clientSecret", TenantID: "adfs", ClientID: guid, SecretFile: filepath.Join(filepath.Dir(path), "secrets", "stack-client-secret")},
		},
		Storage: config.Storage{Account: "landingusage", BlobServiceURI: "https://landingusage.blob.core.windows.net", Container: "landing-" + cloudID, SignIn: config.SignIn{Method: "managedIdentity"}},
		Collect: config.Collect{Delay: time.Hour, Interval: time.Hour, Jitter: 5 * time.Minute, MaxCatchUp: 24, SplitAfter504s: true, CheckAfter: 24 * time.Hour},
		Spool:   config.Spool{Dir: "/var/lib/stackusage-agent/spool", MaxBytes: 10 << 30, MaxAge: 30 * 24 * time.Hour, MinFree: 1 << 30, KeepSent: 168 * time.Hour},
		Timeouts: config.Timeouts{
			Dial: 30 * time.Second, TLS: 15 * time.Second, Header: 2 * time.Minute, Request: 5 * time.Minute, Upload: 30 * time.Minute, Shutdown: 20 * time.Second,
		},
		Log: config.Log{Level: "info", Format: "json"},
	}
	if runtime.GOOS == "windows" {
		want.Spool.Dir = `C:\ProgramData\stackusage-agent\spool`
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	t.Run("keys that are left out have the sample's defaults", func(t *testing.T) {
		text := "cloudId: " + cloudID + "\nfirstHour: 2019-12-10T19:00:00Z\n" +
			"stack: {region: local, domain: azurestack.external, providerSubscription: " + guid + ", signIn: {method: clientSecret, tenantId: adfs, clientId: " + guid + ", secretFile: stack-client-secret}}\n" +
			"storage:\n  account: landingusage\n  signIn:\n    method: managedIdentity\n"
		put(t, path, text, 0o640)
		again, err := config.Load(path, none)
		if diff := cmp.Diff(want, again); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	})
	t.Run("the secret is read when it is needed", func(t *testing.T) {
		secret, err := got.Stack.SignIn.Secret(none)
		if secret != "hidden-value" || err != nil {
			t.Errorf("%q, %v", secret, err)
		}
	})
}

func TestLists(t *testing.T) {
	path := write(t, map[string]string{"proxy.url": "http://proxy.example.net:8080"})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []struct{ subscriptions, except string }{
		{"[" + guid + "]", "[local.azurestack.external, 10.0.0.0/8]"},
		{"\n    - " + guid, "\n  - local.azurestack.external\n  - 10.0.0.0/8"},
	} {
		changed := strings.Replace(string(text), "infrastructureSubscriptions: []", "infrastructureSubscriptions: "+form.subscriptions, 1)
		put(t, path, strings.Replace(changed, "except: []", "except: "+form.except, 1), 0o640)
		c, err := config.Load(path, none)
		want := []any{[]string{guid}, []string{"local.azurestack.external", "10.0.0.0/8"}}
		if diff := cmp.Diff(want, []any{c.Stack.InfrastructureSubscriptions, c.Proxy.Except}); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}
	put(t, path, strings.Replace(string(text), "infrastructureSubscriptions: []", "infrastructureSubscriptions: ["+guid+", x]", 1), 0o640)
	if _, err := config.Load(path, none); err == nil || !strings.Contains(err.Error(), "stack.infrastructureSubscriptions: not a GUID: write GUIDs") {
		t.Errorf("got %v", err)
	}
}

func TestSizesAndTimes(t *testing.T) {
	for text, want := range map[string]config.Size{"512MiB": 512 << 20, "10GiB": 10 << 30, "2TiB": 2 << 40, "67108864B": 64 << 20, "65536KiB": 64 << 20} {
		c, err := config.Load(write(t, map[string]string{"spool.maxBytes": text}), none)
		if err != nil || c.Spool.MaxBytes != want {
			t.Errorf("%s: %d, %v", text, c.Spool.MaxBytes, err)
		}
	}
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "36h": 36 * time.Hour, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "0s": 0} {
		c, err := config.Load(write(t, map[string]string{"collect.delay": text}), none)
		if err != nil || c.Collect.Delay != want {
			t.Errorf("%s: %s, %v", text, c.Collect.Delay, err)
		}
	}
	if got := config.Size(10<<30).String() + " " + config.Size(0).String() + " " + config.Size(1025).String(); got != "10GiB 0B 1025B" {
		t.Error(got)
	}
}

func TestFillSample(t *testing.T) {
	text, err := config.FillSample(whole)
	if err != nil {
		t.Fatal(err)
	}
	comments := func(text string) (lines []string) {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	if diff := cmp.Diff(comments(config.Sample()), comments(text)); diff != "" {
		t.Errorf("comments are gone\n%s", diff)
	}
	if n, m := strings.Count(config.Sample(), "\n"), strings.Count(text, "\n"); n != m {
		t.Errorf("%d lines became %d", n, m)
	}
	for name, values := range map[string]map[string]string{
		"a key that is not there": {"stack.colour": "blue"}, "a section": {"stack": "x"},
		"a list": {"proxy.except": "x"}, "a value of two lines": {"stack.region": "a\nb: c"},
	} {
		if text, err := config.FillSample(values); err == nil {
			t.Errorf("%s is written: %s", name, text)
		}
	}
	t.Run("values that YAML would take for something else stay texts", func(t *testing.T) {
		for _, domain := range []string{"true", "null", "007", "1e3", "no", "x.y"} {
			text, err := config.FillSample(map[string]string{"stack.domain": domain})
			if err != nil || !regexp.MustCompile(`domain: ["']?`+regexp.QuoteMeta(domain)).MatchString(text) {
				t.Errorf("%s: %v", domain, err)
			}
		}
	})
}

func TestASwitchIsOnOrOff(t *testing.T) {
	for text, want := range map[string]string{"on": "true", "off": "false", "2": "", "0": "", "yes": "", "-1": "", "": ""} {
		var got config.OnOff
		err := got.UnmarshalText([]byte(text))
		if (err == nil) != (want != "") || err == nil && fmt.Sprint(got) != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

// TestStorageNone: a stack that does not reach Azure has one line in place of a section.
func TestStorageNone(t *testing.T) {
	load := func(storage string) (config.Config, error) {
		path := write(t, nil)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, _ := strings.Cut(string(text), "\nstorage:\n")
		_, after, _ := strings.Cut(rest, "\ncollect:\n")
		put(t, path, before+"\n"+storage+"\ncollect:\n"+after, 0o640)
		return config.Load(path, none)
	}
	c, err := load("storage: none")
	if diff := cmp.Diff(config.Storage{None: true}, c.Storage); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for storage, want := range map[string]string{
		"storage: off": "storage: is a section", "storage: none\nstorage: {account: a}": "already in line", "storage: {none: on}": "storage.none: unknown key",
		"storage: {-: on}": "storage.-: unknown key", "storage:": "storage.account", "stack: none": "stack: ",
	} {
		if _, err := load(storage); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", storage, err, want)
		}
	}
}
