package meter

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// The meters that a virtual machine is charged by. A machine has exactly one
// of BaseVM and WindowsVM, and VMHours beside it.
const (
	BaseVM    = "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"
	WindowsVM = "9cd92d4c-bafd-4492-b278-bedc2de8232a"
	VMHours   = "6dab500f-a4fd-49c4-956d-229bb9c8c793"
)

// maxInfo is the longest additionalInfo that is read; a machine's has about
// 200 bytes.
const maxInfo = 16 << 10

// ownLicence is what ImageType says of a machine that was created with
// licenseType Windows_Server: the customer brings the licence.
const ownLicence = "Windows_Server"

// windowsPublisher publishes Windows Server images and nothing else.
const windowsPublisher = "MicrosoftWindowsServer"

// VM is what the additionalInfo of a virtual machine says. A field that the
// stack did not write is empty.
type VM struct {
	Size      string // Standard_DS2_v2
	ImageType string // the licence that the customer brings: Windows_Server
	Publisher string // of the image; stacks before 2019 do not say
	Offer     string
	SKU       string
}

// ReadVM reads additionalInfo of a virtual machine in the form of any year:
//
//	2017  Standard_A1
//	2018  {"ServiceType":"Standard_A1","ImageType":null}
//	2019  {"ServiceType":"Standard_A1","ImageType":"Windows_Server","Publisher":"...","Offer":"...","Sku":"..."}
//
// Field names are taken in any case. Text of another form, and text in which
// one name stands twice, says nothing.
func ReadVM(additionalInfo string) (VM, bool) {
	text := strings.TrimSpace(additionalInfo)
	switch {
	case text == "" || text == "null" || len(text) > maxInfo || !utf8.ValidString(text):
		return VM{}, false
	case !strings.HasPrefix(text, "{"):
		if strings.ContainsAny(text, " \t\r\n{}[]\"") {
			return VM{}, false
		}
		return VM{Size: text}, true
	}
	dec := json.NewDecoder(strings.NewReader(text))
	if _, err := dec.Token(); err != nil {
		return VM{}, false
	}
	var vm VM
	fields := map[string]*string{"servicetype": &vm.Size, "imagetype": &vm.ImageType, "publisher": &vm.Publisher, "offer": &vm.Offer, "sku": &vm.SKU}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return VM{}, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return VM{}, false
		}
		key := strings.ToLower(name.(string)) // a name of an object is a string
		into, wanted := fields[key]
		if !wanted {
			continue
		}
		if into == nil { // it stood before
			return VM{}, false
		}
		var s *string
		if err := json.Unmarshal(value, &s); err != nil {
			return VM{}, false
		}
		if s != nil {
			*into = *s
		}
		fields[key] = nil
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return VM{}, false
	}
	if _, err := dec.Token(); err == nil { // something behind it
		return VM{}, false
	}
	return vm, true
}

var normalBaseVM, normalWindowsVM = normal(BaseVM), normal(WindowsVM)

// HasLicence reports whether a meter is one of those on which LicenceMismatch may be true.
func HasLicence(meterID string) bool {
	id := normal(meterID)
	return id == normalBaseVM || id == normalWindowsVM
}

// LicenceMismatch reports whether a user's line is on the wrong one of the two
// meters of virtual machines, as far as additionalInfo tells:
//
//   - Windows meter, and the machine says licenseType Windows_Server: the
//     customer pays for a licence it brings;
//   - base meter, the image is Microsoft's own Windows Server, and the machine
//     names no licence: nobody pays for its licence.
//
// Windows images of other publishers cannot be told from their additionalInfo,
// nor can any image before 2019: there the second case is never reported.
func LicenceMismatch(meterID, additionalInfo string) bool {
	if !HasLicence(meterID) {
		return false
	}
	windows := normal(meterID) == normalWindowsVM
	vm, ok := ReadVM(additionalInfo)
	if !ok {
		return false
	}
	if windows {
		return strings.EqualFold(vm.ImageType, ownLicence)
	}
	return vm.ImageType == "" && strings.EqualFold(vm.Publisher, windowsPublisher)
}
