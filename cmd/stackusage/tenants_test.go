package main

import (
	"strings"
	"testing"

	"stackusage/cmd/stackusage/clitest"
)

func TestTenantsSayForHowLong(t *testing.T) {
	t.Parallel()
	getenv, _ := clitest.Storage(t)
	const (
		tenant = "db1b3a0a-5e19-4f4c-8a3f-2b3a4f0c9d11"
		first  = "1f0c9d11-5e19-4f4c-8a3f-2b3a4f0c9d12"
		second = "2f0c9d11-5e19-4f4c-8a3f-2b3a4f0c9d13"
	)
	tool(t, getenv, "registration", "create", "--name", "hamburg", "--cloud-id", cloudID, "--subscription", "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		"--kind", "CSP", "--model", "PayAsYouUse", "--region", "northwest", "--start", "2019-12-01T00:00:00Z", "--from", "2019-12-01", "--reason", "x", "--by", "olga")
	change := func(verb string, args ...string) string {
		return strings.SplitAfter(tool(t, getenv, append([]string{"tenant", verb, "--registration", "hamburg", "--reason", "x", "--by", "olga"}, args...)...), "\n")[0]
	}
	toMap := func(subscription, day string) string {
		return change("map", "--tenant", tenant, "--subscription", subscription, "--from", day)
	}
	const until = ", when another entry holds (stackusage tenant list).\n"
	for _, step := range []struct{ name, got, want string }{
		{"nothing is to come", toMap(second, "2020-02-01"), "Tenant " + tenant + " is newly charged to " + second + " from 2020-02-01 on.\n"},
		{"a later mapping ends it", toMap(first, "2020-01-01"), "Tenant " + tenant + " is newly charged to " + first + " from 2020-01-01 until 2020-02-01" + until},
		{"said again", toMap(first, "2020-01-10"), "Tenant " + tenant + " is now charged to " + first + " from 2020-01-10 until 2020-02-01" + until},
		{"the end of one that another follows", change("unmap", "--subscription", first, "--from", "2020-01-20"),
			"Tenant " + tenant + " is charged to the registration's subscription from 2020-01-20 until 2020-02-01" + until},
		{"the end of the last one", change("unmap", "--subscription", second, "--from", "2020-02-10"),
			"Tenant " + tenant + " is charged to the registration's subscription from 2020-02-10 on.\n"},
	} {
		if step.got != step.want {
			t.Errorf("%s: %q, want %q", step.name, step.got, step.want)
		}
	}
}
