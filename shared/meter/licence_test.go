package meter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/meter"
)

// The forms that additionalInfo of a virtual machine had, by year.
const (
	bare2017     = `Standard_A1`
	payg2018     = `{"ServiceType":"Standard_DS2_v2","ImageType":null}`
	byol2018     = `{"ServiceType":"Standard_DS2_v2","ImageType":"Windows_Server"}`
	windows2019  = `{"ServiceType":"Standard_F2s","ImageType":null,"Publisher":"MicrosoftWindowsServer","Offer":"WindowsServer","Sku":"2016-Datacenter"}`
	byol2019     = `{"ServiceType":"Standard_F2s","ImageType":"Windows_Server","Publisher":"MicrosoftWindowsServer","Offer":"WindowsServer","Sku":"2016-Datacenter"}`
	linux2019    = `{"ServiceType":"Standard_F1s","ImageType":null,"Publisher":"Canonical","Offer":"UbuntuServer","Sku":"16.04-LTS"}`
	foreign2019  = `{"ServiceType":"Standard_D11_v2","ImageType":null,"Publisher":"commvault","Offer":"commvault","Sku":"commvaulttrial"}`
	twiceTheSame = `{"ImageType":"Windows_Server","ImageType":null}`
	twiceByCase  = `{"ImageType":null,"imagetype":"Windows_Server"}`
)

func TestReadVM(t *testing.T) {
	tests := []struct {
		name, text string
		want       meter.VM
		ok         bool
	}{
		{"a bare size of 2017", bare2017, meter.VM{Size: "Standard_A1"}, true},
		{"JSON of 2018", payg2018, meter.VM{Size: "Standard_DS2_v2"}, true},
		{"JSON of 2018 with a licence", byol2018, meter.VM{Size: "Standard_DS2_v2", ImageType: "Windows_Server"}, true},
		{"JSON of 2019", byol2019, meter.VM{Size: "Standard_F2s", ImageType: "Windows_Server", Publisher: "MicrosoftWindowsServer", Offer: "WindowsServer", SKU: "2016-Datacenter"}, true},
		{"names in another case, and names that nobody knows", `{"servicetype":"A","IMAGETYPE":"Windows_Server","x":{"y":[1]}}`, meter.VM{Size: "A", ImageType: "Windows_Server"}, true},
		{"nothing", "", meter.VM{}, false},
		{"the word null", "null", meter.VM{}, false},
		{"a sentence", "in use by somebody", meter.VM{}, false},
		{"a list", `["Standard_A1"]`, meter.VM{}, false},
		{"a name twice", twiceTheSame, meter.VM{}, false},
		{"a name twice in two cases", twiceByCase, meter.VM{}, false},
		{"a number for a size", `{"ServiceType":1}`, meter.VM{}, false},
		{"an object that is cut", windows2019[:len(windows2019)-1], meter.VM{}, false},
		{"something behind the object", payg2018 + "{}", meter.VM{}, false},
		{"more than 16 KiB", `{"ServiceType":"` + strings.Repeat("x", 16<<10) + `"}`, meter.VM{}, false},
		{"no Unicode", "Standard_\xff", meter.VM{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := meter.ReadVM(tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
				t.Errorf("read %t, (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestLicenceMismatch(t *testing.T) {
	tests := []struct {
		name, meter, info string
		want              bool
	}{
		{"the Windows meter for a machine that brings its licence, 2018", meter.WindowsVM, byol2018, true},
		{"the Windows meter for a machine that brings its licence, 2019", meter.WindowsVM, byol2019, true},
		{"the Windows meter in another spelling", "9CD92D4CBAFD4492B278BEDC2DE8232A", byol2019, true},
		{"the Windows meter for a machine that does not", meter.WindowsVM, windows2019, false},
		{"the Windows meter for an image of somebody else", meter.WindowsVM, foreign2019, false},
		{"the base meter for a machine that brings its licence", meter.BaseVM, byol2019, false},
		{"the base meter for Windows Server without a licence", meter.BaseVM, windows2019, true},
		{"the base meter for Linux", meter.BaseVM, linux2019, false},
		{"the base meter for an image whose system is not known", meter.BaseVM, foreign2019, false},
		{"the base meter in 2018, when no image was named", meter.BaseVM, payg2018, false},
		{"the base meter in 2017", meter.BaseVM, bare2017, false},
		{"the hours beside them, which cost nothing", meter.VMHours, byol2019, false},
		{"a disk", "d5f7731b-f639-404a-89d0-e46186e22c8d", byol2019, false},
		{"text that says two things", meter.WindowsVM, twiceTheSame, false},
		{"no text", meter.WindowsVM, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := meter.LicenceMismatch(tt.meter, tt.info); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func FuzzReadVM(f *testing.F) {
	for _, text := range []string{bare2017, payg2018, byol2018, windows2019, byol2019, linux2019, twiceTheSame, twiceByCase, "null", "InUse", `{"a":{`, `{"":1}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		vm, ok := meter.ReadVM(text)
		if !ok && vm != (meter.VM{}) {
			t.Errorf("%q says nothing, and %+v", text, vm)
		}
		if meter.LicenceMismatch(meter.WindowsVM, text) && meter.LicenceMismatch(meter.BaseVM, text) {
			t.Errorf("%q is wrong on both meters", text)
		}
	})
}
