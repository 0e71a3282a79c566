package functionhost

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// settings are the app settings. Names compare without case, as .NET
// configuration does; what is not set is looked up in the environment.
type settings map[string]string

func (s settings) lookup(name string) (string, bool) {
	if v, ok := s[name]; ok {
		return v, true
	}
	for k, v := range s {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return os.LookupEnv(name)
}

func (s settings) get(name string) string {
	v, _ := s.lookup(name)
	return v
}

var percentName = regexp.MustCompile(`%([^%\s]+)%`)

// expand replaces each %NAME% in a binding property. A name that is not set is
// an error, as the function could not be indexed.
func (s settings) expand(text string) (string, error) {
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

// expandLoose is expand for the command line, where a name that is not set
// becomes nothing.
func (s settings) expandLoose(text string) string {
	return percentName.ReplaceAllStringFunc(text, func(m string) string {
		return s.get(m[1 : len(m)-1])
	})
}

// disabled reports whether an app setting switches the function off.
func (s settings) disabled(fn string) bool {
	for _, name := range []string{"AzureWebJobs." + fn + ".Disabled", "AzureWebJobs_" + fn + "_Disabled"} {
		v := s.get(name)
		if v == "1" || strings.EqualFold(v, "true") {
			return true
		}
	}
	return false
}

const defaultConnection = "AzureWebJobsStorage"

// connection is how a storage account is reached: by a connection string, or as
// the app's identity at a URI for each service.
type connection struct {
	text string
	uris map[string]string // of blob and queue
}

// connection resolves a connection setting.
func (s settings) connection(name string) (c connection, err error) {
	if name == "" {
		name = defaultConnection
	}
	if c.text = s.get(name); c.text != "" {
		return c, nil
	}
	c.uris = map[string]string{}
	for _, service := range []string{"blob", "queue", "table"} {
		if account := s.get(name + "__accountName"); account != "" {
			c.uris[service] = "https://" + account + "." + service + ".core.windows.net"
		} else if uri := s.get(name + "__" + service + "ServiceUri"); uri != "" {
			c.uris[service] = uri
		}
	}
	switch kind := s.get(name + "__credential"); {
	case len(c.uris) == 0:
		return c, fmt.Errorf("resolve connection %s: app setting %s is not set", name, name)
	case kind != "managedidentity":
		return c, fmt.Errorf("resolve connection %s: %s__credential %q: only managedidentity is known here", name, name, kind)
	}
	return c, nil
}

// uri is that of a service, for who has an identity.
func (c connection) uri(service string, identity azcore.TokenCredential) (string, error) {
	if identity == nil {
		return "", errors.New("the connection asks for an identity, and the app has none (Options.Identity)")
	}
	if uri := c.uris[service]; uri != "" {
		return strings.TrimRight(uri, "/"), nil
	}
	return "", fmt.Errorf("the connection has no %sServiceUri", service)
}

// environment is what the handler sees: this process's environment, the app
// settings verbatim, those that only the handler has, and what the host adds.
func (s settings) environment(own settings, added map[string]string) []string {
	env := os.Environ()
	for _, m := range []map[string]string{s, own, added} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			env = append(env, k+"="+m[k])
		}
	}
	return env
}
