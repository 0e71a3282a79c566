package stackapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"stackusage/agent/stackapi"
)

// pages answers page after page; %s in an answer is the server's address.
func pages(t *testing.T, answers ...string) (*stand, *int) {
	calls := new(int)
	return answering(t, func(w http.ResponseWriter, r *http.Request) {
		if *calls >= len(answers) {
			t.Errorf("asked for page %d of %d", *calls+1, len(answers))
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if r.Header.Get("Authorization") != "Bearer "+token {
			t.Error("asked without the token")
		}
		fmt.Fprint(w, strings.ReplaceAll(answers[*calls], "%s", "http://"+r.Host))
		*calls++
	}), calls
}

func TestListingEnds(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answers []string
		rows    int
	}{
		{"without nextLink", []string{`{"value":[1],"nextLink":"%s/2"}`, `{"value":[2]}`}, 2},
		{"with a null nextLink", []string{`{"value":[1],"nextLink":"%s/2"}`, `{"value":[2],"nextLink":null}`}, 2},
		{"with an empty nextLink", []string{`{"value":[1],"nextLink":"/2?a=b"}`, `{"value":[2],"nextLink":""}`}, 2},
		{"with an empty page", []string{`{"value":[1],"nextLink":"%s/2"}`, `{"value":[]}`}, 1},
		{"after empty pages at the beginning", []string{`{"value":[],"nextLink":"%s/2"}`, `{"value":[],"nextLink":"%s/3"}`, `{"value":[3]}`}, 1},
		{"after an empty page in the middle", []string{`{"value":[1],"nextLink":"%s/2"}`, `{"value":[],"nextLink":"%s/3"}`, `{"value":[3]}`}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, calls := pages(t, tc.answers...)
			rows, n, err := s.collect(t, burst)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, tc.rows, len(rows))
			mustEqual(t, len(tc.answers), n)
			mustEqual(t, len(tc.answers), *calls)
		})
	}
}

func TestLinksThatAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the link was followed")
	}))
	defer elsewhere.Close()
	for _, tc := range []struct {
		name    string
		answers []string
		page    int
	}{
		{"another host", []string{`{"value":[1],"nextLink":"` + strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1) + `/2"}`}, 1},
		{"another scheme", []string{`{"value":[1],"nextLink":"ftp://127.0.0.1/2"}`}, 1},
		{"another host without a scheme", []string{`{"value":[1],"nextLink":"//contoso.com/x"}`}, 1},
		{"a password", []string{`{"value":[1],"nextLink":"http://a:b@127.0.0.1/"}`}, 1},
		{"not a URI", []string{`{"value":[1],"nextLink":"http://[::1"}`}, 1},
		{"the same link twice", []string{`{"value":[1],"nextLink":"%s/2"}`, `{"value":[1],"nextLink":"%s/2"}`}, 2},
		{"a circle", []string{`{"value":[1],"nextLink":"%s/2"}`, `{"value":[2],"nextLink":"%s/3"}`, `{"value":[3],"nextLink":"%s/2"}`}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := pages(t, tc.answers...)
			_, _, err := s.collect(t, burst)
			var answer *stackapi.Error
			if !errors.As(err, &answer) || answer.Code != "InvalidNextLink" || answer.Page != tc.page {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestPageThatChangesBetweenTriesIsAnError(t *testing.T) {
	for name, second := range map[string]string{
		"another row": `{"value":[{"n":1},{"n":9},{"n":3}]}`,
		"fewer rows":  `{"value":[{"n":1}]}`,
		"no rows":     `{"value":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := pages(t, `{"value":[{"n":1},{"n":2},{"n":`, second)
			_, _, err := s.collect(t, burst)
			var answer *stackapi.Error
			if !errors.Is(err, stackapi.ErrChanged) || !errors.As(err, &answer) || !answer.Transient() {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestAListingWithoutEndIsGivenUp(t *testing.T) {
	asked := 0
	s := &stand{}
	s.connect(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprintf(w, `{"value":[%[1]d],"nextLink":"/%[1]d"}`, asked)
	}), nil)
	s.client.EndAfter(5)
	_, _, err := s.collect(t, burst)
	var answer *stackapi.Error
	if !errors.As(err, &answer) || !strings.Contains(err.Error(), "page 5: InvalidNextLink: the listing does not end") {
		t.Errorf("got %v", err)
	}
	mustEqual(t, 5, asked)
}
