package bearer_test

import (
	"testing"

	"stackusage/internal/devstack/bearer"
)

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"},{"kty":"EC"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"*","e":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := bearer.ParseKeys(text)
		for id, key := range keys {
			if err != nil || key.N == nil || key.E < 0 {
				t.Errorf("key %q: %+v, %v", id, key, err)
			}
		}
	})
}
