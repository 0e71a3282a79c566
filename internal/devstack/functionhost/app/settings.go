package app

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Settings are the app settings. Names compare without case, as .NET
// configuration does; what is not set is looked up in the environment.
type Settings map[string]string

func (s Settings) lookup(name string) (string, bool) {
	for k, v := range s {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return os.LookupEnv(name)
}

// Get returns a setting; empty: it is not set.
func (s Settings) Get(name string) string {
	v, _ := s.lookup(name)
	return v
}

var percentName = regexp.MustCompile(`%([^%\s]+)%`)

// expand replaces each %NAME% in a binding property. A name that is not set is
// an error, as the function could not be indexed.
func (s Settings) expand(text string) (string, error) {
	var missing []string
	out := percentName.ReplaceAllStringFunc(text, func(m string) string {
		v, ok := s.lookup(m[1 : len(m)-1])
		if !ok {
			missing = append(missing, m)
		}
		return v
	})
	if missing != nil {
		return "", fmt.Errorf("expand %q: app setting %s is not set", text, strings.Join(missing, ", "))
	}
	return out, nil
}

// disabled reports whether an app setting switches the function off.
func (s Settings) disabled(fn string) bool {
	for _, name := range []string{"AzureWebJobs." + fn + ".Disabled", "AzureWebJobs_" + fn + "_Disabled"} {
		v := s.Get(name)
		if v == "1" || strings.EqualFold(v, "true") {
			return true
		}
	}
	return false
}

// hostConnection is the setting of the storage that the host itself keeps things in.
const hostConnection = "AzureWebJobsStorage"

// Connection is how the queues of a storage account are reached: by a connection
// string, or as the app's identity at a URI.
type Connection struct {
	Text     string // the connection string
	QueueURI string
}

// Connection resolves a connection setting; empty: that of the host's own storage.
func (s Settings) Connection(name string) (c Connection, err error) {
	name = cmp.Or(name, hostConnection)
	if c.Text = s.Get(name); c.Text != "" {
		return c, nil
	}
	c.QueueURI = strings.TrimRight(s.Get(name+"__queueServiceUri"), "/")
	switch kind := s.Get(name + "__credential"); {
	case c.QueueURI == "":
		return c, fmt.Errorf("resolve connection %s: app setting %s is not set", name, name)
	case kind != "managedidentity":
		return c, fmt.Errorf("resolve connection %s: %s__credential %q: only managedidentity is known here", name, name, kind)
	}
	return c, nil
}
