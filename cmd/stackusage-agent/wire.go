package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/agent/config"
	"stackusage/agent/signin"
	"stackusage/agent/stackapi"
	"stackusage/agent/transport"
)

// parts are what a configuration becomes. Making them reaches out to nobody.
type parts struct {
	conf                   config.Config
	proxy                  func(*url.URL) (*url.URL, error) // nil for what is reached directly
	clocks                 *transport.Clocks
	stackHTTP, storageHTTP *http.Client
	stack                  *stack
	storage                *azblob.Client // nil where nothing is uploaded
	container              string
	storageCredential      *signin.Renewing // nil where the account's key signs, too
}

// load reads the configuration at path and makes its parts.
func load(path string, getenv func(string) string) (*parts, error) {
	conf, err := config.Load(path, getenv)
	if err != nil {
		return nil, err
	}
	return wire(conf, getenv)
}

func wire(conf config.Config, getenv func(string) string) (*parts, error) {
	p := &parts{conf: conf, container: conf.Storage.Container, clocks: &transport.Clocks{}}
	var err error
	if p.proxy, err = transport.ProxyFor(p.transport("")); err != nil {
		return nil, err
	}
	if p.stackHTTP, err = transport.New(p.transport(conf.Stack.CAFile)); err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	if p.storageHTTP, err = transport.New(p.transport(conf.Storage.CAFile)); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	p.stack = newStack(conf, p.stackHTTP, getenv)
	if err := p.connectStorage(getenv); err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	return p, nil
}

func (p *parts) transport(caFile string) transport.Config {
	conf := p.conf
	return transport.Config{
		Clocks:   p.clocks,
		ProxyURL: conf.Proxy.URL, NoProxy: strings.Join(conf.Proxy.Except, ","), CAFile: caFile,
		DialTimeout: conf.Timeouts.Dial, TLSTimeout: conf.Timeouts.TLS, HeaderTimeout: conf.Timeouts.Header,
	}
}

// connectStorage makes the client of the blob service. The whole of an upload is
// bounded by its context to timeouts.upload. One try has half of that: less would
// cost a slow line its large hours, more would leave no room for another try after
// one that hangs.
func (p *parts) connectStorage(getenv func(string) string) (err error) {
	options := &azblob.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: p.storageHTTP,
		Retry: policy.RetryOptions{
			MaxRetries: 3, RetryDelay: time.Second, MaxRetryDelay: 30 * time.Second, TryTimeout: p.conf.Timeouts.Upload / 2,
		},
	}}
	storage := p.conf.Storage
	if storage.None {
		return nil
	}
	if name := storage.ConnectionStringEnv; name != "" {
		p.storage, err = azblob.NewClientFromConnectionString(getenv(name), options)
		if err != nil {
			// Not quoted: the text may hold the key.
			return fmt.Errorf("the variable %s holds no connection string", name)
		}
		return nil
	}
	// Storage is in the public cloud: whatever signs in to it does so there.
	if p.storageCredential, err = credential(storage.SignIn, signin.DefaultLoginEndpoint, p.storageHTTP, getenv); err != nil {
		return err
	}
	options.PerRetryPolicies = []policy.Policy{p.storageCredential.Policy(storageScope)}
	p.storage, err = azblob.NewClientWithNoCredential(storage.BlobServiceURI, options)
	return err
}

// adfs is what tenantId says where there are no tenants.
const adfs = "adfs"

// credential makes a credential, whose secret it reads now and again when it is
// refused.
func credential(conf config.SignIn, loginEndpoint string, client *http.Client, getenv func(string) string) (*signin.Renewing, error) {
	return signin.Renew(func() (azcore.TokenCredential, error) { return readCredential(conf, loginEndpoint, client, getenv) })
}

func readCredential(conf config.SignIn, loginEndpoint string, client *http.Client, getenv func(string) string) (azcore.TokenCredential, error) {
	c := signin.Config{Method: conf.Method, TenantID: conf.TenantID, ClientID: conf.ClientID, LoginEndpoint: loginEndpoint}
	if strings.EqualFold(c.TenantID, adfs) {
		if !stackapi.IsADFS(loginEndpoint) {
			return nil, fmt.Errorf("signIn.tenantId is adfs, but %s is no AD FS: write the directory's GUID or domain name", loginEndpoint)
		}
		c.TenantID = ""
	}
	var err error
	switch conf.Method {
	case signin.ClientSecret:
		c.Secret, err = conf.Secret(getenv)
	case signin.ClientCertificate:
		var errPassword error
		c.Certificate, err = conf.Certificate()
		c.CertificatePassword, errPassword = conf.CertificatePassword(getenv)
		err = errors.Join(err, errPassword)
	}
	if err != nil {
		return nil, err
	}
	return signin.New(c, client)
}

// ends is when what the agent signs in with ends, as far as it is known: read now, as
// a file may have been replaced.
func ends(conf config.Config, getenv func(string) string) map[string]time.Time {
	found := map[string]time.Time{}
	for side, s := range map[string]config.SignIn{"stack": conf.Stack.SignIn, "storage": conf.Storage.SignIn} {
		if s.SecretEnds != nil {
			found[side+" secret"] = s.SecretEnds.Start()
		}
		if s.Method != signin.ClientCertificate {
			continue
		}
		text, err := s.Certificate()
		password, errPassword := s.CertificatePassword(getenv)
		if err != nil || errPassword != nil {
			continue // the sign-in says so
		}
		if end, err := signin.CertificateEnd(text, password); err == nil {
			found[side+" certificate"] = end.UTC()
		}
	}
	return found
}
