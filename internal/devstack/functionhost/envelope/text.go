package envelope

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// raw is JSON text in the form that the real host's
// serializer (Newtonsoft) gives it.
type raw string

// quote writes s as a JSON string. The real host escapes one character more than
// encoding/json does, and the recordings are compared byte for byte.
func quote(s string) raw {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return raw(strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\u0085", `\u0085`))
}

// textValue is a string value of the envelope: JSON inside a JSON string.
func textValue(s string) raw { return quote(string(quote(s))) }

// numberValue is a number of the envelope, which arrives as a JSON string.
func numberValue(n int64) raw { return quote(strconv.FormatInt(n, 10)) }

// timeValue is a trigger's time: encoded once, without a fraction.
func timeValue(t time.Time) raw { return quote(t.UTC().Format("2006-01-02T15:04:05-07:00")) }

// member is one property of a JSON object, whose order is kept.
type member struct {
	name  string
	value raw
}

type object []member

func (o object) json() raw {
	var b strings.Builder
	o.writeTo(&b)
	return raw(b.String())
}

func (o object) writeTo(b *strings.Builder) {
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(quote(m.name)))
		b.WriteByte(':')
		b.WriteString(string(m.value))
	}
	b.WriteByte('}')
}

// bindingData becomes Metadata. Its names compare without case, and writing a
// name again keeps the place and the case of the first: this is how a message
// overwrites what the host says of it.
type bindingData struct {
	members object
	at      map[string]int // by lower-cased name
}

func (d *bindingData) set(name string, value raw) {
	key := strings.ToLower(name)
	if i, ok := d.at[key]; ok {
		d.members[i].value = value
		return
	}
	if d.at == nil {
		d.at = make(map[string]int)
	}
	d.at[key] = len(d.members)
	d.members = append(d.members, member{name, value})
}

// validText is bytes as .NET decodes UTF-8: what is not valid is replaced.
func validText(b []byte) string { return string(bytes.ToValidUTF8(b, []byte("\ufffd"))) }
