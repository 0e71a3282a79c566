package usagegen

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"

	"stackusage/shared/usage"
)

// provider is the subscription that asks the stack for the usage of all.
const provider = "39c82aed-b2b7-4a66-abdb-611de00bf11e"

// Meters and sizes as in the recorded hour; how often each comes is about as there.
const (
	meterStorage = "B5C15376-6C94-4FDD-B655-1A69D138ACA3"
	meterTraffic = "09F8879E-87E9-4305-A572-4B7BE209F857"
	meterTables  = "B4438D5D-453B-4EE1-B42A-DC72E377F1E4"
	meterVM      = "6dab500f-a4fd-49c4-956d-229bb9c8c793"
	meterVMSize  = "9cd92d4c-bafd-4492-b278-bedc2de8232a"
	meterVMLinux = "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"
	meterDisk    = "7ba084ec-ef9c-4d64-a179-7732c6cb5e28"
	meterDisks   = "d5f7731b-f639-404a-89d0-e46186e22c8d"
)

var vmSizes = []string{"Standard_D1_v2", "Standard_F2s", "Standard_A0", "Standard_A4", "Standard_F1s", "Standard_D11_v2", "Standard_DS2_v2"}

var vmImages = []string{
	`\\\"Publisher\\\":\\\"MicrosoftWindowsServer\\\",\\\"Offer\\\":\\\"WindowsServer\\\",\\\"Sku\\\":\\\"2016-Datacenter\\\"`,
	`\\\"Publisher\\\":\\\"MicrosoftWindowsServer\\\",\\\"Offer\\\":\\\"WindowsServer\\\",\\\"Sku\\\":\\\"2012-R2-Datacenter\\\"`,
	`\\\"Publisher\\\":\\\"Canonical\\\",\\\"Offer\\\":\\\"UbuntuServer\\\",\\\"Sku\\\":\\\"16.04-LTS\\\"`,
	`\\\"Publisher\\\":\\\"commvault\\\",\\\"Offer\\\":\\\"commvault\\\",\\\"Sku\\\":\\\"commvaulttrial\\\"`,
}

// common are quantities that the recorded hour has more than once.
var common = []string{"1.0", "1.0", "1.0", "2.0", "16.461429714225233", "49.384254808537662", "15.222732705064118", "32.92295140028"}

// sizes are amounts that many of the recorded hour's quantities are a little above.
var sizes = []float64{15.2227, 16.4614, 32.9228, 49.3842}

// maxSubscriptions is how many a large stack has. The recorded hour has 96 for its 176
// resources.
const maxSubscriptions = 2000

// generator makes rows. What a resource is depends on its number alone.
type generator struct {
	random        *rand.Rand
	pcg           *rand.PCG // of one resource or subscription
	windows       [3]string
	subscriptions int
	buf           []byte
}

func newGenerator(blob Blob) *generator {
	hour, resources := blob.Hour, blob.Resources
	g := &generator{random: rand.New(source(new(rand.PCG), 0, uint64(hour))), pcg: new(rand.PCG), subscriptions: min((resources*96+175)/176, maxSubscriptions)}
	for i := range g.windows {
		h := hour - usage.Hour(i)
		if blob.Day != 0 {
			h = min(max(h, blob.Day.First()), blob.Day.First()+23)
		}
		const layout = "2006-01-02T15:04:05+00:00"
		g.windows[i] = `","usageStartTime":"` + h.Start().Format(layout) + `","usageEndTime":"` + h.End().Format(layout) + `","instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/`
	}
	return g
}

// row makes a row of a resource.
func (g *generator) row(resource int) []byte {
	subscription := g.guid(1, uint64(resource%g.subscriptions))
	traits := source(g.pcg, 2, uint64(resource)).Uint64()
	group := g.group(resource)
	meter := meterOf(resource)

	b := append(g.buf[:0], `{"id":"/subscriptions/`+provider+`/providers/Microsoft.Commerce/UsageAggregate/`...)
	b = append(append(append(b, subscription[:]...), '-'), meter...)
	b = append(b, `","name":"`...)
	b = append(append(append(b, subscription[:]...), '-'), meter...)
	b = append(b, `","type":"Microsoft.Commerce/UsageAggregate","properties":{"subscriptionId":"`...)
	b = append(b, subscription[:]...)
	b = append(append(b, g.window(traits)...), subscription[:]...)
	switch meter {
	case meterVM, meterVMSize, meterVMLinux:
		b = g.virtualMachine(b, resource, traits, group[:])
	case meterDisk, meterDisks:
		b = append(append(b, `/resourceGroups/vaasrg`...), group[:]...)
		b = append(append(b, `/providers/Microsoft.Compute/disks/osdisk_vmvaasrg`...), group[:]...)
		b = append(b, `0\",\"location\":\"`+Region+`\",\"tags\":\"null\",\"additionalInfo\":\"null`...)
	default:
		b = append(append(b, `/resourcegroups/vaasrg`...), group[:]...)
		b = append(b, `/providers/Microsoft.Storage/storageAccounts/sa`...)
		b = hex.AppendEncode(b, binary.BigEndian.AppendUint64(make([]byte, 0, 8), traits)[:5])
		b = append(b, `\",\"location\":\"`+Region+`\",\"tags\":\"\",\"additionalInfo\":\"`...)
	}
	b = append(b, `\"}}","quantity":`...)
	b = g.quantity(b)
	b = append(append(b, `,"meterId":"`...), meter...)
	b = append(b, `","name":"`...)
	b = append(append(append(b, subscription[:]...), '-'), meter...)
	g.buf = append(b, `"}}`...)
	return g.buf
}

