// Package stackusage_test checks rules that hold for the whole tree.
package stackusage_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "stackusage/"

// floors are the house, from the ground up. A package imports its own floor and those
// that the floor lists; a package of the function app that is on no floor is an error.
//
//	cmd         handler   stackusage   stackusage-agent   devstack      wiring and printing
//	handlers    router, HTTP resources, reply
//	edges       commerce azurestore activation invoke
//	workflows   imports ingest closing forward sweep redrive queue status reconcile decisions
//	domain      usage rowsums meter prices landing delivery registration registrar linefile daily settlement outcome table
//	            reasoned openday hourlog daybook outbox review
//	base        strictjson telemetry content gz spill functions
//
// Workflows never import edges: they declare the small interfaces that they use.
// The agent, shared/verify and the stand-ins are on no floor: layers has their imports.
var floors = []floor{
	{"base", nil, []string{"shared/strictjson", "shared/telemetry", "shared/content", "shared/gz", "shared/parquet", "shared/spill", "functions"}},
	{"domain", []string{"base"}, []string{
		"shared/usage", "shared/rowsums", "shared/meter", "shared/landing", "shared/delivery", "shared/registration", "shared/registration/resource", "shared/registrar", "shared/registry", "shared/prices",
		"shared/linefile", "shared/daily", "shared/settlement", "shared/outcome", "shared/table",
		"shared/reasoned", "shared/openday", "shared/hourlog", "shared/daybook", "shared/outbox", "shared/review", "shared/calendar", "shared/focus",
	}},
	{"workflows", []string{"base", "domain"}, []string{
		"shared/queue", "shared/ingest", "shared/closing", "shared/forward", "shared/sweep", "shared/redrive",
		"shared/status", "shared/reconcile", "shared/reconcile/details", "shared/reconcile/saved", "shared/reconcile/unfinished",
		"shared/imports", "shared/usagelines", "shared/usagesums", "shared/explain", "shared/usagereport", "shared/hourdiff", "shared/decisions",
	}},
	{"edges", []string{"base", "domain", "workflows"}, []string{
		"shared/commerce", "shared/azurestore", "shared/activation", "shared/activation/issue", "shared/invoke",
	}},
	{"handlers", []string{"base", "domain", "workflows"}, []string{"handlers"}},
}

type floor struct {
	name     string
	uses     []string // floors
	packages []string
}

// floorOf is the floor of a package; nil if it has none.
func floorOf(pkg string) *floor {
	for i, f := range floors {
		if slices.Contains(f.packages, pkg) {
			return &floors[i]
		}
	}
	return nil
}

// allowed reports whether a package may import another of this module.
func allowed(pkg, name string) bool {
	if slices.Contains(layers[pkg], name) || audits(pkg) && (audits(name) || name == "shared/table") {
		return true
	}
	on, of := floorOf(pkg), floorOf(name)
	return on != nil && of != nil && (on == of || slices.Contains(on.uses, of.name))
}

// audits reports whether a package is the auditor's. They import each other and
// shared/table, and nothing else of ours, also indirectly: decision 0018.
func audits(pkg string) bool {
	return pkg == "shared/verify" || strings.HasPrefix(pkg, "shared/verify/")
}

