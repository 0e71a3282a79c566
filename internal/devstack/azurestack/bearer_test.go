package azurestack_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"stackusage/internal/devstack/azurestack"
)

func TestSignedTokensAreAskedFor(t *testing.T) {
	keys := httptest.NewServer(http.NotFoundHandler()) // an issuer without keys
	t.Cleanup(keys.Close)
	s := newScenario(t, azurestack.Options{KeysURL: keys.URL, KeysClient: keys.Client(), Audience: "https://contoso.invalid/x"})
	list := "/subscriptions/{provider}/providers/Microsoft.Subscriptions.Admin/subscriptions?api-version=2015-11-01"
	for name, header := range map[string][]string{
		"no token":                            nil,
		"another scheme":                      {"Authorization", "Basic YTpi"},
		"text":                                {"Authorization", "Bearer x"},
		"a token that says it needs no proof": {"Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2NvbnRvc28uaW52YWxpZC94IiwiZXhwIjo0MTAyNDQ0ODAwfQ."},
		"a token that no key has signed":      {"Authorization", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL2NvbnRvc28uaW52YWxpZC94IiwiZXhwIjo0MTAyNDQ0ODAwfQ.AAAA"},
	} {
		t.Run(name, func(t *testing.T) {
			if w := get(s, list, header...); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	t.Run("but not for the metadata", func(t *testing.T) {
		if w := get(s, "/metadata/endpoints?api-version=2015-01-01"); w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	t.Run("beside a fixed one is a contradiction", func(t *testing.T) {
		src, err := scenario()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := azurestack.New(src, azurestack.Options{KeysURL: keys.URL, KeysClient: keys.Client(), Token: "t"}); err == nil {
			t.Error("taken")
		}
	})
}