// virtualMachine adds what instanceData has of one, after the subscription.
func (g *generator) virtualMachine(b []byte, resource int, traits uint64, group []byte) []byte {
	own := traits>>16%7 == 0 // its group and itself are named by GUIDs, and it has tags
	b = append(b, `/resourceGroups/`...)
	if own {
		id := g.guid(3, uint64(resource))
		b = append(b, id[:]...)
		b = append(b, `/providers/Microsoft.Compute/virtualMachines/`...)
		id = g.guid(4, uint64(resource))
		b = append(b, id[:]...)
	} else {
		b = append(append(b, `vaasrg`...), group...)
		b = append(b, `/providers/Microsoft.Compute/virtualMachines/vmvaasrg`...)
		b = append(append(b, group...), '0')
	}
	b = append(b, `\",\"location\":\"`+Region+`\",\"tags\":\"`...)
	if own {
		b = append(b, `{\\\"RG\\\":\\\"rg\\\",\\\"testTag\\\":\\\"1\\\"}`...)
	} else {
		b = append(b, `null`...)
	}
	b = append(b, `\",\"additionalInfo\":\"{\\\"ServiceType\\\":\\\"`...)
	b = append(b, vmSizes[traits>>24%uint64(len(vmSizes))]...)
	b = append(b, `\\\",\\\"ImageType\\\":null,`...)
	b = append(b, vmImages[traits>>32%uint64(len(vmImages))]...)
	return append(b, '}')
}

// meterOf spreads the meters evenly, so that few resources have the shares of many.
func meterOf(resource int) string {
	switch n := resource * 617 % 1000; {
	case n < 705:
		return meterStorage
	case n < 825:
		return meterTraffic
	case n < 835:
		return meterTables
	case n < 912:
		return meterVM
	case n < 987:
		return meterVMSize
	case n < 990:
		return meterVMLinux
	case n < 995:
		return meterDisk
	}
	return meterDisks
}

// group is the end of the name of the resource group: another one for each resource of
// a subscription.
func (g *generator) group(resource int) (name [5]byte) {
	n := source(g.pcg, 5, uint64(resource%g.subscriptions)).Uint64() + uint64(resource/g.subscriptions)
	const digits = "0123456789abcdef"
	for i := range name {
		name[i] = digits[n>>(4*i)&15]
	}
	return name
}

// guid is the GUID with a number, of a kind.
func (g *generator) guid(kind, number uint64) (text [36]byte) {
	pcg := source(g.pcg, kind, number)
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], pcg.Uint64())
	binary.BigEndian.PutUint64(b[8:], pcg.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return text
}

// window says when the resource was used: mostly in the hour before the reported one. A
// resource has one, so that a blob has as many sums as resources.
func (g *generator) window(traits uint64) string {
	switch n := traits >> 40 % 100; {
	case n < 1:
		return g.windows[0]
	case n < 5:
		return g.windows[2]
	}
	return g.windows[1]
}

func (g *generator) quantity(b []byte) []byte {
	switch n := g.random.IntN(100); {
	case n < 50:
		return strconv.AppendFloat(b, g.random.Float64()*100, 'f', -1, 64)
	case n < 51: // what a small float looks like
		return strconv.AppendFloat(b, g.random.Float64()*1e-5, 'E', -1, 64)
	case n < 52: // more digits than a float has
		b = strconv.AppendUint(b, uint64(g.random.IntN(100)), 10)
		return strconv.AppendUint(append(b, '.'), 1e18+g.random.Uint64N(9e18), 10)
	}
	if n := g.random.IntN(10); n < 6 {
		return append(b, common[g.random.IntN(len(common))]...)
	}
	// GB hours of accounts that grow slowly: about the same, in other digits.
	return strconv.AppendFloat(b, sizes[g.random.IntN(len(sizes))]+g.random.Float64()*1e-4, 'f', -1, 64)
}