// layers lists what packages may import beside what their floor allows. A package
// that is on no floor and not listed may import nothing of ours. Programs under cmd/
// may import everything: wiring is their job.
var layers = map[string][]string{
	"handlers": {"shared/invoke", "shared/activation", "shared/activation/issue"},

	"agent":             {"shared/usage", "shared/landing", "agent/spool", "agent/stackapi", "agent/memory", "agent/metrics", "agent/status", "agent/subscribers"},
	"agent/status":      {"shared/usage", "agent/metrics", "agent/spool"},
	"agent/memory":      {"agent/stackapi", "agent/status", "shared/usage"},
	"agent/subscribers": {"shared/usage"},
	"agent/blobs":       {"agent", "agent/neterr", "shared/landing"},
	"agent/inspection":  {"agent", "agent/spool", "agent/status", "shared/usage"},
	"agent/spool":       {"shared/usage", "shared/landing", "agent/durable"},
	"agent/export":      {"agent/durable", "agent/spool", "shared/delivery"},
	"agent/stackapi":    {"agent/neterr", "shared/strictjson", "shared/activation", "shared/usage"},
	"agent/config":      {"agent/stackapi", "shared/activation", "shared/landing", "shared/usage"},
	"agent/transport":   {"agent/neterr"},
	"agent/signin":      {"agent/neterr", "shared/usage"},
	"agent/doctor":      {"agent/inspection", "agent/config", "agent/durable", "agent/neterr", "agent/signin", "agent/spool", "agent/stackapi", "shared/landing", "shared/usage"},
	"internal/memstore": {"shared/table", "shared/content"}, // only tests import it

	// Only tests import it.
	"internal/closeddays": {"shared/content", "shared/daily", "shared/daybook", "shared/hourlog", "shared/meter", "shared/openday", "shared/outbox", "shared/outcome", "shared/reasoned", "shared/registration", "shared/settlement", "shared/table", "shared/usage"},

	// Chaos is no stand-in: it looks for the product's work, and repeats its messages.
	"internal/devstack/chaos": {"internal/devstack/azurite", "internal/devstack/balance", "internal/devstack/functionhost", "internal/devstack/loopback", "internal/devstack/storagefaults", "shared/landing", "shared/daybook", "shared/hourlog", "shared/openday", "shared/outbox", "shared/queue", "shared/table", "shared/usage"},
	"internal/faultstore":     {"shared/table"}, // only tests import it
	// Only tests import it.
	"internal/ledgertest": {"internal/devstack/azurite/azuritetest", "internal/faultstore", "internal/memstore", "shared/azurestore", "shared/daily", "shared/daybook", "shared/hourlog", "shared/openday", "shared/outbox", "shared/reasoned", "shared/table", "shared/usage"},

	"internal/browsertest": {"internal/npm"}, // only tests import it
	// Only benchmarks import these.
	"internal/benchproc":  {},
	"internal/benchstore": {"internal/memstore", "shared/content", "shared/table"},
	"internal/costs":      {"internal/faultstore", "shared/table"}, // only tests import it
	"internal/usagegen":   {"shared/landing", "shared/usage"},

	// Stand-ins know nothing of the product: they meet it over HTTP and storage.
	"internal/bicep":                         {"internal/npm"},
	"internal/devstack/azurite":              {"internal/npm", "internal/devstack/loopback"},
	"internal/devstack/azurite/azuritetest":  {"internal/devstack/azurite"},
	"internal/devstack/accountpage":          {"internal/devstack/loopback"},
	"internal/devstack/azurestack":           {"internal/devstack/bearer", "internal/devstack/loopback"},
	"internal/devstack/azurestack/scenarios": {"internal/devstack/azurestack"},
	"internal/devstack/functionhost":         {"internal/devstack/functionhost/app", "internal/devstack/functionhost/envelope", "internal/devstack/functionhost/process", "internal/devstack/functionhost/storage"},
	"internal/devstack/functionhost/storage": {"internal/devstack/functionhost/app", "internal/devstack/functionhost/envelope"},
	"internal/devstack/functionhost/process": {"internal/devstack/loopback"},
	"internal/devstack/identity":             {"internal/devstack/loopback"},
	"internal/devstack/proxy":                {"internal/devstack/loopback"},
	"internal/devstack/storagefaults":        {"internal/devstack/loopback"},
	"internal/devstack/commerce":             {"internal/devstack/loopback", "internal/devstack/commerce/rating", "internal/devstack/commerce/record"},
	"internal/devstack/commerce/rating":      {"internal/devstack/commerce/record"},
	"internal/devstack/easyauth":             {"internal/devstack/bearer"},
}

