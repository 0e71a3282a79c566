package accountpage_test

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSignIn(t *testing.T) {
	r := start(t, month()...)
	t.Run("nothing is shown without it", func(t *testing.T) {
		for _, path := range []string{"/subscriptions", "/subscriptions/" + payer, "/subscriptions/" + payer + "/costs.svg", "/subscriptions/" + payer + "/usage-details.csv"} {
			if got := r.get(path); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/signin" || strings.Contains(got.text, payer) {
				t.Errorf("%s: %s %s", path, got.Status, got.text)
			}
		}
	})
	t.Run("a wrong name or password is refused, and not said which", func(t *testing.T) {
		var texts []string
		for _, form := range []url.Values{{"name": {account}, "password": {"wrong"}}, {"name": {"nobody"}, "password": {password}}, {}} {
			got := r.post("/signin", form)
			if got.StatusCode != http.StatusUnauthorized || len(got.Cookies()) > 0 || strings.Contains(got.text, password) {
				t.Errorf("%v: %s %s", form, got.Status, got.text)
			}
			_, alert, _ := strings.Cut(got.text, `role="alert"`)
			alert, _, _ = strings.Cut(alert, "</p>")
			texts = append(texts, alert)
		}
		if texts[0] == "" || texts[0] != texts[1] || texts[1] != texts[2] {
			t.Errorf("%q", texts)
		}
	})
	t.Run("a form of another site is refused", func(t *testing.T) {
		form := url.Values{"name": {account}, "password": {password}}
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://elsewhere.example"}} {
			if got := r.post("/signin", form, header...); got.StatusCode != http.StatusForbidden || len(got.Cookies()) > 0 {
				t.Errorf("%v: %s", header, got.Status)
			}
		}
	})
	t.Run("a form that is too long is refused", func(t *testing.T) {
		if got := r.post("/signin", url.Values{"name": {strings.Repeat("x", 5000)}}); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s", got.Status)
		}
	})
	t.Run("the right one gets a cookie that no script and no other site can use", func(t *testing.T) {
		got := r.post("/signin", url.Values{"name": {account}, "password": {password}})
		if len(got.Cookies()) != 1 || got.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s %v", got.Status, got.Cookies())
		}
		if c := got.Cookies()[0]; !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || len(c.Value) < 26 || c.MaxAge != 3600 {
			t.Errorf("%+v", c)
		}
		if page := r.get("/subscriptions"); page.StatusCode != http.StatusOK || !strings.Contains(page.text, payer) {
			t.Errorf("%s", page.Status)
		}
	})
	t.Run("it ends after an hour, or by signing out", func(t *testing.T) {
		r.now = r.now.Add(time.Hour)
		if got := r.get("/subscriptions"); got.StatusCode != http.StatusSeeOther {
			t.Errorf("after an hour: %s", got.Status)
		}
		r.signIn()
		here, err := url.Parse(r.page.URL)
		if err != nil {
			t.Fatal(err)
		}
		old := r.client.Jar.Cookies(here)
		if got := r.post("/signout", nil); got.StatusCode != http.StatusSeeOther || len(r.client.Jar.Cookies(here)) > 0 || len(old) != 1 {
			t.Errorf("signing out: %s %v", got.Status, r.client.Jar.Cookies(here))
		}
		r.client.Jar.SetCookies(here, old) // somebody kept it
		if got := r.get("/subscriptions"); got.StatusCode != http.StatusSeeOther {
			t.Errorf("after signing out: %s", got.Status)
		}
	})
}

func TestEveryAnswerForbidsScriptsAndOtherSites(t *testing.T) {
	r := start(t, month()...)
	check := func(path string) {
		t.Helper()
		got := r.get(path)
		policy := got.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "script") || got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, got.Header)
		}
		if strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") && (strings.Contains(got.text, "<script") || strings.Contains(got.text, "style=") || strings.Contains(got.text, "http://") || strings.Contains(got.text, "https://")) {
			t.Errorf("%s has a script, a style or something from elsewhere:\n%s", path, got.text)
		}
	}
	for _, path := range []string{"/signin", "/style.css", "/nothing"} {
		check(path)
	}
	r.signIn()
	for _, path := range []string{"/subscriptions", "/subscriptions/" + payer, "/subscriptions/" + payer + "/costs.svg", "/subscriptions/" + payer + "/usage-details.csv", "/subscriptions/x"} {
		check(path)
	}
}

