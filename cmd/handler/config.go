package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"stackusage/shared/telemetry"
)

// Config is every setting that the handler reads, from the environment in
// which the Functions host starts it. The env tag names the app setting, the
// default tag its value when it is not set; a setting without default must be
// set. local.settings.sample.json and the README list the same.
//
// UsageStorage and LandingStorage name storage connections. In the place of a
// connection string, <name>__accountName, or <name>__blobServiceUri,
// __queueServiceUri and __tableServiceUri, with __credential=managedidentity
// and __clientId, are read.
type Config struct {
	UsageStorage   string `env:"UsageStorage" default:"" help:"connection to the app's storage: tables, queues, partials, daily files, outbox, quarantine"`
	LandingStorage string `env:"LandingStorage" default:"" help:"connection to the storage that the stacks drop their hour blobs in"`

	CommerceEndpoint string `env:"COMMERCE_ENDPOINT" help:"URL of commerce, before /v1/records"`
	CommerceScope    string `env:"COMMERCE_SCOPE" default:"" help:"scope of the token for commerce, for the identity of UsageStorage; empty sends none"`

	LatenessLimit time.Duration `env:"COMMERCE_LATENESS_LIMIT" default:"" help:"how long after its end commerce takes records of a usage day; checked at start against the deadlines below; empty means for ever"`

	SettlingHours int           `env:"SETTLING_HOURS" default:"6" help:"first reported hours of the next day that a usage day waits for"`
	CloseDelay    time.Duration `env:"CLOSE_DELAY" default:"48h" help:"after the latest of its end, its registration and its first landing, when a day closes with hours missing"`
	ReopenDelay   time.Duration `env:"REOPEN_DELAY" default:"6h" help:"at most one revision in this time of a day that was stated and re-opened; at once when its last missing hour comes"`
	ForwardRetry  time.Duration `env:"FORWARD_RETRY" default:"30s" help:"first delay after commerce could not take a batch; doubles up to 1h"`
	SendLimit     time.Duration `env:"SEND_LIMIT" default:"5m" help:"how long one sender alone asks commerce for a batch; another one takes over after it"`

	SweepSchedule string        `env:"SWEEP_SCHEDULE" default:"0 */5 * * * *" help:"when Sweep runs: NCRONTAB with seconds, UTC; read by the host"`
	SweepGrace    time.Duration `env:"SWEEP_GRACE" default:"15m" help:"how long a message may be on its way before Sweep sends another"`
	SweepLookback time.Duration `env:"SWEEP_LOOKBACK" default:"336h" help:"reported hours that each Sweep compares with what landed; older ones are compared once a day"`

	MaxHourBytes int64 `env:"MAX_HOUR_BYTES" default:"2147483648" help:"bytes that an hour blob may unpack to; a larger one is rejected"`
	MaxHourRows  int64 `env:"MAX_HOUR_ROWS" default:"20000000" help:"rows that an hour blob may have; one with more is rejected"`
	MaxHourDisk  int64 `env:"MAX_HOUR_DISK" default:"134217728" help:"bytes of temporary disk that adding up an hour blob may take; one that needs more is rejected"`
	SpillSums    int   `env:"SPILL_SUMS" default:"120000" help:"sums that IngestHour keeps in memory before it spills to temporary disk"`

	BehindAuthentication bool `env:"BEHIND_APP_SERVICE_AUTH" default:"false" help:"App Service authentication is in front and requires a sign-in: HTTP functions want its X-MS-CLIENT-PRINCIPAL, and record who it names; false ignores that header"`

	InstanceMemory  int           `env:"INSTANCE_MEMORY_MB" default:"2048" help:"memory of one instance in MiB; bounds how many invocations run at once"`
	InstanceDisk    int64         `env:"INSTANCE_DISK_MB" default:"800" help:"temporary disk of one instance in MiB; bounds how many hour blobs are added up at once"`
	InvocationLimit time.Duration `env:"INVOCATION_LIMIT" default:"28m" help:"when an invocation gives up; must stay below functionTimeout in host.json"`
	LogLevel        string        `env:"LOG_LEVEL" default:"info" help:"debug, info, warn or error"`
}

