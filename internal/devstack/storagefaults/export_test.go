package storagefaults

import "net/http"

// KindOf names the kind of a write, for tests.
func KindOf(s string, r *http.Request, body []byte) string { return kindOf(service(s), r, body) }