func TestSubscription(t *testing.T) {
	r := start(t, month()...)
	r.signIn()
	t.Run("periods are those that were charged, the last one first", func(t *testing.T) {
		last, december := r.get("/subscriptions/"+payer), r.get("/subscriptions/"+payer+"?period=2019-12")
		if !strings.Contains(last.text, `value="2020-01" selected`) || !strings.Contains(december.text, `value="2019-12" selected`) {
			t.Errorf("%s\n%s", last.text, december.text)
		}
	})
	t.Run("a meter without a known price is not shown as free", func(t *testing.T) {
		page := r.get("/subscriptions/" + payer + "?period=2019-12").text
		if !strings.Contains(page, "published price, not in this amount: 1") || !strings.Contains(page, ">not priced<") {
			t.Error(page)
		}
	})
	t.Run("a meter that commerce names by its unit is shown as what it is", func(t *testing.T) {
		r := start(t, used{payer: payer, day: "2019-12-10", meter: "190c935e-9ada-48ff-9ab8-56ea1cf9adaa", quantity: "1"},
			used{payer: payer, day: "2019-12-10", meter: "8b251e8f-ce5e-4a58-a6e5-2b8f0d176e3a", quantity: "1"})
		r.signIn()
		page := r.get("/subscriptions/" + payer).text
		for _, want := range []string{`<th scope="row">Managed Disks, M30 Disks<`, `<th scope="col" class="number">Managed Disks, M30 Disks<`, `<th scope="row">App Service<`} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is missing in\n%s", want, page)
			}
		}
	})
	t.Run("what was credited stands below zero", func(t *testing.T) {
		r := start(t, used{payer: payer, day: "2019-12-10", meter: baseVM, quantity: "-125", corrects: 99}, used{payer: kitPayer, day: "2019-12-10", meter: baseVM, quantity: "-0.01", corrects: 98})
		r.signIn()
		if page := r.get("/subscriptions/" + payer).text; !strings.Contains(page, `id="total">-$1.00<`) || !strings.Contains(page, ">-1.0000<") {
			t.Error(page)
		}
		if page := r.get("/subscriptions/" + kitPayer).text; !strings.Contains(page, `id="total">$0.00<`) || !strings.Contains(page, ">-0.0001<") {
			t.Error(page)
		}
	})
	t.Run("a development kit is charged nothing", func(t *testing.T) {
		page := r.get("/subscriptions/" + kitPayer).text
		if !strings.Contains(page, `id="total">$0.00<`) || !strings.Contains(page, "Development: never charged") || !strings.Contains(page, ">1000<") {
			t.Error(page)
		}
	})
	t.Run("what is not there is said", func(t *testing.T) {
		for path, want := range map[string]string{
			"/subscriptions/" + tenant:                                          "Nothing was charged to this subscription.",
			"/subscriptions/" + payer + "?period=2018-13":                       "names no month",
			"/subscriptions/" + payer + "?period=%22%3E%3Cscript%3E":            "names no month",
			"/subscriptions/x":                                                  "names no subscription",
			"/subscriptions/" + strings.ToUpper(payer):                          "names no subscription",
			"/subscriptions/" + payer + "/costs.svg?period=2018-01":             "in that period",
			"/subscriptions/" + payer + "/usage-details.csv?period=2018-01":     "in that period",
			"/subscriptions/" + tenant + "/usage-details.csv?period=2018-01":    "Nothing was charged",
			"/subscriptions/" + payer + "/costs.svg?period=2018-01&period=2020": "in that period",
		} {
			if got := r.get(path); got.StatusCode != http.StatusNotFound || !strings.Contains(got.text, want) {
				t.Errorf("%s: %s, want %q", path, got.Status, want)
			}
		}
	})
	t.Run("a month without charges is a page", func(t *testing.T) {
		r := start(t, used{payer: payer, day: "2019-10-31", meter: baseVM, quantity: "1000"}, used{payer: payer, day: "2019-12-01", meter: baseVM, quantity: "1000"})
		r.signIn()
		if page := r.get("/subscriptions/" + payer).text; !strings.Contains(page, `<option value="2019-11">November 2019<`) {
			t.Errorf("the month between is not offered:\n%s", page)
		}
		for month, name := range map[string]string{"2019-11": "November 2019", "2018-01": "January 2018"} {
			got := r.get("/subscriptions/" + payer + "?period=" + month)
			for _, want := range []string{`id="total">$0.00<`, "No usage of this subscription was billed in " + name, `value="` + month + `" selected`, `value="2019-12">`} {
				if got.StatusCode != http.StatusOK || !strings.Contains(got.text, want) {
					t.Errorf("%s: %s, want %q in\n%s", month, got.Status, want, got.text)
				}
			}
			if strings.Contains(got.text, "costs.svg") || strings.Contains(got.text, "usage-details") {
				t.Errorf("%s offers what is not there:\n%s", month, got.text)
			}
		}
	})
	t.Run("without commerce the page says so, and no numbers", func(t *testing.T) {
		r := start(t)
		r.signIn()
		r.commerce.Close()
		if got := r.get("/subscriptions"); got.StatusCode != http.StatusBadGateway || !strings.Contains(got.text, "Commerce could not be asked") {
			t.Errorf("%s", got.Status)
		}
	})
	t.Run("before the first usage the list is empty", func(t *testing.T) {
		r := start(t)
		r.signIn()
		if got := r.get("/subscriptions"); !strings.Contains(got.text, "Nothing was charged yet") {
			t.Error(got.text)
		}
	})
}

