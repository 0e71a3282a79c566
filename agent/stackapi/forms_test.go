package stackapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stackusage/agent/stackapi"
)

// TestFormsOfAListing runs each form in which a stack was seen, or may be thought, to
// answer an hour of three rows: the client hands on all of them, or says that the
// hour is not told. An answer in the script is used up by one request; the last one
// stays.
func TestFormsOfAListing(t *testing.T) {
	const (
		own   = `/subscriptions/39c82aed-b2b7-4a66-abdb-611de00bf11e/providers/%n/subscriberUsageAggregates?continuationToken=`
		first = `{"value":[1,2],"nextLink":"` + own + `2"}`
		last  = `{"value":[3]}`
		fault = "status "
		all   = "all"
		no    = "not told"
		soon  = "not told, and asked anew"
	)
	empty := func(next string) string { return `{"value":[],"nextLink":"` + next + `"}` }
	for _, tc := range []struct {
		name, admin, old string              // what comes of it, by namespace; old is as admin if it is empty
		script           map[string][]string // answers by continuation token
	}{
		{"a page without rows before the first", all, "", map[string][]string{"": {empty(own + "1")}, "1": {first}, "2": {last}}},
		{"two of them", all, "", map[string][]string{"": {empty(own + "0")}, "0": {empty(own + "1")}, "1": {first}, "2": {last}}},
		{"two within", all, all, map[string][]string{"": {first}, "2": {empty(own + "3"), empty(own + "3"), `{"value":[3]}`}, "3": {last}}},
		{"one that leads back, once", all, "", map[string][]string{"": {first}, "2": {empty(own + "2"), last}}},
		{"one that leads back for ever", soon, "short", map[string][]string{"": {first}, "2": {empty(own + "2")}}},
		{"one that leads back to the beginning for ever", soon, "short", map[string][]string{"": {first}, "2": {empty(own[:strings.Index(own, "?")] + "?%q")}}},
		{"a first page that leads back for ever", soon, "", map[string][]string{"": {empty("?%q")}}},
		{"pages without rows for ever", soon, "", map[string][]string{"": {empty(own + "%i")}, "*": {empty(own + "%i")}}},
		{"the same rows by another token", soon, "", map[string][]string{"": {first}, "2": {`{"value":[1,2],"nextLink":"` + own + `3"}`}, "3": {last}}},
		{"the same rows on the last page", soon, "", map[string][]string{"": {first}, "2": {`{"value":[1,2]}`}}},
		{"a link on another port", all, "", map[string][]string{"": {`{"value":[1,2],"nextLink":"http://127.0.0.1:30005` + own + `2"}`}, "2": {last}}},
		{"a link on another host name", all, "", map[string][]string{"": {`{"value":[1,2],"nextLink":"https://azs-wasp01.azurestack.local:30024` + own + `2"}`}, "2": {last}}},
		{"500, 502 and a short body", all, "", map[string][]string{"": {fault + "500", fault + "502", `{"value":[1,`, ``, first}, "2": {fault + "502", `{"value":`, last}}},
		{"502 for ever", soon, "", map[string][]string{"": {first}, "2": {fault + "502"}}},
		{"not found", no, "", map[string][]string{"": {fault + "404"}}},
		{"an hour that is not over by the stack's clock", soon, "", map[string][]string{"": {"early"}}},
		{"white space without end", no, "", map[string][]string{"": {strings.Repeat(" ", 1<<20)}}},
		{"white space behind the rows", no, "", map[string][]string{"": {`{"value":[1,2,3]}` + strings.Repeat("\n", 1<<20)}}},
	} {
		for _, namespace := range []string{stackapi.NamespaceAdmin, stackapi.NamespaceOld} {
			want := tc.admin
			if namespace == stackapi.NamespaceOld && tc.old != "" {
				want = tc.old
			}
			t.Run(tc.name+" in "+namespace, func(t *testing.T) {
				asked := map[string]int{}
				s := &stand{}
				s.connect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					at := r.URL.Query().Get("continuationToken")
					script, ok := tc.script[at]
					if !ok {
						script = tc.script["*"]
					}
					answer := script[min(asked[at], len(script)-1)]
					asked[at]++
					answer = strings.NewReplacer("%n", namespace, "%i", fmt.Sprint(len(asked)), "%q", r.URL.RawQuery).Replace(answer)
					var code int
					switch n, _ := fmt.Sscanf(answer, fault+"%d", &code); {
					case n == 1:
						w.WriteHeader(code)
					case answer == "early":
						w.Header().Set("Date", burst.Add(59*time.Minute).UTC().Format(http.TimeFormat))
						fmt.Fprint(w, `{"value":[1,2,3]}`)
					default:
						fmt.Fprint(w, answer)
					}
				}), func(c *stackapi.Config) { c.Namespace = namespace })
				rows, _, err := s.collect(t, burst)
				got := no
				var answer *stackapi.Error
				switch text := strings.Join(rows, ""); {
				case err == nil && text == "123":
					got = all
				case err == nil:
					got = "short"
				case errors.As(err, &answer) && answer.Transient():
					got = soon
				}
				if got != want {
					t.Errorf("%s, want %s: rows %v, %v", got, want, rows, err)
				}
			})
		}
	}
}
