package stackapi_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
)

func TestDiscover(t *testing.T) {
	discover := func(t *testing.T, h http.HandlerFunc) (stackapi.Metadata, error) {
		t.Helper()
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return stackapi.Discover(t.Context(), server.Client(), server.URL)
	}
	t.Run("reads what the stack tells without a token", func(t *testing.T) {
		for login, adfs := range map[string]bool{
			"https://login.windows.net/":                   false,
			"https://login.windows.net/contoso.invalid":    false,
			"https://adfs.local.azurestack.external/adfs":  true,
			"https://adfs.local.azurestack.external/ADFS/": true,
		} {
			s := newStand(t, azurestack.Options{LoginEndpoint: login, Audience: "https://management.contoso.invalid/guid"}, nil)
			got, err := stackapi.Discover(t.Context(), http.DefaultClient, s.url)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, stackapi.Metadata{
				LoginEndpoint: login, ADFS: adfs, Audience: "https://management.contoso.invalid/guid",
			}, got)
		}
	})
	t.Run("reads what a stack answered", func(t *testing.T) {
		got, err := discover(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.String() != "/metadata/endpoints?api-version=2015-01-01" || r.Header.Get("Authorization") != "" {
				http.NotFound(w, r)
				return
			}
			io.WriteString(w, recorded)
		})
		if err != nil {
			t.Fatal(err)
		}
		mustEqual(t, stackapi.Metadata{
			LoginEndpoint: "https://login.windows.net/", Audience: "https://contoso.onmicrosoft.com/4de154de-f8a8-4017-af41-df619da68155",
		}, got)
	})
	t.Run("passes on why the stack refuses", func(t *testing.T) {
		_, err := discover(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("x-ms-request-id", "abc")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"error":{"code":"ServerBusy","message":"later"}}`)
		})
		var answer *stackapi.Error
		if !errors.As(err, &answer) || !answer.Transient() || answer.Code != "ServerBusy" || answer.RetryAfter.Seconds() != 7 {
			t.Fatalf("got %v", err)
		}
		if text := err.Error(); !strings.HasPrefix(text, "discover endpoints of 127.0.0.1:") || strings.Contains(text, "page") {
			t.Errorf("got %q", text)
		}
	})
	t.Run("follows no redirect", func(t *testing.T) {
		_, err := discover(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		})
		var answer *stackapi.Error
		if !errors.As(err, &answer) || answer.Status != http.StatusFound {
			t.Errorf("got %v", err)
		}
	})
	t.Run("asks over https only, but on loopback", func(t *testing.T) {
		_, err := stackapi.Discover(t.Context(), http.DefaultClient, "http://adminmanagement.local.azurestack.external")
		if err == nil || !strings.Contains(err.Error(), "must be https") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("reads a bounded answer", func(t *testing.T) {
		_, err := discover(t, func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"x":"`+strings.Repeat("x", stackapi.MaxMetadataBytes)+`"}`)
		})
		if err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("got %v", err)
		}
	})
}

// recorded is the answer of a Development Kit, shared/recordings/metadata-endpoints.json.
const recorded = `{
  "galleryEndpoint": "https://adminportal.local.azurestack.external:30015/",
  "graphEndpoint": "https://graph.windows.net/",
  "portalEndpoint": "https://adminportal.local.azurestack.external/",
  "authentication": {
    "loginEndpoint": "https://login.windows.net/",
    "audiences": [
      "https://contoso.onmicrosoft.com/4de154de-f8a8-4017-af41-df619da68155"
    ]
  }
}`

const goodAuthentication = `"loginEndpoint":"https://login.windows.net/","audiences":["https://contoso.invalid/x"]`

func TestParseMetadata(t *testing.T) {
	for name, tc := range map[string]struct{ text, says string }{
		"a page of HTML":             {"<html>", "an HTML page in place of JSON"},
		"nothing":                    {"", "byte 0"},
		"no authentication":          {`{}`, "loginEndpoint"},
		"two login endpoints":        {`{"authentication":{` + goodAuthentication + `,"loginEndpoint":"https://evil.invalid/"}}`, "twice"},
		"a login endpoint over http": {`{"authentication":{"loginEndpoint":"http://login.windows.net/","audiences":["x"]}}`, "not https"},
		"a login endpoint's user":    {`{"authentication":{"loginEndpoint":"https://u:p@login.windows.net/","audiences":["x"]}}`, "not of the form"},
		"a login endpoint's query":   {`{"authentication":{"loginEndpoint":"https://login.windows.net/?a","audiences":["x"]}}`, "not of the form"},
		"no host":                    {`{"authentication":{"loginEndpoint":"https:///adfs","audiences":["x"]}}`, "not of the form"},
		"no audience":                {`{"authentication":{"loginEndpoint":"https://login.windows.net/","audiences":[]}}`, "audiences"},
		"an empty audience":          {`{"authentication":{"loginEndpoint":"https://login.windows.net/","audiences":[""]}}`, "audience"},
		"an audience of two":         {`{"authentication":{"loginEndpoint":"https://login.windows.net/","audiences":["a b"]}}`, "white space"},
		"audiences that are a text":  {`{"authentication":{"loginEndpoint":"https://login.windows.net/","audiences":"x"}}`, "does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := stackapi.ParseMetadata([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want %q in it", err, tc.says)
			}
		})
	}
	t.Run("a byte order mark, and fields that are new", func(t *testing.T) {
		if _, err := stackapi.ParseMetadata([]byte("\xef\xbb\xbf" + `{"new":1,"authentication":{` + goodAuthentication + `,"new":[]}}`)); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(`{"authentication":{` + goodAuthentication + `}}`))
	f.Add([]byte(recorded))
	f.Add([]byte(`{"galleryEndpoint":"x","authentication":{"loginEndpoint":"https://a/adfs","audiences":["x","y"]}}`))
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := stackapi.ParseMetadata(text)
		if err != nil {
			return
		}
		if !strings.HasPrefix(strings.ToLower(m.LoginEndpoint), "https://") || m.Audience == "" {
			t.Errorf("%q gave %+v", text, m)
		}
	})
}

func TestIsADFS(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"https://adfs.local.azurestack.external/adfs": true, "https://adfs.local.azurestack.external/ADFS/": true,
		"https://login.microsoftonline.com/": false, "https://adfs": false, "https://adfs.local.azurestack.external/notadfs": false, "": false,
	} {
		if got := stackapi.IsADFS(endpoint); got != want {
			t.Errorf("%q: %v, want %v", endpoint, got, want)
		}
	}
}