// readConfig fills a Config and reports every setting that is missing or bad.
func readConfig(getenv func(string) string) (Config, error) {
	var c Config
	v := reflect.ValueOf(&c).Elem()
	var errs []error
	bad := map[string]bool{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("env")
		text := getenv(name)
		if text == "" {
			fallback, optional := field.Tag.Lookup("default")
			if !optional {
				errs = append(errs, fmt.Errorf("setting %s is missing: %s", name, field.Tag.Get("help")))
				bad[name] = true
				continue
			}
			text = fallback
		}
		if err := set(v.Field(i), text); err != nil {
			errs = append(errs, fmt.Errorf("setting %s: %w", name, err))
			bad[name] = true
		}
	}
	errs = append(errs, c.validate(bad))
	return c, errors.Join(errs...)
}

func set(field reflect.Value, text string) error {
	switch field.Interface().(type) {
	case string:
		field.SetString(text)
	case time.Duration:
		if text == "" {
			return nil // a bound that is not there
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration like 90s, 15m or 48h", text)
		}
		field.SetInt(int64(d))
	case bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is not true or false", text)
		}
		field.SetBool(text == "true")
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		field.SetInt(n)
	}
	return nil
}

// validate reports what is out of bounds. Settings that could not be read are
// bad already and have no value to judge.
func (c Config) validate(bad map[string]bool) error {
	check := func(name string, ok bool, what string) error {
		if ok || bad[name] {
			return nil
		}
		return fmt.Errorf("setting %s: must be %s", name, what)
	}
	endpoint, err := url.Parse(c.CommerceEndpoint)
	isURL := err == nil && endpoint.Host != "" && (endpoint.Scheme == "https" || endpoint.Scheme == "http")
	_, err = telemetry.NewLogger(io.Discard, c.LogLevel)
	return errors.Join(
		check("COMMERCE_ENDPOINT", isURL, "a URL that begins with https:// (or, on one machine, http://)"),
		check("COMMERCE_LATENESS_LIMIT", c.LatenessLimit >= 0, "zero or above"),
		c.checkLateness(bad),
		check("LOG_LEVEL", err == nil, "debug, info, warn or error"),
		check("SETTLING_HOURS", c.SettlingHours >= 0 && c.SettlingHours <= 24, "0 to 24"),
		check("CLOSE_DELAY", c.CloseDelay > 0, "above zero"),
		check("REOPEN_DELAY", c.ReopenDelay >= 0, "zero or above"),
		check("FORWARD_RETRY", c.ForwardRetry > 0, "above zero"),
		check("SEND_LIMIT", c.SendLimit >= time.Second, "1s or above"),
		check("SWEEP_GRACE", c.SweepGrace >= 0, "zero or above"),
		check("SWEEP_LOOKBACK", bad["SWEEP_GRACE"] || c.SweepLookback > c.SweepGrace, "above SWEEP_GRACE"),
		check("MAX_HOUR_BYTES", c.MaxHourBytes > 0, "above zero"),
		check("MAX_HOUR_ROWS", c.MaxHourRows > 0, "above zero"),
		check("MAX_HOUR_DISK", c.MaxHourDisk > 0, "above zero"),
		check("SPILL_SUMS", c.SpillSums > 0, "above zero"),
		check("INSTANCE_MEMORY_MB", c.InstanceMemory >= 512, "512 or above"),
		check("INSTANCE_DISK_MB", bad["MAX_HOUR_DISK"] || c.InstanceDisk<<20 >= c.MaxHourDisk, "as large as MAX_HOUR_DISK, which is in bytes, or above"),
		check("INVOCATION_LIMIT", c.InvocationLimit > 0, "above zero"),
	)
}

// checkLateness reports deadlines that let a day expire before it is closed. A
// day with hours missing closes CLOSE_DELAY after its end, or after its first
// landing where that is later.
func (c Config) checkLateness(bad map[string]bool) error {
	settling := time.Duration(c.SettlingHours) * time.Hour
	switch {
	case c.LatenessLimit <= 0 || bad["COMMERCE_LATENESS_LIMIT"]:
		return nil
	case !bad["SETTLING_HOURS"] && settling >= c.LatenessLimit:
		return fmt.Errorf("settings SETTLING_HOURS and COMMERCE_LATENESS_LIMIT clash: no day closes before %s after its end, and commerce takes it for %s only", settling, c.LatenessLimit)
	case !bad["CLOSE_DELAY"] && c.CloseDelay >= c.LatenessLimit:
		return fmt.Errorf("settings CLOSE_DELAY and COMMERCE_LATENESS_LIMIT clash: a day with hours missing closes %s after its end, and commerce takes it for %s only", c.CloseDelay, c.LatenessLimit)
	}
	return nil
}
