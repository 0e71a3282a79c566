package functionhost

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

var maxTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// identities is what the host says of an anonymous caller.
const identities = raw(`[{"AuthenticationType":null,"IsAuthenticated":false,"Actor":null,"BootstrapContext":null,"Claims":[],"Label":null,"Name":null,` +
	`"NameClaimType":"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name","RoleClaimType":"http://schemas.microsoft.com/ws/2008/06/identity/claims/role"}]`)

// httpEnvelope is the body of a call for an HTTP request whose function does not
// pass requests through.
func httpEnvelope(fn *function, r *http.Request, params map[string]string, body []byte, now time.Time) []byte {
	query := parseQuery(r.URL.RawQuery)
	headers := headerList(r, len(body))
	var meta bindingData
	text, isText := bodyText(r, body)
	if isText {
		meta.promote(text)
	}
	var joined, last, param, lists, flat object
	for _, q := range query {
		joined = append(joined, member{q.name, quote(strings.Join(q.values, ","))})
		last = append(last, member{q.name, quote(q.values[len(q.values)-1])})
		meta.set(q.name, textValue(q.values[len(q.values)-1]))
	}
	for _, s := range routeOrder(fn) {
		if v, ok := params[s]; ok {
			param = append(param, member{s, quote(v)})
			meta.set(s, textValue(v))
		}
	}
	for _, h := range headers {
		var values []string
		for _, v := range h.values {
			values = append(values, string(quote(v)))
		}
		lists = append(lists, member{h.name, raw("[" + strings.Join(values, ",") + "]")})
		flat = append(flat, member{h.name, quote(strings.Join(h.values, ","))})
	}
	meta.set("Query", last.json())
	meta.set("Headers", flat.json())
	req := object{
		{"Url", quote("http://" + r.Host + r.URL.RequestURI())},
		{"Method", quote(r.Method)},
		{"Query", joined.json()},
		{"Headers", lists.json()},
		{"Params", param.json()},
		{"Identities", identities},
	}
	if len(body) > 0 {
		req = append(req, member{"Body", quote(text)})
	}
	return envelope(fn, req.json(), &meta, now)
}

type values struct {
	name   string
	values []string
}

// parseQuery keeps the order of names, which url.Values does not.
func parseQuery(rawQuery string) []values {
	var out []values
	for _, pair := range strings.Split(rawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = queryText(name), queryText(value)
		i := slices.IndexFunc(out, func(v values) bool { return strings.EqualFold(v.name, name) })
		if i < 0 {
			out = append(out, values{name: name})
			i = len(out) - 1
		}
		out[i].values = append(out[i].values, value)
	}
	return out
}

func queryText(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// headerOrder is that of the recordings; headers which are not in it follow by
// name. The order in which the client sent them is lost in net/http.
var headerOrder = []string{"Accept", "Host", "User-Agent", "Content-Type", "Content-Length"}

func headerList(r *http.Request, length int) []values {
	all := r.Header.Clone()
	all.Set("Host", r.Host)
	if length > 0 && r.ContentLength > 0 {
		all.Set("Content-Length", strconv.Itoa(length))
	}
	var names []string
	for name := range all {
		names = append(names, name)
	}
	rank := func(name string) int {
		if i := slices.Index(headerOrder, name); i >= 0 {
			return i
		}
		return len(headerOrder)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var out []values
	for _, name := range names {
		out = append(out, values{name, all[name]})
	}
	return out
}

func routeOrder(fn *function) []string {
	r, err := parseRoute(fn, "")
	if err != nil {
		return nil // checked at the start
	}
	var names []string
	for _, s := range r.segments {
		if s.param != "" {
			names = append(names, s.param)
		}
	}
	return names
}

// bodyText is the body as the envelope carries it: binary kinds as base64.
func bodyText(r *http.Request, body []byte) (text string, isText bool) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // an unreadable type counts as text
	if media == "application/octet-stream" || strings.HasPrefix(media, "multipart/") {
		return base64.StdEncoding.EncodeToString(body), false
	}
	return validText(body), true
}

// writeHTTPOutput answers the caller of an envelope function.
func writeHTTPOutput(w http.ResponseWriter, fn *function, resp *response) {
	var value json.RawMessage
	for _, b := range fn.outputs {
		if b.Type == httpOutput {
			value, _ = resp.output(b.Name, fn.hasReturn())
		}
	}
	if value == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var out struct {
		StatusCode json.RawMessage
		Headers    map[string]any
		Body       json.RawMessage
	}
	if err := json.Unmarshal(value, &out); err != nil {
		out.Body = value // a bare string is the body
	}
	status, err := strconv.Atoi(strings.Trim(string(out.StatusCode), `"`))
	if err != nil || status < 100 || status > 999 {
		status = http.StatusOK
	}
	for name, v := range out.Headers {
		if s, ok := v.(string); ok {
			w.Header().Set(name, s)
		}
	}
	body, kind := outputBody(out.Body)
	if w.Header().Get("Content-Type") == "" && len(body) > 0 {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// outputBody writes strings as they are and anything else as indented JSON.
func outputBody(v json.RawMessage) (body []byte, contentType string) {
	if len(v) == 0 || string(v) == "null" {
		return nil, ""
	}
	var s string
	if json.Unmarshal(v, &s) == nil {
		return []byte(s), "text/plain; charset=utf-8"
	}
	var b bytes.Buffer
	if err := json.Indent(&b, v, "", "  "); err != nil {
		return v, "application/json; charset=utf-8"
	}
	return b.Bytes(), "application/json; charset=utf-8"
}
