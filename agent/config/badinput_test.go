package config_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"stackusage/agent/config"
)

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	put(t, path, `cloudId: B31316D4-DE02-43A4-903D-EB74F8258B01
firstHour: noon
stack:
  reigon: local
  namespace: Microsoft.Billing
  endpoint: http://adminmanagement.local.azurestack.external
  signIn: {method: clientSecret, tenantId: adfs, clientId: me, secretFile: s, secretEnv: S, certificateFile: c}
spool:
  maxBytes: 10GB
  maxBytes: 20GiB
collect: {delay: soon, maxCatchUp: many}
clientSecret: hidden-value
`, 0o640)
	_, err := config.Load(path, none)
	var bad *config.Error
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"line 1: cloudId: must be in lower case with dashes: write the registration's cloudId",
		`line 2: firstHour: parse time "noon": want RFC 3339 in UTC, for example 2019-12-10T19:00Z`,
		"line 4: stack.reigon: unknown key; did you mean region?",
		"line 5: stack.namespace: must be one of auto, Microsoft.Commerce.Admin, Microsoft.Commerce",
		"line 6: stack.endpoint: must begin with https://",
		"line 7: stack.signIn.clientId: not a GUID",
		"line 7: stack.signIn.secretFile: set either secretFile or secretEnv",
		"line 7: stack.signIn.certificateFile: does not belong to method clientSecret",
		"line 7: stack.signIn.secretEnv: the variable S is not set",
		"line 9: spool.maxBytes: not a size: write 512MiB or 10GiB",
		"line 10: spool.maxBytes: it is already in line 9",
		"line 11: collect.delay: not a time: write 90s, 5m, 36h or 30d",
		"line 11: collect.maxCatchUp: not a whole number",
		"line 12: clientSecret: this file must not hold secrets",
		"stack.region: missing",
		"storage.account: missing",
		"storage.signIn.method: must be one of",
	} {
		if !strings.Contains(err.Error(), "\n  "+want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if strings.Contains(err.Error(), "hidden-value") || strings.Contains(err.Error(), "line 2: firstHour: missing") {
		t.Errorf("got %v", err)
	}
	for i, p := range bad.Problems[1:] {
		if before := bad.Problems[i]; p.Line != 0 && before.Line > p.Line {
			t.Errorf("line %d before line %d", before.Line, p.Line)
		}
	}
}

func TestRefusals(t *testing.T) {
	pfx := map[string]string{"stack.signIn.method": "clientCertificate", "stack.signIn.secretFile": "", "stack.signIn.certificateFile": "stack-client-secret"}
	emulator := map[string]string{"storage.connectionStringEnv": "EMULATOR", "storage.account": "", "storage.signIn.method": ""}
	with := func(base map[string]string, key, value string) map[string]string {
		all := maps.Clone(base)
		all[key] = value
		return all
	}
	for _, tt := range []struct {
		name   string
		change map[string]string
		says   string // "" if it is right
	}{
		{"nothing is wrong", nil, ""},
		{"a certificate", pfx, ""},
		{"a certificate without its file", with(pfx, "stack.signIn.certificateFile", ""), "stack.signIn.certificateFile: missing"},
		{"two passwords", with(with(pfx, "stack.signIn.certificatePasswordFile", "stack-client-secret"), "stack.signIn.certificatePasswordEnv", "EMULATOR"), "set either certificatePasswordFile or"},
		{"an emulator", emulator, ""},
		{"an emulator beside an account", with(emulator, "storage.account", "landingusage"), "takes the place of account"},
		{"a secret for the name of a variable", with(emulator, "storage.connectionStringEnv", "AccountKey=hidden"), "not the secret itself"},
		{"a variable that is not set", with(emulator, "storage.connectionStringEnv", "OTHER"), "the variable OTHER is not set"},
		{"a storage twice", map[string]string{"storage.blobServiceUri": "https://landing.example.net"}, "stands beside account"},
		{"a storage with a signature", map[string]string{"storage.account": "", "storage.blobServiceUri": "https://landing.example.net/?sig=hidden"}, "a signature is a secret"},
		{"another container", map[string]string{"storage.container": "usage"}, "storage.container: must be landing-<cloudId>"},
		{"an identity with a directory", map[string]string{"storage.signIn.tenantId": "contoso.example"}, "does not belong to method managedIdentity"},
		{"a provider without dashes", map[string]string{"stack.providerSubscription": strings.ReplaceAll(guid, "-", "")}, "a GUID without its dashes"},
		{"a secret in a folder of its own", map[string]string{"stack.signIn.secretFile": "etc/hidden"}, "stack.signIn.secretFile: must be an absolute path"},
		{"a secret that is not there", map[string]string{"stack.signIn.secretFile": "absent"}, "there is no such file"},
		{"authorities in a folder of their own", map[string]string{"stack.caFile": "ca.pem"}, "stack.caFile: must be an absolute path"},
		{"a spool in a folder of its own", map[string]string{"spool.dir": "spool"}, "spool.dir: must be an absolute path"},
		{"a spool too small", map[string]string{"spool.maxBytes": "1MiB"}, "at least 64MiB"},
		{"a size beyond", map[string]string{"spool.maxBytes": "9223372036854775807TiB"}, "not a size"},
		{"a time beyond", map[string]string{"collect.interval": "36500d"}, "collect.interval: 36500 d is not from 10 s to 1 h"},
		{"a negative time", map[string]string{"timeouts.dial": "-1s"}, "timeouts.dial: -1 s is not from"},
		{"a proxy with a password", map[string]string{"proxy.url": "http://me:hidden@proxy:8080"}, "a user or password is in it"},
		{"a proxy that is none", map[string]string{"proxy.url": "proxy"}, "not the address of a proxy"},
		{"metrics for everybody", map[string]string{"metrics.listen": "0.0.0.0:9464"}, "not a loopback address"},
		{"metrics without a port", map[string]string{"metrics.listen": "127.0.0.1"}, "not a loopback address"},
		{"metrics", map[string]string{"metrics.listen": "[::1]:9464"}, ""},
		{"a level that is none", map[string]string{"log.level": "loud"}, "log.level: must be one of"},
		{"a first hour that was never set", map[string]string{"firstHour": "0001-01-01T00:00:00Z"}, "firstHour: no stack is as old as that"},
		{"no catching up", map[string]string{"collect.maxCatchUp": "0"}, "from 1 to 100000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Load(write(t, tt.change), func(name string) string { return map[string]string{"EMULATOR": "UseDevelopmentStorage=true"}[name] })
			if (err == nil) != (tt.says == "") || err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hidden")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, text, says string }{
		{"nothing", "", "problems\n"},
		{"a list", "- a\n- b\n", "line 1: the file must be keys and values"},
		{"a tab", "stack:\n\tregion: hidden-value\n", "line 2: not YAML"},
		{"no text", "cloudId: \xff\n", "it is not UTF-8"},
		{"a book", "# " + strings.Repeat("x", config.MaxFile), "over 262144 bytes"},
		{"an anchor", "cloudId: &a hidden-value\nfirstHour: *a\n", "line 1: cloudId: anchors and aliases"},
		{"a merge", "stack:\n  <<: {region: local}\n", "line 2: stack: anchors, aliases and merges"},
		{"a list for a text", "cloudId: [hidden-value]\n", "line 1: cloudId: must be one value"},
		{"a text for a list", "proxy: {except: hidden-value}\n", "line 1: proxy.except: must be a list"},
		{"a text for a section", "stack: hidden-value\n", "line 1: stack: is a section"},
		{"a value of two lines", "stack:\n  region: \"a\\nb\"\n", "line 2: stack.region: it contains a control character"},
		{"a key that is far from all", "colour: blue\n", "config sample lists all keys"},
		{"a key of odd characters", "\"\\e[2J\": x\n", "(a key of odd characters): unknown key"},
		{"problems without end", strings.Repeat("a: hidden-value\n", 200), "\n  and 1"},
		{"two documents", "# one\n---\nstack:\n---\ncloudId: hidden-value\n", "line 4: a second document begins here"},
		{"something after the end", "stack:\n...\ncloudId: hidden-value\n", "line 2: not YAML"},
		{"a second document that is none", "stack:\n---\n\tx: hidden-value\n", "line 3: not YAML"},
		{"nesting without end", strings.Repeat("[", 200_000), "not YAML"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, "config.yaml")
			put(t, path, tt.text, 0o640)
			_, err := config.Load(path, none)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hidden-value") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		if _, err := config.Load(dir, none); err == nil || !strings.Contains(err.Error(), "not a file") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a file that is not there", func(t *testing.T) {
		if _, err := config.Load(filepath.Join(dir, "absent"), none); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "stackusage-agent activate KEY") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("every word for a secret", func(t *testing.T) {
		for _, key := range []string{"secret", "password", "connectionString", "accountKey", "sasToken", "client_secret", "clientSecret"} {
			if _, err := config.Parse([]byte("storage: {" + key + ": hidden-value}\n")); err == nil || !strings.Contains(err.Error(), "this file must not hold secrets") || strings.Contains(err.Error(), "hidden-value") {
				t.Errorf("%s: got %v", key, err)
			}
		}
	})
}

func TestSecretFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows guards files by access lists")
	}
	path := write(t, nil)
	secret := filepath.Join(filepath.Dir(path), "secrets", "stack-client-secret")
	for mode, open := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: false, 0o440: false, 0o660: true, 0o644: true, 0o604: true, 0o602: true} {
		put(t, secret, "hidden-value", mode)
		_, err := config.Load(path, none)
		if (err != nil) != open || open && !strings.Contains(err.Error(), "chmod 0640 or 0600") {
			t.Errorf("%04o: %v", mode, err)
		}
	}
	t.Run("an empty one is refused", func(t *testing.T) {
		put(t, secret, "", 0o600)
		if _, err := config.Load(path, none); err == nil || !strings.Contains(err.Error(), "the file is empty") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("by variable", func(t *testing.T) {
		s := config.SignIn{SecretEnv: "A", CertificatePasswordEnv: "B"}
		getenv := func(name string) string { return map[string]string{"A": "hidden-value"}[name] }
		if got, err := s.Secret(getenv); got != "hidden-value" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := s.CertificatePassword(getenv); err == nil || !strings.Contains(err.Error(), "the variable B is not set") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a certificate is read whole", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "cert.pem")
		put(t, file, "line\n\n", 0o600)
		if got, err := (config.SignIn{CertificateFile: file}).Certificate(); string(got) != "line\n\n" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if got, err := (config.SignIn{}).CertificatePassword(none); got != "" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(config.Sample()))
	text, err := config.FillSample(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(text))
	for _, seed := range []string{"a: &a [*a]", "? [a]\n: b", "<<: {stack: {}}", "stack: {signIn: {secret: x}}", "%YAML 1.2\n---\n{}", "--- |\n x", "!!binary a: b", "{}: {}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse(text)
		var bad *config.Error
		switch {
		case err == nil && c.CloudID == "":
			t.Fatal("read, and it names no registration")
		case err != nil && (!errors.As(err, &bad) || len(bad.Problems) == 0):
			t.Fatalf("got %v", err)
		case err != nil && slices.ContainsFunc(bad.Problems, func(p config.Problem) bool { return p.Text == "" }):
			t.Fatalf("says nothing: %v", err)
		}
	})
}
