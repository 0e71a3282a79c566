package storagefaults

import (
	"net/http"
	"regexp"
	"strings"
)

// service is one of the three services of a storage account.
type service string

const (
	blobs  service = "blob"
	queues service = "queue"
	tables service = "table"
)

// inBatch finds the first write of a transaction: they all go to one table.
var inBatch = regexp.MustCompile(`(?m)^(?:POST|PUT|PATCH|MERGE|DELETE) https?://[^/ ]+/[^/ ]+/(\w+)`)

// kindOf names the kind of a write: the service, what is written to, and how.
// It is empty for a request that changes nothing.
func kindOf(s service, r *http.Request, body []byte) string {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, "MERGE", http.MethodDelete:
	default:
		return ""
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/") // the account
	name, below, _ := strings.Cut(rest, "/")
	if name == "$batch" {
		name = "?"
		if m := inBatch.FindSubmatch(body); m != nil {
			name = string(m[1])
		}
		return string(s) + " " + name + " transaction"
	}
	verb := map[string]string{
		http.MethodPost: "insert", http.MethodPut: "put", http.MethodPatch: "merge", "MERGE": "merge", http.MethodDelete: "delete",
	}[r.Method]
	switch {
	// What is made once is one kind each: a program makes them all at its start.
	case s == tables && name == "Tables":
		return "table create"
	case s == blobs && r.URL.Query().Get("restype") == "container":
		return "container create"
	case s == queues && below == "" && r.Method == http.MethodPut:
		return "queue create"
	case s == queues && verb == "delete":
		return "queue message delete"
	case s == queues && verb == "insert":
		verb = "put"
	case s == tables:
		name, _, _ = strings.Cut(name, "(")
		if verb == "put" && r.Header.Get("If-Match") != "" {
			verb = "update"
		}
	}
	return string(s) + " " + name + " " + verb
}
