package accountpage_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rowsOf are the values of an attribute, in the order of the page, inside the element of an id.
func rowsOf(page, id, attribute string) (out []string) {
	_, table, _ := strings.Cut(page, `id="`+id+`"`)
	table, _, _ = strings.Cut(table, "</table>")
	for _, m := range regexp.MustCompile(attribute+`="([^"]*)"`).FindAllStringSubmatch(table, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestLinesByAmount(t *testing.T) {
	r := start(t, month()...)
	r.signIn()
	page := r.get("/subscriptions/" + payer + "?period=2019-12").text
	// 1488 vCPU hours at 0.046, 4032 at 0.008, 1,680,001 GB hours at 0.0000083333, 420,007 at 0.000025.
	if diff := cmp.Diff([]string{winVM, baseVM, block, tables}, rowsOf(page, "meters", "data-meter")); diff != "" {
		t.Errorf("charged (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{staticIP, vmHours, baseVM}, rowsOf(page, "free", "data-meter")); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
	for _, want := range []string{`<details id="rest">`, "Lines without a charge: 3, of them without a published price: 1"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
	t.Run("what was not charged is open where nothing was", func(t *testing.T) {
		page := r.get("/subscriptions/" + kitPayer).text
		for _, want := range []string{"Nothing was charged in December 2019.", `<details id="rest" open>`, "No resource was charged.", `<details id="free-resources" open>`} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is not in\n%s", want, page)
			}
		}
	})
}

func TestResources(t *testing.T) {
	const group = "/subscriptions/" + tenant + "/resourceGroups/shop/providers/"
	usage := []used{
		{meter: baseVM, quantity: "100", resource: group + "Microsoft.Compute/virtualMachines/small"},
		{meter: winVM, quantity: "100", resource: group + "Microsoft.Compute/virtualMachines/large"},
		{meter: staticIP, quantity: "24", resource: group + "Microsoft.Compute/virtualMachines/large"},
		{meter: block, quantity: "1.5", resource: group + "Microsoft.Storage/storageAccounts/files"},
		{meter: baseVM, quantity: "100", class: "admin", resource: group + "Microsoft.Compute/virtualMachines/own"},
		{meter: baseVM, quantity: "-10", corrects: 99, resource: group + "Microsoft.Web/sites/<script>alert(1)/slots/old"},
		{meter: baseVM, quantity: "1", resource: "/neither/URI"},
		{meter: staticIP, quantity: "1", resource: group + "Microsoft.Network/publicIPAddresses/ip"},
		{meter: baseVM, quantity: "2", resource: group + "Microsoft.Compute/virtualMachines/a/b"},
	}
	for i := range usage {
		usage[i].payer, usage[i].day = payer, "2019-12-10"
	}
	r := start(t, usage...)
	r.signIn()
	page := r.get("/subscriptions/" + payer).text
	var names []string
	for _, uri := range rowsOf(page, "resources", "data-resource") {
		names = append(names, uri[strings.LastIndex(uri, "/")+1:])
	}
	if diff := cmp.Diff([]string{"large", "small", "b", "URI", "files", "old"}, names); diff != "" {
		t.Errorf("charged (-want +got):\n%s", diff)
	}
	if got := rowsOf(page, "free-resources", "data-resource"); len(got) != 2 || !strings.HasSuffix(got[0], "/own") || !strings.HasSuffix(got[1], "/ip") {
		t.Errorf("not charged: %v", got)
	}
	for _, want := range []string{
		`<th scope="row">large<br><small>virtualMachines in shop</small>`, "2 meters, not priced: 1<", `<td class="number amount">4.6000<`,
		"100 vCPU hours × 0.046 = <span>4.6000</span>", ": 24 IP addresses, not priced</li>", `<td class="number amount" title="0.00001249995">0.0000<`,
		"&lt;script&gt;alert(1)/slots/old", "sites/slots in shop", ">-0.0800<", `<th scope="row">/neither/URI`,
		`<th scope="row">` + group + "Microsoft.Compute/virtualMachines/a/b</th>", `<td class="number amount">not priced</td>`, `All resources</th><td class="number amount">5.3440<`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
}

func TestManyResources(t *testing.T) {
	var usage []used
	for n := range 230 {
		usage = append(usage, used{payer: payer, day: "2019-12-10", meter: baseVM, quantity: fmt.Sprint(1000 * (n % 2)), resource: fmt.Sprintf("/subscriptions/x/resourceGroups/g/providers/a/b/r%03d", n)})
	}
	r := start(t, usage...)
	r.signIn()
	page := r.get("/subscriptions/" + payer).text
	if got := len(rowsOf(page, "resources", "data-resource")); got != 100 {
		t.Errorf("%d resources", got)
	}
	for _, want := range []string{`<th scope="row" colspan="2">15 more<br>`, ">120.0000<", ">920.0000<", "Resources without a charge: 115"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}
