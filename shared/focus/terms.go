package focus

import (
	"regexp"
	"strings"

	"stackusage/shared/strictjson"
)

// service is how FOCUS classes what a meter belongs to. A name has one category and one
// subcategory.
type service struct{ name, category, subcategory string }

// services are those of the meter catalogue.
var services = map[string]service{
	"App Service":   {"Azure App Service on Azure Stack Hub", "Web", "Application Platforms"},
	"Compute":       {"Azure Stack Hub Virtual Machines", "Compute", "Virtual Machines"},
	"Event Hubs":    {"Event Hubs on Azure Stack Hub", "Analytics", "Streaming Analytics"},
	"Key Vault":     {"Azure Stack Hub Key Vault", "Security", "Secret Management"},
	"Managed Disks": {"Azure Stack Hub Managed Disks", "Storage", "Block Storage"},
	"MySQL RP":      {"MySQL on Azure Stack Hub", "Databases", "Relational Databases"},
	"Network":       {"Azure Stack Hub Networking", "Networking", "Network Infrastructure"},
	"SQL RP":        {"SQL on Azure Stack Hub", "Databases", "Relational Databases"},
	"Storage":       {"Azure Stack Hub Storage", "Storage", "Storage Platforms"},
}

// serviceOf classes a service of the catalogue; a meter that is not in it has none.
func serviceOf(of string) service {
	if s, known := services[of]; known {
		return s
	}
	return service{"Azure Stack Hub", "Other", "Other (Other)"}
}

// units are the catalogue's and the price list's, in lower case, as FOCUS writes units.
var units = map[string]string{
	"1 gb/hr":             "GB-Hours",
	"1 hour":              "Hours",
	"1/month":             "Unit-Months",
	"10 requests":         "10 Requests",
	"10000 requests":      "10000 Requests",
	"10000 transactions":  "10000 Transactions",
	"byte*hours":          "B-Hours",
	"core*hours":          "Core-Hours",
	"disk*hours":          "Disk-Hours",
	"disk*month":          "Disk-Months",
	"gb":                  "GB",
	"gb*hours":            "GB-Hours",
	"gb*month":            "GB-Months",
	"gb-s":                "GB-Seconds",
	"ip addresses":        "IP Addresses",
	"mb*hours":            "MB-Hours",
	"per ip ssl binding":  "IP SSL Bindings",
	"per sni ssl binding": "SNI SSL Bindings",
	"process hours":       "Process-Hours",
	"unit":                "Units",
	"vcpu hours":          "vCPU-Hours",
	"vm hours":            "VM-Hours",
}

// countUnit is a unit that FOCUS takes as it is: what is counted, and how many of it.
var countUnit = regexp.MustCompile(`^(\d+ )?[A-Za-z][A-Za-z0-9]*( [A-Za-z][A-Za-z0-9]*)*$`)

// unitOf is the first of some units that there is, as FOCUS writes units.
func unitOf(texts ...string) string {
	for _, text := range texts {
		if unit, known := units[strings.ToLower(text)]; known {
			return unit
		}
		if countUnit.MatchString(text) {
			return text
		}
	}
	return "Units"
}

// readTags reads the stack's text of tags. What FOCUS takes, a JSON object of names and
// single values, is returned as it is; other text is unreadable; none is neither.
func readTags(text string) (tags, unreadable string) {
	if text == "" || text == "null" {
		return "", ""
	}
	var values map[string]strictjson.Value
	if strictjson.Unmarshal([]byte(text), &values) != nil {
		return "", text
	}
	for _, value := range values {
		if kind := value.Kind(); kind == '{' || kind == '[' {
			return "", text
		}
	}
	return text, ""
}
