package cli_test

import (
	"testing"

	"stackusage/cmd/stackusage/cli"
)

func TestResource(t *testing.T) {
	t.Parallel()
	const of = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/"
	for uri, want := range map[string]string{
		of + "virtualMachines/vm":                        "vm (rg)",
		of + "virtualMachines/vm/extensions/agent":       "agent (rg)",
		of + "virtualMachines/<script>alert(1)</script>": "<script>alert(1)</script> (rg)",
		"/subscriptions/s/providers/Microsoft.X/y/z":     "z",
		"/subscriptions/s/providers":                     "providers",
		"name":                                           "name",
		"":                                               "",
	} {
		if got := cli.Resource(uri); got != want {
			t.Errorf("%q is %q, want %q", uri, got, want)
		}
	}
}
