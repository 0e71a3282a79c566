package scenarios

import (
	"fmt"
	"time"

	"stackusage/internal/devstack/azurestack"
)

// threeDays is the documented test of usage reporting, run for three UTC days
// on a Development Kit: a storage account, a Windows Server machine, Linux
// machines of a Basic and of a Standard size, with the other inhabitants of a
// stack around them.
//
// Worth knowing when reading a bill of it:
//   - contoso/test is the documented test itself, with one machine more that
//     brings its own licence;
//   - contoso/production has a machine that gets a tag on the second day, one
//     that is resized on the third, and a custom worker tier, whose meter no
//     catalogue knows;
//   - fabrikam/development runs in the daytime only;
//   - fabrikam/batch makes 320 machines for two hours of the second day, so that
//     an hour's answer has more than one page;
//   - the provider's own subscriptions carry infrastructure.
func threeDays(g *generator) {
	g.begin(time.Date(2024, time.March, 1, 0, 0, 0, 0, time.UTC), 3, append(ownSubscriptions,
		customer{"contoso/test", "contoso test", "contoso"},
		customer{"contoso/production", "contoso production", "contoso"},
		customer{"fabrikam/development", "fabrikam development", "fabrikam"},
		customer{"fabrikam/batch", "fabrikam batch", "fabrikam"})...)
	g.documentedTest()
	g.production()
	g.development()
	g.batch()
	g.infrastructure()
}

func (g *generator) documentedTest() {
	const group = "usagetest"
	sub := subscription("contoso/test")
	tags := `{"RG":"usagetest","testTag":"1"}`
	g.add(g.storage(sub, group, "usageteststorage"))
	for _, m := range []struct {
		name, size string
		cores      int64
		image      image
		tags       string
	}{
		{"winserver", "Standard_DS2_v2", 2, windowsServer, noTags},
		{"linuxbasic", "Basic_A2", 2, ubuntu, tags},
		{"linuxstandard", "Standard_D2_v2", 2, ubuntu, tags},
		{"winbyol", "Standard_F4s", 4, ownLicence, noTags},
	} {
		g.add(g.vm(sub, group, m.name, m.size, m.cores, m.image, m.tags))
		g.add(g.disk(sub, group, m.name+"_OsDisk_1", meterS10, meterStandardSize))
	}
	g.add(g.disk(sub, group, "winserver_data", meterP10, meterPremiumSize))
	g.add(g.address(sub, group, "winserver-ip", meterStaticIP))
	g.add(g.address(sub, group, "linuxbasic-ip", meterDynamicIP))
}

func (g *generator) production() {
	const group = "Shop-Production"
	sub := subscription("contoso/production")
	tags := `{"env":"prod"}`
	for i := range 6 {
		name := fmt.Sprintf("web%02d", i)
		vm := g.vm(sub, group, name, "Standard_DS2_v2", 2, windowsServer, tags)
		if i == 0 {
			vm.to = g.start.Add(33 * time.Hour)
			tagged := g.vm(sub, group, name, "Standard_DS2_v2", 2, windowsServer, `{"costCenter":"4711","env":"prod"}`)
			tagged.from = vm.to
			g.add(tagged)
		}
		g.add(vm)
		g.add(g.disk(sub, group, name+"_OsDisk_1", meterS10, meterStandardSize))
	}
	small := g.vm(sub, group, "DB01", "Standard_D2_v2", 2, ownLicence, tags)
	small.to = g.start.Add(54 * time.Hour)
	large := g.vm(sub, group, "DB01", "Standard_D4_v2", 8, ownLicence, tags)
	large.from = small.to
	g.add(small)
	g.add(large)
	g.add(g.disk(sub, group, "DB01_data", meterP10, meterPremiumSize))
	for i := range 3 {
		g.add(g.storage(sub, group, fmt.Sprintf("shopdata%02d", i)))
	}
	g.add(g.blobs(sub, group, "shopbackup"))
	g.add(g.address(sub, group, "shop-front", meterStaticIP))
	g.add(g.address(sub, group, "shop-admin", meterDynamicIP))
	g.add(g.plan(sub, group, "shop-workers", meterAppService, 2))
	g.add(g.plan(sub, group, "shop-gpu", azurestack.GUID("worker tier", "GpuLarge"), 1))
	g.add(g.other(sub, group, "Microsoft.SQLAdapter/databases/orders", &meter{id: meterSQL, quantity: constant(2048)}))
	g.add(g.other(sub, group, "Microsoft.KeyVault/vaults/shop", &meter{id: meterKeyVault, quantity: g.requests(300)}))
}

func (g *generator) development() {
	const group = "dev"
	sub := subscription("fabrikam/development")
	for i := range 6 {
		name := fmt.Sprintf("dev%02d", i)
		vm := g.vm(sub, group, name, "Standard_A1", 1, ubuntu, noTags)
		vm.daytime = true
		g.add(vm)
		// A deallocated machine keeps its disk.
		g.add(g.disk(sub, group, name+"_OsDisk_1", meterS4, meterStandardSize))
		ip := g.address(sub, group, name+"-ip", meterDynamicIP)
		ip.daytime = true
		g.add(ip)
	}
	for i := range 3 {
		g.add(g.blobs(sub, group, fmt.Sprintf("devdisks%02d", i)))
	}
	g.add(g.storage(sub, group, "devshared"))
}

func (g *generator) batch() {
	const group = "render-2024-03-02"
	sub := subscription("fabrikam/batch")
	g.add(g.blobs(sub, "render", "renderframes"))
	for i := range 320 {
		name := fmt.Sprintf("render%03d", i)
		vm := g.vm(sub, group, name, "Standard_F2s", 2, ubuntu, noTags)
		disk := g.disk(sub, group, name+"_OsDisk_1", meterS4, "")
		for _, r := range []*resource{vm, disk} {
			r.from = g.start.Add(36 * time.Hour)
			r.to = r.from.Add(2 * time.Hour)
			g.add(r)
		}
	}
}

func (g *generator) infrastructure() {
	const group = "system.local"
	provider, metering, consumption := subscription("provider"), subscription("metering"), subscription("consumption")
	for _, name := range []string{"sql-rp", "mysql-rp", "appservice-controller", "appservice-worker0", "appservice-worker1", "appservice-fileserver"} {
		g.add(g.vm(provider, group, name, "Standard_A3", 4, windowsServer, noTags))
	}
	g.add(g.storage(provider, group, "srphealthaccount"))
	g.add(g.blobs(metering, group, "usagestore"))
	g.add(g.blobs(consumption, group, "consumptionstore"))
	g.add(g.vm(consumption, group, "consumption-controller", "Standard_A2", 2, windowsServer, noTags))
}
