package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// env is an environment of the test's own, with what must be set.
type env map[string]string

func (e env) get(name string) string { return e[name] }

func goodEnv(changes ...string) env {
	e := env{"COMMERCE_ENDPOINT": "https://commerce.example.com"}
	for i := 0; i < len(changes); i += 2 {
		e[changes[i]] = changes[i+1]
	}
	return e
}

func TestReadConfig(t *testing.T) {
	t.Run("defaults hold where nothing is set", func(t *testing.T) {
		got, err := readConfig(goodEnv().get)
		if err != nil {
			t.Fatal(err)
		}
		want := Config{
			CommerceEndpoint: "https://commerce.example.com", SettlingHours: 6, CloseDelay: 48 * time.Hour, ReopenDelay: 6 * time.Hour, ForwardRetry: 30 * time.Second, SendLimit: 5 * time.Minute,
			SweepSchedule: "0 */5 * * * *", SweepGrace: 15 * time.Minute, SweepLookback: 14 * 24 * time.Hour,
			MaxHourBytes: 2 << 30, MaxHourRows: 20_000_000, MaxHourDisk: 128 << 20, SpillSums: 120_000, InstanceMemory: 2048, InstanceDisk: 800, InvocationLimit: 28 * time.Minute, LogLevel: "info",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("config (-want +got):\n%s", diff)
		}
	})
	t.Run("a lateness limit that every deadline makes is taken", func(t *testing.T) {
		if c, err := readConfig(goodEnv("COMMERCE_LATENESS_LIMIT", "55h").get); err != nil || c.LatenessLimit != 55*time.Hour {
			t.Errorf("%s %v", c.LatenessLimit, err)
		}
	})
	t.Run("each setting is read from its own name", func(t *testing.T) {
		e := env{}
		fields := reflect.TypeFor[Config]()
		for i := range fields.NumField() {
			name := fields.Field(i).Tag.Get("env")
			switch fields.Field(i).Type {
			case reflect.TypeFor[string]():
				e[name] = name
			case reflect.TypeFor[time.Duration]():
				e[name] = fmt.Sprint(100+i, "m")
			case reflect.TypeFor[bool]():
				e[name] = "true"
			default:
				e[name] = fmt.Sprint(1000 + i)
			}
		}
		e["COMMERCE_ENDPOINT"], e["COMMERCE_LATENESS_LIMIT"], e["SETTLING_HOURS"], e["LOG_LEVEL"] = "http://127.0.0.1:9090", "720h", "3", "debug"
		c, err := readConfig(e.get)
		if err != nil {
			t.Fatal(err)
		}
		for i := range fields.NumField() {
			name, got := fields.Field(i).Tag.Get("env"), fmt.Sprint(reflect.ValueOf(c).Field(i).Interface())
			if d, err := time.ParseDuration(e[name]); err == nil {
				e[name] = d.String()
			}
			if got != e[name] {
				t.Errorf("%s is %s, want %s", name, got, e[name])
			}
		}
	})
	for _, c := range []struct {
		name string
		env  env
		want []string // lines of the error
	}{
		{"nothing is set", env{}, []string{"setting COMMERCE_ENDPOINT is missing: URL of commerce, before /v1/records"}},
		{"a number that is none", goodEnv("SPILL_SUMS", "many"), []string{`setting SPILL_SUMS: "many" is not a whole number`}},
		{"a number beyond all", goodEnv("MAX_HOUR_ROWS", "99999999999999999999"), []string{`setting MAX_HOUR_ROWS: "99999999999999999999" is not a whole number`}},
		{"a duration without unit", goodEnv("CLOSE_DELAY", "48"), []string{`setting CLOSE_DELAY: "48" is not a duration like 90s, 15m or 48h`}},
		{"an endpoint without scheme", goodEnv("COMMERCE_ENDPOINT", "localhost:9090"), []string{"setting COMMERCE_ENDPOINT: must be a URL that begins with https:// (or, on one machine, http://)"}},
		{"a lateness limit that is none", goodEnv("COMMERCE_LATENESS_LIMIT", "a month"), []string{`setting COMMERCE_LATENESS_LIMIT: "a month" is not a duration like 90s, 15m or 48h`}},
		{"a lateness limit below zero", goodEnv("COMMERCE_LATENESS_LIMIT", "-1h"), []string{"setting COMMERCE_LATENESS_LIMIT: must be zero or above"}},
		{"a day with gaps that closes too late", goodEnv("COMMERCE_LATENESS_LIMIT", "48h"),
			[]string{"settings CLOSE_DELAY and COMMERCE_LATENESS_LIMIT clash: a day with hours missing closes 48h0m0s after its end, and commerce takes it for 48h0m0s only"}},
		{"every day closes too late", goodEnv("COMMERCE_LATENESS_LIMIT", "6h"),
			[]string{"settings SETTLING_HOURS and COMMERCE_LATENESS_LIMIT clash: no day closes before 6h0m0s after its end, and commerce takes it for 6h0m0s only"}},
		{"settling hours beyond a day", goodEnv("SETTLING_HOURS", "25"), []string{"setting SETTLING_HOURS: must be 0 to 24"}},
		{"negative settling hours", goodEnv("SETTLING_HOURS", "-1"), []string{"setting SETTLING_HOURS: must be 0 to 24"}},
		{"no delay", goodEnv("CLOSE_DELAY", "0s"), []string{"setting CLOSE_DELAY: must be above zero"}},
		{"a send that may take no time", goodEnv("SEND_LIMIT", "10ms"), []string{"setting SEND_LIMIT: must be 1s or above"}},
		{"no retry delay", goodEnv("FORWARD_RETRY", "-1s"), []string{"setting FORWARD_RETRY: must be above zero"}},
		{"a negative grace", goodEnv("SWEEP_GRACE", "-1s"), []string{"setting SWEEP_GRACE: must be zero or above"}},
		{"a look-back within the grace", goodEnv("SWEEP_LOOKBACK", "10m"), []string{"setting SWEEP_LOOKBACK: must be above SWEEP_GRACE"}},
		{"no bytes", goodEnv("MAX_HOUR_BYTES", "0"), []string{"setting MAX_HOUR_BYTES: must be above zero"}},
		{"no rows", goodEnv("MAX_HOUR_ROWS", "0"), []string{"setting MAX_HOUR_ROWS: must be above zero"}},
		{"no disk", goodEnv("MAX_HOUR_DISK", "0"), []string{"setting MAX_HOUR_DISK: must be above zero"}},
		{"no sums", goodEnv("SPILL_SUMS", "0"), []string{"setting SPILL_SUMS: must be above zero"}},
		{"an instance without memory", goodEnv("INSTANCE_MEMORY_MB", "256"), []string{"setting INSTANCE_MEMORY_MB: must be 512 or above"}},
		{"an instance without disk", goodEnv("INSTANCE_DISK_MB", "127"), []string{"setting INSTANCE_DISK_MB: must be as large as MAX_HOUR_DISK, which is in bytes, or above"}},
		{"no time to work", goodEnv("INVOCATION_LIMIT", "0s"), []string{"setting INVOCATION_LIMIT: must be above zero"}},
		{"perhaps", goodEnv("BEHIND_APP_SERVICE_AUTH", "yes"), []string{`setting BEHIND_APP_SERVICE_AUTH: "yes" is not true or false`}},
		{"a level of its own", goodEnv("LOG_LEVEL", "loud"), []string{"setting LOG_LEVEL: must be debug, info, warn or error"}},
		{"everything at once: missing, unreadable and out of bounds",
			env{"SETTLING_HOURS": "25", "CLOSE_DELAY": "soon", "SWEEP_GRACE": "x", "SPILL_SUMS": "0"}, []string{
				"setting COMMERCE_ENDPOINT is missing: URL of commerce, before /v1/records",
				`setting CLOSE_DELAY: "soon" is not a duration like 90s, 15m or 48h`,
				`setting SWEEP_GRACE: "x" is not a duration like 90s, 15m or 48h`,
				"setting SETTLING_HOURS: must be 0 to 24",
				"setting SPILL_SUMS: must be above zero",
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readConfig(c.env.get)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(c.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// settings is name -> default of every setting in Config.
func settings(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		tag := fields.Field(i).Tag
		if tag.Get("help") == "" || tag.Get("env") == "" {
			t.Errorf("field %s says neither its setting nor what it is for", fields.Field(i).Name)
		}
		all[tag.Get("env")] = tag.Get("default")
	}
	return all
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The struct is the manual; what people read must not say otherwise.
func TestSettingsAreWrittenDown(t *testing.T) {
	t.Run("local.settings.sample.json has exactly the settings", func(t *testing.T) {
		var sample struct{ Values map[string]string }
		if err := json.Unmarshal([]byte(readFile(t, "local.settings.sample.json")), &sample); err != nil {
			t.Fatal(err)
		}
		want := settings(t)
		for _, name := range []string{"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME", "COMMERCE_ENDPOINT"} {
			if sample.Values[name] == "" {
				t.Errorf("%s has no value", name)
			}
			want[name] = sample.Values[name]
		}
		if diff := cmp.Diff(want, sample.Values); diff != "" {
			t.Errorf("settings (-code +sample):\n%s", diff)
		}
	})
	t.Run("the README lists the same with the same defaults", func(t *testing.T) {
		_, section, found := strings.Cut(readFile(t, "README.md"), "\n## Settings of the function app\n")
		if !found {
			t.Fatal("no such section")
		}
		section, _, _ = strings.Cut(section, "\n## ")
		got := map[string]string{}
		for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (?:`([^`]*)`)? ?\\|").FindAllStringSubmatch(section, -1) {
			got[m[1]] = m[2]
		}
		if diff := cmp.Diff(settings(t), got); diff != "" {
			t.Errorf("settings (-code +README):\n%s", diff)
		}
	})
	t.Run("an invocation gives up before the host kills it and its neighbours", func(t *testing.T) {
		var host struct{ FunctionTimeout string }
		if err := json.Unmarshal([]byte(readFile(t, "host.json")), &host); err != nil {
			t.Fatal(err)
		}
		var h, m, s int
		if n, err := fmt.Sscanf(host.FunctionTimeout, "%d:%d:%d", &h, &m, &s); n != 3 {
			t.Fatalf("functionTimeout %q: %v", host.FunctionTimeout, err)
		}
		timeout := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
		limit, err := time.ParseDuration(settings(t)["INVOCATION_LIMIT"])
		if err != nil || limit >= timeout {
			t.Errorf("INVOCATION_LIMIT is %s, functionTimeout %s", limit, timeout)
		}
	})
}
