// Package config is the configuration file of the agent: one YAML file, in
// which every key is explained.
//
//	sample.yaml ─> Default ─┐
//	config.yaml ────────────┴─> Parse ─> Load (which also looks at secret files) ─> Config
//
// sample.yaml is the only source of both words and defaults. All that is wrong
// with a file is reported at once, each with line, key, and what to do. Values
// are not repeated in errors where they could be a secret in the wrong place.
//
// YAML is read by go.yaml.in/yaml/v3 as a tree of nodes and not into the struct:
// the tree has the lines of unknown keys, too. It depends on nothing, and it is
// the library that the YAML organization itself keeps up.
package config

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// MaxFile is the most bytes that a configuration file may have.
const MaxFile = 256 << 10

// Auto is the Namespace that is found out.
const Auto = "auto"

//go:embed sample.yaml
var sample string

// Sample is a configuration file with every key, its meaning and its default.
func Sample() string { return sample }

// Config is what the file says. The words are in sample.yaml. A Config from
// Load is complete: what may be left out is filled in.
type Config struct {
	CloudID   string      `yaml:"cloudId"`
	FirstHour *usage.Hour `yaml:"firstHour"`
	Stack     Stack       `yaml:"stack"`
	Storage   Storage     `yaml:"storage"`
	Collect   Collect     `yaml:"collect"`
	Spool     Spool       `yaml:"spool"`
	Proxy     Proxy       `yaml:"proxy"`
	Timeouts  Timeouts    `yaml:"timeouts"`
	Log       Log         `yaml:"log"`
	Metrics   Metrics     `yaml:"metrics"`
}

// Stack is whose usage is collected.
type Stack struct {
	Endpoint                    string   `yaml:"endpoint"` // https://adminmanagement.<region>.<domain>
	Region                      string   `yaml:"region"`
	Domain                      string   `yaml:"domain"`
	Namespace                   string   `yaml:"namespace"` // Auto or one of stackapi's
	ProviderSubscription        string   `yaml:"providerSubscription"`
	InfrastructureSubscriptions []string `yaml:"infrastructureSubscriptions"` // without ProviderSubscription
	LoginEndpoint               string   `yaml:"loginEndpoint"`               // empty: discovered
	Audience                    string   `yaml:"audience"`                    // empty: discovered
	CAFile                      string   `yaml:"caFile"`
	SignIn                      SignIn   `yaml:"signIn"`
}

// none is the Storage of a stack that does not reach Azure.
const none = "none"

// Storage is where hours are uploaded. With ConnectionStringEnv set, which is
// for an emulator on this machine only, BlobServiceURI and SignIn are empty.
type Storage struct {
	// None is "storage: none": nothing is uploaded, a person exports the hours. The rest
	// is empty.
	None bool `yaml:"-"`

	Account             string `yaml:"account"`
	BlobServiceURI      string `yaml:"blobServiceUri"` // follows from Account if that is set
	Container           string `yaml:"container"`      // landing-<cloudId>
	CAFile              string `yaml:"caFile"`
	ConnectionStringEnv string `yaml:"connectionStringEnv"`
	SignIn              SignIn `yaml:"signIn"`
}

// SignIn is one identity. Its secrets are read by Secret, Certificate and
// CertificatePassword.
type SignIn struct {
	Method                  string     `yaml:"method"` // one of activation.Methods
	TenantID                string     `yaml:"tenantId"`
	ClientID                string     `yaml:"clientId"`
	SecretFile              string     `yaml:"secretFile"` // with its folder, after Load
	SecretEnv               string     `yaml:"secretEnv"`
	SecretEnds              *usage.Day `yaml:"secretEnds"`              // nil: not known
	CertificateFile         string     `yaml:"certificateFile"`         // likewise
	CertificatePasswordFile string     `yaml:"certificatePasswordFile"` // likewise
	CertificatePasswordEnv  string     `yaml:"certificatePasswordEnv"`
}

// Collect is when hours are collected.
type Collect struct {
	Delay          time.Duration `yaml:"delay"`
	Interval       time.Duration `yaml:"interval"`
	Jitter         time.Duration `yaml:"jitter"`
	MaxCatchUp     int           `yaml:"maxCatchUp"` // hours in one go
	SplitAfter504s OnOff         `yaml:"splitAfter504s"`
	CheckAfter     time.Duration `yaml:"checkAfter"` // 0: never
}

// Spool is where hours wait. Sizes are bytes.
type Spool struct {
	Dir      string        `yaml:"dir"`
	MaxBytes Size          `yaml:"maxBytes"`
	MaxAge   time.Duration `yaml:"maxAge"`
	MinFree  Size          `yaml:"minFree"`
	KeepSent time.Duration `yaml:"keepSent"`
}

// Proxy is the way out of the network.
type Proxy struct {
	URL    string   `yaml:"url"` // empty: as the environment says
	Except []string `yaml:"except"`
}

// Timeouts bound each step of a request.
type Timeouts struct {
	Dial     time.Duration `yaml:"dial"`
	TLS      time.Duration `yaml:"tls"`
	Header   time.Duration `yaml:"header"`
	Request  time.Duration `yaml:"request"`
	Upload   time.Duration `yaml:"upload"`
	Shutdown time.Duration `yaml:"shutdown"`
}

// Log is what the agent says.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"` // json or text
}

// Metrics is where numbers are served.
type Metrics struct {
	Listen string `yaml:"listen"` // loopback host:port, or empty
}

// Default is what the sample says: Config without anything that must be filled
// in. The sample is part of the program, so that a fault in it is a panic.
func Default() Config {
	var c Config
	if problems := decode([]byte(sample), &c); len(problems) > 0 {
		panic(fmt.Sprintf("sample.yaml: %v", problems))
	}
	return c
}

// DefaultPath is where the configuration file is if nobody says otherwise.
func DefaultPath(getenv func(string) string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(programData(getenv), "stackusage-agent", "config.yaml")
	}
	return "/etc/stackusage-agent/config.yaml"
}

// fill sets what follows from other settings.
func (c *Config) fill(getenv func(string) string) {
	if c.Stack.Endpoint == "" {
		c.Stack.Endpoint = "https://adminmanagement." + c.Stack.Region + "." + c.Stack.Domain
	}
	if c.Storage.Container == "" && !c.Storage.None {
		c.Storage.Container = landing.Container(c.CloudID)
	}
	if c.Storage.Account != "" {
		c.Storage.BlobServiceURI = "https://" + c.Storage.Account + ".blob.core.windows.net"
	}
	if c.Spool.Dir == "" {
		c.Spool.Dir = filepath.Join(stateDir(getenv), "spool")
	}
}

func stateDir(getenv func(string) string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(programData(getenv), "stackusage-agent")
	}
	return "/var/lib/stackusage-agent"
}

func programData(getenv func(string) string) string {
	if dir := getenv("ProgramData"); dir != "" {
		return dir
	}
	return `C:\ProgramData`
}
