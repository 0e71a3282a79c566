package scenarios

import "stackusage/internal/devstack/azurestack"

// Meters, spelled as a stack spells them: storage in upper case, compute and
// disks in lower case, addresses without dashes.
const (
	meterStaticIP  = "F271A8A388C44D93956A063E1D2FA80B"
	meterDynamicIP = "9E2739BA86744796B465F64674B822BA"

	meterPageBlob     = "B5C15376-6C94-4FDD-B655-1A69D138ACA3"
	meterBlockBlob    = "09F8879E-87E9-4305-A572-4B7BE209F857"
	meterBlobRequests = "43DAF82B-4618-444A-B994-40C23F7CD438"
	meterBlobIn       = "9764F92C-E44A-498E-8DC1-AAD66587A810"
	meterBlobOut      = "3023FEF4-ECA5-4D7B-87B3-CFBC061931E8"
	meterTable        = "B4438D5D-453B-4EE1-B42A-DC72E377F1E4"
	meterTableReqs    = "B9FF3CD0-28AA-4762-84BB-FF8FBAEA6A90"
	meterTableIn      = "50A1AEAF-8ECA-48A0-8973-A5B3077FEE0D"
	meterTableOut     = "1B8C1DEC-EE42-414B-AA36-6229CF199370"
	meterQueue        = "B03C6AE7-B080-4BFA-84A3-22C800F315C6"
	meterQueueReqs    = "EB43DD12-1AA6-4C4B-872C-FAF15A6785EA"
	meterQueueIn      = "E518E809-E369-4A45-9274-2017B29FFF25"
	meterQueueOut     = "DD0A10BA-A5D6-4CB6-88C0-7D585CEF9FC2"

	meterVMHours   = "6dab500f-a4fd-49c4-956d-229bb9c8c793"
	meterBaseVM    = "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"
	meterWindowsVM = "9cd92d4c-bafd-4492-b278-bedc2de8232a"

	meterS4           = "380874f9-300c-48e0-95a0-d2d9a21ade8f"
	meterS10          = "d5f7731b-f639-404a-89d0-e46186e22c8d"
	meterP10          = "e554b6bc-96cd-4938-a5b5-0da990278519"
	meterStandardSize = "7ba084ec-ef9c-4d64-a179-7732c6cb5e28"
	meterPremiumSize  = "daef389a-06e5-4684-a7f7-8813d9f792d5"

	meterAppService = "190C935E-9ADA-48FF-9AB8-56EA1CF9ADAA"
	meterSQL        = "CBCFEF9A-B91F-4597-A4D3-01FE334BED82"
	meterKeyVault   = "EBF13B9F-B3EA-46FE-BF54-396E93D48AB4"
)

// noTags is how the compute provider writes "no tags"; the others write "".
const noTags = "null"

// image is what a virtual machine was made from.
type image struct {
	publisher, offer, sku string
	windows               bool // runs on the Windows meter
	byol                  bool // licenseType=Windows_Server: runs on the base meter
}

var (
	windowsServer = image{"MicrosoftWindowsServer", "WindowsServer", "2016-Datacenter", true, false}
	ownLicence    = image{"MicrosoftWindowsServer", "WindowsServer", "2016-Datacenter", true, true}
	ubuntu        = image{"Canonical", "UbuntuServer", "16.04-LTS", false, false}
)

// vm returns a machine with the two meters of every machine: the hours, which
// are informational, and the cores on either the base or the Windows meter.
func (g *generator) vm(subscription, group, name, size string, cores int64, img image, tags string) *resource {
	info := struct {
		ServiceType string
		ImageType   *string
		Publisher   string
		Offer       string
		Sku         string
	}{ServiceType: size, Publisher: img.publisher, Offer: img.offer, Sku: img.sku}
	meterID := meterBaseVM
	switch licence := "Windows_Server"; {
	case img.byol:
		info.ImageType = &licence
	case img.windows:
		meterID = meterWindowsVM
	}
	return &resource{
		subscription: subscription, group: group, segment: "resourceGroups",
		path: "providers/Microsoft.Compute/virtualMachines/" + name,
		tags: tags, info: string(azurestack.Encode(info)),
		meters: []*meter{
			{id: meterVMHours, quantity: constant(1)},
			{id: meterID, quantity: constant(cores)},
		},
	}
}

// disk returns a managed disk. Its size on disk has a meter beside that of its
// tier, unless sizeMeter is empty.
func (g *generator) disk(subscription, group, name, tier, sizeMeter string) *resource {
	r := &resource{
		subscription: subscription, group: group, segment: "resourceGroups", disk: true,
		path:   "providers/Microsoft.Compute/disks/" + name,
		meters: []*meter{{id: tier, quantity: monthly}},
	}
	if sizeMeter != "" {
		r.meters = append(r.meters, &meter{id: sizeMeter, quantity: g.stored(12 * gigabyte)})
	}
	return r
}

// blobs returns a storage account that is used for blobs only.
func (g *generator) blobs(subscription, group, name string) *resource {
	return &resource{
		subscription: subscription, group: group, segment: "resourcegroups",
		path: "providers/Microsoft.Storage/storageAccounts/" + name,
		meters: []*meter{
			{id: meterPageBlob, quantity: g.capacity(30 * gigabyte)},
			{id: meterBlockBlob, quantity: g.capacity(200 << 10)},
			{id: meterBlobRequests, quantity: g.requests(9_000), split: true},
			{id: meterBlobIn, quantity: g.transfer(gigabyte / 8)},
			{id: meterBlobOut, quantity: g.transfer(gigabyte / 2)},
		},
	}
}

// storage returns a storage account of which every service is used.
func (g *generator) storage(subscription, group, name string) *resource {
	r := g.blobs(subscription, group, name)
	r.meters = append(r.meters,
		&meter{id: meterTable, quantity: g.capacity(90)},
		&meter{id: meterTableReqs, quantity: g.requests(4_000), split: true},
		&meter{id: meterTableIn, quantity: g.transfer(1 << 20)},
		&meter{id: meterTableOut, quantity: g.transfer(4 << 20)},
		&meter{id: meterQueue, quantity: g.capacity(6 << 10)},
		&meter{id: meterQueueReqs, quantity: g.requests(12_000), split: true},
		&meter{id: meterQueueIn, quantity: g.transfer(1 << 20)},
		&meter{id: meterQueueOut, quantity: g.transfer(1 << 20)},
	)
	return r
}

// address returns a public IP address. Its state stands bare in additionalInfo.
func (g *generator) address(subscription, group, name, meterID string) *resource {
	return &resource{
		subscription: subscription, group: group, segment: "resourceGroups",
		path: "providers/Microsoft.Network/publicIPAddresses/" + name,
		info: "InUse",
		meters: []*meter{
			{id: meterID, quantity: constant(1)},
		},
	}
}

// plan returns an App Service plan with one of the given meters for its workers.
func (g *generator) plan(subscription, group, name, meterID string, workers int64) *resource {
	path := "providers/Microsoft.Web/serverFarms/" + name
	info := struct{ AppServicePlanUri string }{
		"/subscriptions/" + subscription + "/resourceGroups/" + group + "/" + path,
	}
	return &resource{
		subscription: subscription, group: group, segment: "resourceGroups",
		path: path, info: string(azurestack.Encode(info)),
		meters: []*meter{{id: meterID, quantity: constant(workers)}},
	}
}

// other returns a resource of one meter.
func (g *generator) other(subscription, group, path string, m *meter) *resource {
	return &resource{
		subscription: subscription, group: group, segment: "resourceGroups",
		path: "providers/" + path, meters: []*meter{m},
	}
}
