package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackusage/agent/stackapi"
	"stackusage/shared/activation"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

type checker struct{ problems []Problem }

func (c *checker) report(key, format string, args ...any) {
	c.problems = append(c.problems, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) check(key string, err error, advice string) {
	if err != nil {
		c.report(key, "%v: %s", err, advice)
	}
}

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)
)

// firstStack is before there was any Azure Stack, in July 2017.
var firstStack = time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)

// validate reports everything that is wrong with what was read. Values that
// could be a secret in the wrong place are not repeated.
func (c Config) validate() []Problem {
	var v checker
	v.check("cloudId", activation.CheckCloudID(c.CloudID), "write the registration's cloudId, or begin with stackusage-agent activate KEY")
	switch {
	case c.FirstHour == nil:
		v.report("firstHour", "missing: write the hour of the registration, such as 2019-12-10T19:00Z")
	case c.FirstHour.Start().Before(firstStack):
		v.report("firstHour", "no stack is as old as that: write the hour of the registration, such as 2019-12-10T19:00Z")
	}
	v.stack(c.Stack)
	if !c.Storage.None {
		v.storage(c.Storage, c.CloudID)
	}
	v.collect(c.Collect)
	v.spool(c.Spool)
	if c.Proxy.URL != "" {
		v.check("proxy.url", checkProxy(c.Proxy.URL), "write http://host:port; a proxy with a password is named in HTTPS_PROXY of the environment")
	}
	if c.Proxy.URL == "" && len(c.Proxy.Except) > 0 {
		v.report("proxy.except", "only counts beside proxy.url: set that, or NO_PROXY in the environment")
	}
	for _, host := range c.Proxy.Except {
		if strings.ContainsAny(host, ", @") {
			v.report("proxy.except", "one of them is no host, domain or network: write each on its own, [local.azurestack.external, 10.0.0.0/8]")
		}
	}
	for _, t := range []struct {
		key   string
		value time.Duration
	}{
		{"dial", c.Timeouts.Dial}, {"tls", c.Timeouts.TLS}, {"header", c.Timeouts.Header},
		{"request", c.Timeouts.Request}, {"upload", c.Timeouts.Upload}, {"shutdown", c.Timeouts.Shutdown},
	} {
		v.between("timeouts."+t.key, t.value, time.Second, 2*time.Hour)
	}
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "json", "text")
	if c.Metrics.Listen != "" && !loopbackPort(c.Metrics.Listen) {
		v.report("metrics.listen", "not a loopback address and port: write 127.0.0.1:9464; metrics are for this machine only")
	}
	return v.problems
}

func (v *checker) stack(s Stack) {
	if s.Endpoint != "" {
		v.check("stack.endpoint", activation.CheckURL(s.Endpoint), "write https://adminmanagement.<region>.<domain>")
	}
	if !hostName.MatchString(s.Region) || strings.Contains(s.Region, ".") {
		v.report("stack.region", "missing or not a name: write the stack's region, such as local")
	}
	if !hostName.MatchString(s.Domain) {
		v.report("stack.domain", "missing or not a domain name: write the stack's external domain, such as azurestack.external")
	}
	v.oneOf("stack.namespace", s.Namespace, Auto, stackapi.NamespaceAdmin, stackapi.NamespaceOld)
	v.check("stack.providerSubscription", dashed(s.ProviderSubscription), "write the GUID of the default provider subscription")
	for _, id := range s.InfrastructureSubscriptions {
		v.check("stack.infrastructureSubscriptions", dashed(id), "write GUIDs")
	}
	if s.LoginEndpoint != "" {
		v.check("stack.loginEndpoint", activation.CheckURL(s.LoginEndpoint), "leave it empty, or write https://login.microsoftonline.com/ or https://adfs.<region>.<domain>/adfs")
	}
	v.absolute("stack.caFile", s.CAFile)
	v.signIn("stack.signIn", s.SignIn)
}

func (v *checker) storage(s Storage, cloudID string) {
	if s.Container != "" && s.Container != landing.Container(cloudID) {
		v.report("storage.container", "must be landing-<cloudId>, as hours in another container are rejected: leave it empty")
	}
	v.absolute("storage.caFile", s.CAFile)
	if s.ConnectionStringEnv != "" {
		v.variable("storage.connectionStringEnv", s.ConnectionStringEnv)
		if s.Account != "" || s.BlobServiceURI != "" || s.SignIn != (SignIn{}) {
			v.report("storage.connectionStringEnv", "is for an emulator on this machine and takes the place of account, blobServiceUri and signIn: leave it empty, or those")
		}
		return
	}
	switch {
	case s.Account != "" && s.BlobServiceURI != "":
		v.report("storage.blobServiceUri", "stands beside account: leave one of the two empty")
	case s.BlobServiceURI != "":
		v.check("storage.blobServiceUri", activation.CheckURL(s.BlobServiceURI), "write https://<account>.blob.core.windows.net")
	default:
		v.check("storage.account", activation.CheckAccount(s.Account), "write the account's name, or its address into blobServiceUri")
	}
	v.signIn("storage.signIn", s.SignIn)
}