// foreign lists the only packages that may import certain modules.
var foreign = map[string][]string{
	"github.com/Azure/": {
		"shared/azurestore", "agent/blobs", "agent/stackapi", "agent/signin", "agent/doctor",
		// The Functions host and Event Grid reach storage by themselves, and so
		// must what stands in for them: decision 0002.
		"internal/devstack/functionhost", "internal/devstack/functionhost/storage", "internal/devstack/blobevents", "internal/devstack/chaos",
		"internal/ledgertest", // a policy in front of every request
	},
	"github.com/spf13/":                  {}, // programs only
	"github.com/gorilla/mux":             {"handlers"},
	"github.com/prometheus/":             {"agent/metrics"},
	"github.com/parquet-go/":             {},                    // tests read with it what shared/parquet wrote
	"github.com/go-json-experiment/json": {"shared/strictjson"}, // until the standard library has it
}

func TestLayers(t *testing.T) {
	walk(t, func(file, pkg string, f *ast.File) {
		if strings.HasPrefix(pkg, "cmd/") {
			return
		}
		if strings.HasPrefix(pkg, "shared/") && !audits(pkg) && floorOf(pkg) == nil {
			t.Errorf("%s is of a package that is on no floor", file)
		}
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			if name, ours := strings.CutPrefix(imp, module); ours && !allowed(pkg, name) {
				t.Errorf("%s imports %s, which its layer does not allow", file, name)
			}
			for prefix, pkgs := range foreign {
				if strings.HasPrefix(imp, prefix) && !slices.Contains(pkgs, pkg) {
					t.Errorf("%s imports %s; only %v may", file, imp, pkgs)
				}
			}
		}
	})
}

// TestVerifySharesNoCode: the auditor's packages have nothing of ours but access to
// tables, also through what they import.
func TestVerifySharesNoCode(t *testing.T) {
	imports := map[string][]string{}
	walk(t, func(_, pkg string, f *ast.File) {
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			if name, ours := strings.CutPrefix(imp, module); ours {
				imports[pkg] = append(imports[pkg], name)
			}
		}
	})
	if got := foreignToAudit(imports); len(got) > 0 || len(imports["shared/verify"]) == 0 {
		t.Errorf("packages of shared/verify import, directly or not: %v", got)
	}
	for name, c := range map[string]struct{ pkg, imports string }{
		"the auditor itself":     {"shared/verify", "shared/daily"},
		"a package below it":     {"shared/verify/form", "shared/usage"},
		"what all may import":    {"shared/verify/history", "shared/strictjson"},
		"what tables import":     {"shared/table", "shared/usage"},
		"a package next to them": {"shared/verify/hourblob", "shared/verifying"},
	} {
		broken := maps.Clone(imports)
		broken[c.pkg] = append(slices.Clone(broken[c.pkg]), c.imports)
		if got := foreignToAudit(broken); !slices.Contains(got, c.imports) {
			t.Errorf("%s: that %s imports %s is not seen: %v", name, c.pkg, c.imports, got)
		}
	}
}

// foreignToAudit lists what the auditor's packages reach that is neither theirs nor
// shared/table.
func foreignToAudit(imports map[string][]string) []string {
	reached := map[string]bool{}
	var reach func(pkg string)
	reach = func(pkg string) {
		for _, name := range imports[pkg] {
			if !reached[name] {
				reached[name] = true
				reach(name)
			}
		}
	}
	for pkg := range imports {
		if audits(pkg) {
			reach(pkg)
		}
	}
	maps.DeleteFunc(reached, func(pkg string, _ bool) bool { return audits(pkg) || pkg == "shared/table" })
	return slices.Sorted(maps.Keys(reached))
}

func TestPackageDocs(t *testing.T) {
	documented := map[string]bool{}
	walk(t, func(file, pkg string, f *ast.File) {
		documented[pkg] = documented[pkg] || f.Doc != nil
	})
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", pkg)
		}
	}
}

// walk calls fn for each Go file that is not a test. Files are parsed here
// rather than by a "go list" child process: go test keys its cache on what the
// test itself reads, and would otherwise repeat a stale pass.
func walk(t *testing.T, fn func(file, pkg string, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 1 && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		fn(file, path.Dir(file), f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
