package activation_test

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/activation"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	guid    = "39c82aed-b2b7-4a66-abdb-611de00bf11e"
)

func good() activation.Key {
	first := usage.Hour(438_300)
	return activation.Key{
		Format: activation.Format, Account: "landingusage", Container: landing.Container(cloudID), CloudID: cloudID,
		Identity: activation.Identity{TenantID: guid, ClientID: guid, Method: activation.ClientSecret},
		Stack:    activation.Stack{Region: "local", Domain: "azurestack.external", ProviderSubscription: guid},
		Rules:    &activation.Rules{BillingModel: "PayAsYouUse", FirstHour: &first},
	}
}

func TestAKeySaysWhatWasEncoded(t *testing.T) {
	for name, change := range map[string]func(*activation.Key){
		"whole":             func(*activation.Key) {},
		"without rules":     func(k *activation.Key) { k.Rules = nil },
		"by address":        func(k *activation.Key) { k.Account, k.BlobServiceURI = "", "https://landing.example.net" },
		"by identity":       func(k *activation.Key) { k.Identity = activation.Identity{Method: activation.ManagedIdentity} },
		"with its endpoint": func(k *activation.Key) { k.Stack.Endpoint = "https://management.stack.example.net" },
	} {
		t.Run(name, func(t *testing.T) {
			want := good()
			change(&want)
			text, err := activation.Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(text, "+/= \n") {
				t.Errorf("not base64url without padding: %s", text)
			}
			got, err := activation.Decode("\r\n " + text + "\n")
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
	t.Run("the endpoint follows from the stack's names", func(t *testing.T) {
		if got := good().Stack.AdminEndpoint(); got != "https://adminmanagement.local.azurestack.external" {
			t.Error(got)
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*activation.Key)
		says   string
	}{
		{"another format", func(k *activation.Key) { k.Format = "stackusage-activation/2" }, "install an agent of the key's version"},
		{"no storage", func(k *activation.Key) { k.Account = "" }, "account: missing"},
		{"two storages", func(k *activation.Key) { k.BlobServiceURI = "https://landing.example.net" }, "account, blobServiceUri: both"},
		{"an account of no such name", func(k *activation.Key) { k.Account = "Landing.Usage" }, "account: missing or not"},
		{"a storage without encryption", func(k *activation.Key) { k.Account, k.BlobServiceURI = "", "http://landing.example.net" }, "blobServiceUri: must begin with https://"},
		{"a storage with a signature", func(k *activation.Key) { k.Account, k.BlobServiceURI = "", "https://landing.example.net?sig=hidden" }, "a signature is a secret"},
		{"a storage with a password", func(k *activation.Key) { k.Account, k.BlobServiceURI = "", "https://a:hidden@landing.example.net" }, "secrets never stand here"},
		{"a registration in upper case", func(k *activation.Key) { k.CloudID = strings.ToUpper(cloudID) }, "cloudId: must be in lower case"},
		{"no registration", func(k *activation.Key) { k.CloudID, k.Container = "", "landing-" }, "cloudId: missing"},
		{"another registration's container", func(k *activation.Key) { k.Container = "landing-" + guid }, "container: must be landing-<cloudId>"},
		{"no method", func(k *activation.Key) { k.Identity.Method = "" }, "identity: method \"\": must be one of clientSecret, clientCertificate, managedIdentity"},
		{"no directory", func(k *activation.Key) { k.Identity.TenantID = "" }, "identity: tenantId: missing"},
		{"no application", func(k *activation.Key) { k.Identity.ClientID = "me" }, "identity: clientId: not a GUID"},
		{"an identity that is none", func(k *activation.Key) {
			k.Identity = activation.Identity{Method: activation.ManagedIdentity, ClientID: "me"}
		}, "identity: clientId: not a GUID"},
		{"no region", func(k *activation.Key) { k.Stack.Region = "" }, "stack.region: missing"},
		{"a region with a path", func(k *activation.Key) { k.Stack.Region = "local/../x" }, "stack.region: missing or not"},
		{"a domain that is none", func(k *activation.Key) { k.Stack.Domain = "external" }, "stack.domain: missing or not"},
		{"an endpoint that is none", func(k *activation.Key) { k.Stack.Endpoint = "local" }, "stack.endpoint: not of the form"},
		{"a provider that is none", func(k *activation.Key) { k.Stack.ProviderSubscription = "x" }, "stack.providerSubscription: not a GUID"},
		{"a model with more in it", func(k *activation.Key) { k.Rules.BillingModel = "Pay\x1b[2J" }, "rules.billingModel: not a name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := good()
			tt.change(&k)
			_, err := activation.Encode(k)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("everything at once", func(t *testing.T) {
		k := good()
		k.Account, k.CloudID, k.Stack.Region = "", "x", ""
		if _, err := activation.Encode(k); err == nil || strings.Count(err.Error(), "\n") != 3 {
			t.Errorf("got %v", err)
		}
	})
}

func TestTextsThatAreNoKey(t *testing.T) {
	whole, err := activation.Encode(good())
	if err != nil {
		t.Fatal(err)
	}
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, tt := range []struct{ name, text, says string }{
		{"nothing", " \n", "it is empty"},
		{"half a key", whole[:len(whole)/2], "copy it whole"},
		{"a key in two lines", whole[:40] + "\n" + whole[40:], "white space inside"},
		{"standard base64", "+/+/", "not base64url"},
		{"padding", encode("{}") + "=", "not base64url"},
		{"no JSON", encode("hello"), "not the JSON of a key"},
		{"a name twice", encode(`{"format":"stackusage-activation/1","cloudId":"a","CloudID":"b"}`), "a name comes twice"},
		{"a list", encode("[]"), "a list that does not fit"},
		{"another document", encode("{}"), `format ""`},
		{"an hour that is none", encode(`{"rules":{"firstHour":"noon"}}`), "not an RFC 3339 time"},
		{"a book", strings.Repeat("A", activation.MaxKey+1), "more than 8192"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := activation.Decode(tt.text); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("what a later version adds is skipped", func(t *testing.T) {
		raw, _ := base64.RawURLEncoding.DecodeString(whole)
		later := strings.Replace(string(raw), `{"region"`, `{"colour":"blue","region"`, 1)
		got, err := activation.Decode(encode(strings.TrimSuffix(later, "}") + `,"contact":{}}`))
		if diff := cmp.Diff(good(), got); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	})
}

func TestTheDocumentedKeyIsTheDocumentedObject(t *testing.T) {
	text, err := os.ReadFile("../../docs/formats/activation-key.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```") // text, json, text, key, text
	if len(blocks) != 5 {
		t.Fatalf("%d parts", len(blocks))
	}
	object := strings.TrimSpace(strings.TrimPrefix(blocks[1], "json"))
	k, err := activation.Decode(blocks[3])
	if err != nil {
		t.Fatal(err)
	}
	if key := base64.RawURLEncoding.EncodeToString([]byte(object)); key != strings.TrimSpace(blocks[3]) {
		t.Errorf("the object's key is %s", key)
	}
	if again, err := activation.Encode(k); err != nil || again != strings.TrimSpace(blocks[3]) {
		t.Errorf("written again it is %s, %v", again, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{}`, `{"format":"stackusage-activation/1"}`, `{"rules":{"firstHour":"2019-12-10T19:00:00Z"}}`} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(text)))
	}
	whole, err := activation.Encode(good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, text string) {
		k, err := activation.Decode(text)
		if err != nil {
			return
		}
		again, err := activation.Encode(k)
		if err != nil {
			t.Fatalf("read and not to be written: %v", err)
		}
		if l, err := activation.Decode(again); err != nil || !cmp.Equal(k, l) {
			t.Fatalf("%v %s", err, cmp.Diff(k, l))
		}
	})
}
