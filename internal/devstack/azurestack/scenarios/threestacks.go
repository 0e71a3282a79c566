package scenarios

import (
	"fmt"
	"time"
)

// DeclinedMeter is the meter that only the vault of hamburg's fabrikam has, on two days:
// a stand-in for commerce that declines it declines that and nothing else.
const DeclinedMeter = "ebf13b9f-b3ea-46fe-bf54-396e93d48ab4"

// Stacks are the stacks of a scenario that has several, by name; nil if it has one. Each
// is generated as <scenario>/<stack>.
func Stacks(scenario string) []string {
	if scenario == "three-stacks" {
		return []string{"hamburg", "munich", "berlin"}
	}
	return nil
}

// threeStacks begins one of three small stacks over the six days around the end of
// February 2024. The subscriptions of a stack are its own.
func threeStacks(g *generator, stack string, customers ...customer) {
	all := []customer{{stack + "/provider", "Default Provider Subscription", "operator"}}
	g.begin(time.Date(2024, time.February, 27, 0, 0, 0, 0, time.UTC), 6, append(all, customers...)...)
	g.src.Region = stack
	g.add(g.vm(g.src.Provider, "system."+stack, "controller", "Standard_A2", 2, windowsServer, noTags))
}

// march is when the second month begins.
func (g *generator) march() time.Time { return time.Date(2024, time.March, 1, 0, 0, 0, 0, time.UTC) }

// hamburg has two tenants. contoso grows in March; one of its machines has tags that are
// no JSON. fabrikam works in the daytime, and has a vault on two days. Every ninth
// hour of the first two days has rows that must be rejected.
func hamburg(g *generator) {
	threeStacks(g, "hamburg", customer{"hamburg/contoso", "contoso shop", "contoso"}, customer{"hamburg/fabrikam", "fabrikam build", "fabrikam"})
	shop, build := subscription("hamburg/contoso"), subscription("hamburg/fabrikam")
	for i, tags := range []string{`{"env":"prod","costCenter":"4711"}`, `{"env":"test"}`, `env=prod`} {
		g.add(g.vm(shop, "shop", fmt.Sprintf("web%02d", i), "Standard_DS2_v2", 2, windowsServer, tags))
	}
	more := g.vm(shop, "shop", "web03", "Standard_D4_v2", 8, windowsServer, `{"env":"prod","costCenter":"4712"}`)
	more.from, more.to = g.march(), g.end
	g.add(more)
	g.add(g.disk(shop, "shop", "web00_data", meterP10, meterPremiumSize))
	g.add(g.storage(shop, "shop", "shopdata"))
	for i := range 2 {
		vm := g.vm(build, "build", fmt.Sprintf("agent%02d", i), "Standard_A1", 1, ubuntu, noTags)
		vm.daytime = true
		g.add(vm)
	}
	g.add(g.plan(build, "build", "portal", meterAppService, 1))
	for _, day := range []int{1, 3} { // 28 February and 1 March
		vault := g.other(build, "build", "Microsoft.KeyVault/vaults/keys", &meter{id: meterKeyVault, quantity: g.requests(300)})
		vault.from = g.start.AddDate(0, 0, day).Add(10 * time.Hour)
		vault.to = vault.from.Add(4 * time.Hour)
		g.add(vault)
	}
	g.refused(shop)
}

// munich has one tenant, with a machine fewer in March.
func munich(g *generator) {
	threeStacks(g, "munich", customer{"munich/northwind", "northwind", "northwind"})
	sub := subscription("munich/northwind")
	g.add(g.vm(sub, "erp", "app00", "Standard_D2_v2", 2, windowsServer, `{"env":"prod"}`))
	old := g.vm(sub, "erp", "app01", "Standard_D2_v2", 2, windowsServer, `{"env":"prod"}`)
	old.from, old.to = g.start, g.march()
	g.add(old)
	g.add(g.storage(sub, "erp", "erpdata"))
	g.add(g.blobs(sub, "erp", "erpbackup"))
}

// berlin is paid for by its capacity, and reports nothing to commerce.
func berlin(g *generator) {
	threeStacks(g, "berlin", customer{"berlin/lab", "lab", "lab"})
	sub := subscription("berlin/lab")
	g.add(g.vm(sub, "lab", "bench00", "Standard_F2s", 2, ubuntu, noTags))
	g.add(g.blobs(sub, "lab", "results"))
}