// signIn holds each method to the keys that belong to it: one that is left over
// from another method would be read by nobody, and its owner believes otherwise.
func (v *checker) signIn(at string, s SignIn) {
	keys := map[string][]string{
		activation.ClientSecret:      {"tenantId", "clientId", "secretFile", "secretEnv", "secretEnds"},
		activation.ClientCertificate: {"tenantId", "clientId", "certificateFile", "certificatePasswordFile", "certificatePasswordEnv"},
		activation.ManagedIdentity:   {"clientId"},
	}[s.Method]
	if keys == nil {
		v.report(at+".method", "must be one of %s", strings.Join(activation.Methods, ", "))
		return
	}
	ends := ""
	if s.SecretEnds != nil {
		ends = s.SecretEnds.String()
	}
	for _, f := range []struct{ key, value string }{
		{"secretEnds", ends}, {"tenantId", s.TenantID}, {"clientId", s.ClientID}, {"secretFile", s.SecretFile}, {"secretEnv", s.SecretEnv}, {"certificateFile", s.CertificateFile},
		{"certificatePasswordFile", s.CertificatePasswordFile}, {"certificatePasswordEnv", s.CertificatePasswordEnv},
	} {
		key := at + "." + f.key
		switch {
		case f.value == "":
		case !slices.Contains(keys, f.key):
			v.report(key, "does not belong to method %s: leave it empty", s.Method)
		case strings.HasSuffix(f.key, "Env"):
			v.variable(key, f.value)
		case strings.HasSuffix(f.key, "File"):
			if filepath.Base(f.value) != f.value {
				v.absolute(key, f.value)
			}
		}
	}
	if s.Method == activation.ManagedIdentity {
		if s.ClientID != "" {
			v.check(at+".clientId", usage.CheckGUID(s.ClientID), "leave it empty, or write the GUID of the identity")
		}
		return
	}
	v.check(at+".clientId", usage.CheckGUID(s.ClientID), "write the GUID of the application")
	if !hostName.MatchString(s.TenantID) {
		v.report(at+".tenantId", "missing or not a directory: write its GUID or domain name, or adfs where the stack signs in by AD FS")
	}
	if s.Method == activation.ClientSecret {
		if (s.SecretFile == "") == (s.SecretEnv == "") {
			v.report(at+".secretFile", "set either secretFile or secretEnv")
		}
		return
	}
	if s.CertificateFile == "" {
		v.report(at+".certificateFile", "missing: name the file with the certificate and its private key, PEM or PFX")
	}
	if s.CertificatePasswordFile != "" && s.CertificatePasswordEnv != "" {
		v.report(at+".certificatePasswordFile", "set either certificatePasswordFile or certificatePasswordEnv")
	}
}

func (v *checker) collect(c Collect) {
	v.between("collect.delay", c.Delay, 0, 48*time.Hour)
	v.between("collect.interval", c.Interval, 10*time.Second, time.Hour)
	v.between("collect.jitter", c.Jitter, 0, time.Hour)
	if c.MaxCatchUp < 1 || c.MaxCatchUp > 100_000 {
		v.report("collect.maxCatchUp", "must be a number of hours from 1 to 100000")
	}
	v.between("collect.checkAfter", c.CheckAfter, 0, 30*24*time.Hour)
}

func (v *checker) spool(s Spool) {
	v.absolute("spool.dir", s.Dir)
	if s.MaxBytes < 64<<20 {
		v.report("spool.maxBytes", "must be at least 64MiB: a single hour of a large stack takes that")
	}
	if s.MinFree < 1<<20 {
		v.report("spool.minFree", "must be at least 1MiB")
	}
	v.between("spool.maxAge", s.MaxAge, time.Hour, 3650*24*time.Hour)
	v.between("spool.keepSent", s.KeepSent, 0, 3650*24*time.Hour)
}

func (v *checker) between(key string, d, least, most time.Duration) {
	if d < least || d > most {
		v.report(key, "%s is not from %s to %s", usage.Span(d), usage.Span(least), usage.Span(most))
	}
}

func (v *checker) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.report(key, "must be one of %s", strings.Join(allowed, ", "))
	}
}

// absolute refuses paths that mean something else to a service than to the
// operator who wrote them.
func (v *checker) absolute(key, path string) {
	if path != "" && !filepath.IsAbs(path) {
		v.report(key, "must be an absolute path: a service has another working folder than you")
	}
}

func (v *checker) variable(key, name string) {
	if !envName.MatchString(name) {
		v.report(key, "must be the name of an environment variable, such as STACK_CLIENT_SECRET, not the secret itself")
	}
}

func dashed(id string) error {
	if err := usage.CheckGUID(id); err != nil {
		return err
	}
	if len(id) != 36 {
		return fmt.Errorf("a GUID without its dashes")
	}
	return nil
}

func checkProxy(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return fmt.Errorf("not the address of a proxy")
	case u.User != nil:
		return fmt.Errorf("a user or password is in it")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("something follows the host")
	}
	return nil
}

func loopbackPort(listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || !activation.Loopback(host) {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}
