package main

import (
	"bytes"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/landing"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
)

func TestInfrastructureSubscriptions(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	const provider = "db1b3a0a-5e19-4f4c-8a3f-2b3a4f0c9d11"
	tool(t, getenv, "registration", "create", "--name", "hamburg", "--cloud-id", cloudID, "--subscription", "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		"--kind", "EA", "--model", "PayAsYouUse", "--region", "northwest", "--start", "2019-12-01T00:00:00Z", "--from", "2019-12-01", "--reason", "x", "--by", "olga")
	change := func(verb string, args ...string) string {
		return tool(t, getenv, append([]string{"infrastructure", verb, "--registration", "hamburg", "--reason", "looked", "--by", "olga"}, args...)...)
	}
	list := func() string { return tool(t, getenv, "infrastructure", "list", "--registration", "hamburg") }
	hash := registration.ListHash([]string{provider})
	for _, step := range []struct{ name, got, want string }{
		{"none at first", list(), "no infrastructure subscriptions are recorded"},
		{"set", change("set", "--subscription", strings.ToUpper(provider), "--from", "2019-12-01"), "From 2019-12-01 on these subscriptions are infrastructure: " + provider + ".\n"},
		{"confirmed against a header", change("confirm", "--day", "2019-12-10", "--against", registration.ListHash(nil)), "Confirmed for usage day 2019-12-10: from 2019-12-01 on"},
		{"listed for programs", tool(t, getenv, "infrastructure", "list", "--registration", "hamburg", "--output", "json"), `{"effectiveDay":"2019-12-01",`},
		{"listed", list(), hash + "  yes " + registration.ListHash(nil)},
		{"none from a day on", change("set", "--none", "--from", "2020-01-01"), "From 2020-01-01 on these subscriptions are infrastructure: none.\n"},
	} {
		if !strings.Contains(step.got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, step.got, step.want)
		}
	}
	t.Run("who decides is recorded, also where the flag is left out", func(t *testing.T) {
		tool(t, getenv, "infrastructure", "set", "--registration", "hamburg", "--reason", "looked", "--subscription", provider, "--from", "2020-02-01")
		history, err := registry.Registry{Tables: account.Tables}.History(t.Context(), cloudID)
		ok(t, err)
		if last := history.Infrastructure[len(history.Infrastructure)-1]; last.EffectiveDay != "20200201" || last.By == "" {
			t.Errorf("%+v", last)
		}
	})
	t.Run("a list needs its subscriptions, or the word that there are none", func(t *testing.T) {
		var out bytes.Buffer
		for _, args := range [][]string{{}, {"--none", "--subscription", provider}} {
			err := run(t.Context(), append([]string{"infrastructure", "set", "--registration", "hamburg", "--reason", "x"}, args...), getenv, &out, &out)
			if err == nil || !strings.Contains(err.Error(), "--none") {
				t.Errorf("%v: %v", args, err)
			}
		}
	})
	t.Run("the provider subscription of an activation key is kept", func(t *testing.T) {
		if err := account.Blobs.Create(t.Context(), landing.Container(cloudID)); err != nil {
			t.Fatal(err)
		}
		tool(t, getenv, "registration", "issue-key", "--registration", "hamburg", "--domain", "azurestack.external", "--tenant-id", provider, "--client-id", provider, "--provider-subscription", provider)
		history, err := registry.Registry{Tables: account.Tables}.History(t.Context(), cloudID)
		if err != nil || len(history.Providers) != 1 || history.Providers[0] != provider {
			t.Errorf("%+v, %v", history.Providers, err)
		}
	})
}