func TestTheChartIsSVGWithTitleAndDescription(t *testing.T) {
	r := start(t, month()...)
	r.signIn()
	got := r.get("/subscriptions/" + payer + "/costs.svg?period=2019-12")
	if got.Header.Get("Content-Type") != "image/svg+xml" {
		t.Fatalf("%s", got.Header)
	}
	dec := xml.NewDecoder(strings.NewReader(got.text))
	elements := map[string]int{}
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			elements[start.Name.Local]++
		}
	}
	// 4 meters on 14 days, of which one, the correction, pulls no bar below zero; a
	// background and a legend.
	if elements["svg"] != 1 || elements["title"] != 1 || elements["desc"] != 1 || elements["rect"] != 4*14+1+4 {
		t.Errorf("%v", elements)
	}
	for _, want := range []string{`role="img"`, "Daily cost by meter, December 2019", "Windows VM Size Hours", "USD per day"} {
		if !strings.Contains(got.text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if again := r.get("/subscriptions/" + payer + "/costs.svg?period=2019-12"); again.text != got.text {
		t.Error("the same numbers make another drawing")
	}
}

func TestChartsOfOddMonths(t *testing.T) {
	many := []used{}
	for n, meter := range []string{winVM, baseVM, block, tables, "b03c6ae7-b080-4bfa-84a3-22c800f315c6", "190c935e-9ada-48ff-9ab8-56ea1cf9adaa", "8b251e8f-ce5e-4a58-a6e5-2b8f0d176e3a"} {
		many = append(many, used{payer: payer, day: fmt.Sprintf("2019-12-%02d", 1+5*n), meter: meter, quantity: "1000"})
	}
	for name, usage := range map[string][]used{
		"one day":                     {{payer: payer, day: "2019-12-31", meter: baseVM, quantity: "1"}},
		"only credit":                 {{payer: payer, day: "2019-12-01", meter: baseVM, quantity: "-100", corrects: 99}, {payer: payer, day: "2019-12-02", meter: winVM, quantity: "-100", corrects: 98}},
		"nothing that costs anything": {{payer: payer, day: "2019-12-31", meter: vmHours, quantity: "1", class: "informational"}},
		"a sum of zero":               {{payer: payer, day: "2019-12-31", meter: baseVM, quantity: "1"}, {payer: payer, day: "2019-12-31", meter: baseVM, quantity: "-1", corrects: 99}},
		"more meters than colours":    many,
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, usage...)
			r.signIn()
			got := r.get("/subscriptions/" + payer + "/costs.svg")
			if got.StatusCode != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(got.text), "</svg>") || strings.Contains(got.text, "NaN") {
				t.Errorf("%s %s", got.Status, got.text)
			}
			if other := strings.Contains(got.text, "Other meters"); other != (name == "more meters than colours") {
				t.Errorf("other meters: %t", other)
			}
		})
	}
}

func TestTheDownloadIsWhatCommerceAnswers(t *testing.T) {
	r := start(t, month()...)
	r.signIn()
	got := r.get("/subscriptions/" + payer + "/usage-details.csv?period=2019-12")
	resp, err := http.Get(r.commerce.URL + "/v1/usage-details.csv?month=2019-12&subscription=" + payer)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	want, err := io.ReadAll(resp.Body)
	if err != nil || got.text != string(want) {
		t.Errorf("%v, or the files differ", err)
	}
	if got.Header.Get("Content-Disposition") != `attachment; filename="usage-details-`+payer+`-2019-12.csv"` {
		t.Errorf("%v", got.Header)
	}
	in := csv.NewReader(strings.NewReader(got.text))
	in.FieldsPerRecord = -1
	if rows, err := in.ReadAll(); err != nil || len(rows) < 100 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}
