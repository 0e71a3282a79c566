package infra_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/bicep"
)

// builtIn are roles that Azure has, by GUID.
var builtIn = map[string]string{
	"b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
	"ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
	"2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
	"974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
	"19e7f393-937e-4f77-808e-94535e297925": "Storage Queue Data Reader",
	"8a0f0c08-91a1-4084-bc3d-661d67233fed": "Storage Queue Data Message Processor",
	"c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
	"0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
	"76199698-9eea-4c19-bc75-cec21354c6b6": "Storage Table Data Reader",
	"3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}

var guid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func TestRoles(t *testing.T) {
	const roles = "modules/roles.bicep"
	holds(t, func(_ testing.TB, all templates) (problems []string) {
		elsewhere := ""
		for name, f := range all {
			if name == roles || name == "main.bicepparam" {
				continue
			}
			elsewhere += f.Root.Text()
			if found := guid.FindString(f.Root.Text()); found != "" {
				problems = append(problems, name+" has a GUID of its own: "+found)
			}
		}
		for line := range strings.Lines(all[roles].Root.Text()) {
			id := guid.FindString(line)
			if id == "" {
				continue
			}
			_, comment, _ := strings.Cut(line, "// ")
			if name := builtIn[id]; name == "" || name != strings.TrimSpace(comment) {
				problems = append(problems, "role "+id+" is "+name+", the comment says "+comment)
			}
			symbol, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			if want := symbolOf(builtIn[id]); symbol != want {
				problems = append(problems, "role "+id+" is called "+symbol+", it is "+want)
			}
			if !strings.Contains(elsewhere, "builtInRoles."+symbol) {
				problems = append(problems, "nobody is given the role "+symbol)
			}
		}
		for d, name := range all.resources("Microsoft.Authorization/roleAssignments") {
			if !explained(all[name], d.Node.Row) {
				problems = append(problems, name+": assignment "+d.Name+" does not say why")
			}
			if named, holder := bicep.Find(bicep.Body(d.Value), "name"), bicep.Find(bicep.Body(d.Value), "properties", "principalId"); !strings.Contains(named.Text(), holder.Text()) {
				problems = append(problems, name+": the name of assignment "+d.Name+" does not hold "+holder.Text()+": it cannot change hands, and another one is refused")
			}
			if scope := bicep.Find(bicep.Body(d.Value), "scope"); scope == nil {
				problems = append(problems, name+": assignment "+d.Name+" has no scope, and holds for all there is")
			}
		}
		return append(problems, ofAgents(all)...)
	},
		mutant{"a GUID that is no role", edit{roles, "2a2b9908", "2a2b9909"}, "the comment says Storage Blob Data Reader"},
		mutant{"the name of another role", edit{roles, "// Storage Blob Data Reader", "// Storage Blob Data Owner"}, "is Storage Blob Data Reader, the comment says"},
		mutant{"a role under the name of another", edit{roles, "76199698-9eea-4c19-bc75-cec21354c6b6' // Storage Table Data Reader", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor"}, "is called tableReader, it is tableContributor"},
		mutant{"a GUID somewhere else", edit{"modules/access-events.bicep", "builtInRoles.queueSender)\n  properties", "'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a')\n  properties"}, "has a GUID of its own"},
		mutant{"a role that nobody is given", edit{roles, "  blobReader:", "  idle: '8a0f0c08-91a1-4084-bc3d-661d67233fed' // Storage Queue Data Message Processor\n  blobReader:"}, "nobody is given the role idle"},
		mutant{"an assignment without a reason", edit{"modules/access-events.bicep", "// Delivery adds messages to this one queue.\n", ""}, "assignment sends does not say why"},
		mutant{"an assignment for everything", edit{"modules/access-events.bicep", "  scope: ledger::queues::announced\n", ""}, "assignment sends has no scope"},
		mutant{"an assignment that another identity cannot take over", edit{"modules/access-events.bicep", "guid(landing.id, principalId,", "guid(landing.id, landingAccountName,"}, "the name of assignment buries does not hold principalId"},
		mutant{"agents that may read", edit{"modules/custom-roles.bicep", "blobs/add/action'\n        ]", "blobs/add/action'\n          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'\n        ]"}, "addBlobs may"},
		mutant{"a right over contents that is one over containers", edit{"modules/custom-roles.bicep", "        actions: []\n        notActions: []\n        dataActions: [", "        dataActions: []\n        notActions: []\n        actions: ["}, "addBlobs may, as actions"},
		mutant{"an app that may not write", edit{"modules/custom-roles.bicep", "          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'\n", ""}, "keepContents may, as dataActions"},
		mutant{"a group that imports, taken for a program", edit{"modules/access-agents.bicep", "stack.?agentPrincipalType ?? 'ServicePrincipal'", "'ServicePrincipal'"}, "agents are always of type"},
		mutant{"agents on the account", edit{"modules/access-agents.bicep", "scope: containers[i]", "scope: account"}, "agents have their role on account"},
		mutant{"an app that may delete evidence", edit{"modules/access-app.bicep", "roleDefinitionId: keepContentsId", "roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builtInRoles.blobOwner)"}, "may delete evidence"},
	)
}

// symbolOf is what the templates call a built-in role: "Storage Queue Data
// Message Sender" is queueSender.
func symbolOf(name string) string {
	words := slices.DeleteFunc(strings.Fields(name), func(w string) bool {
		return slices.Contains([]string{"Storage", "Data", "Message", "Monitoring"}, w)
	})
	symbol := strings.Join(words, "")
	return strings.ToLower(symbol[:min(1, len(symbol))]) + symbol[min(1, len(symbol)):]
}

// granted is who is given what, by file and resource: where, and which roles. A
// change of rights changes this list too.
var granted = map[string]string{
	"modules/access-agents.bicep adds":      "containers[i]: addBlobsId",
	"modules/access-app.bicep onHost":       "host: blobOwner queueContributor tableContributor",
	"modules/access-app.bicep onLedger":     "ledger: queueContributor tableContributor",
	"modules/access-app.bicep contents":     "ledger: keepContentsId",
	"modules/access-app.bicep hours":        "landing: blobReader",
	"modules/access-app.bicep logs":         "insights: metricsPublisher",
	"modules/access-events.bicep sends":     "ledger::queues::announced: queueSender",
	"modules/access-events.bicep buries":    "landing: blobContributor",
	"modules/access-people.bicep auditors":  "ledger: tableReader",
	"modules/access-people.bicep operators": "ledger: tableContributor queueSender queueReader",
	"modules/access-people.bicep contents":  "ledger: keepContentsId",
	"modules/access-people.bicep hours":     "landing: blobReader",
}

var (
	builtInUse = regexp.MustCompile(`builtInRoles\.(\w+)`)
	over       = regexp.MustCompile(`for (?:\(\w+, \w+\)|\w+) in (\w+):`)
)

// grant is what an assignment gives.
func grant(f *bicep.File, d *bicep.Decl) string {
	body := bicep.Body(d.Value)
	text := bicep.Find(body, "properties", "roleDefinitionId").Text()
	if list := over.FindStringSubmatch(d.Node.Text()); list != nil && f.Decl("var", list[1]) != nil {
		text = f.Decl("var", list[1]).Value.Text()
	}
	var roles []string
	for _, m := range builtInUse.FindAllStringSubmatch(text, -1) {
		roles = append(roles, m[1])
	}
	if len(roles) == 0 {
		roles = []string{text}
	}
	scope := "nowhere"
	if n := bicep.Find(body, "scope"); n != nil {
		scope = n.Text()
	}
	return scope + ": " + strings.Join(roles, " ")
}

func TestGrants(t *testing.T) {
	holds(t, func(_ testing.TB, all templates) (problems []string) {
		unseen := maps.Clone(granted)
		for d, name := range all.resources("Microsoft.Authorization/roleAssignments") {
			key, have := name+" "+d.Name, grant(all[name], d)
			if want := granted[key]; have != want {
				problems = append(problems, fmt.Sprintf("%s gives %q, listed is %q", key, have, want))
			}
			delete(unseen, key)
		}
		for key := range unseen {
			problems = append(problems, key+" is listed and not there")
		}
		return append(problems, wired(all)...)
	},
		mutant{"a role that the host needs", edit{"modules/access-app.bicep", "  builtInRoles.blobOwner\n  builtInRoles.queueContributor\n", "  builtInRoles.blobOwner\n"}, `onHost gives "host: blobOwner tableContributor"`},
		mutant{"a role of the app on its tables", edit{"modules/access-app.bicep", "  builtInRoles.tableContributor\n]\n\nresource onLedger", "]\n\nresource onLedger"}, `onLedger gives "ledger: queueContributor"`},
		mutant{"auditors who may write", edit{"modules/access-people.bicep", "builtInRoles.tableReader)\n  }", "builtInRoles.tableContributor)\n  }"}, `auditors gives "ledger: tableContributor"`},
		mutant{"a role on another account", edit{"modules/access-app.bicep", "scope: host\n", "scope: landing\n"}, `onHost gives "landing: `},
		mutant{"an assignment that nobody listed", edit{"modules/access-events.bicep", "resource buries ", "resource burying "}, "burying gives"},
		mutant{"agents with the app's role", edit{"main.bicep", "addBlobsId: roles.outputs.addBlobsId", "addBlobsId: roles.outputs.keepContentsId"}, "around.addBlobsId is roles.outputs.keepContentsId"},
		mutant{"roles that changed places", edit{"modules/custom-roles.bicep", "roleDefinitions', addBlobs.name", "roleDefinitions', keepContents.name"}, "output addBlobsId is subscriptionResourceId"},
		mutant{"rights on another account", edit{"modules/around.bicep", "ledgerAccountName: ledgerAccountName", "ledgerAccountName: landingAccountName"}, "peopleAccess.ledgerAccountName is landingAccountName"},
		mutant{"settings of another account", edit{"modules/app.bicep", "usage: ledger.endpoints", "usage: landing.endpoints"}, "settings.usage is landing.endpoints"},
	)
}

// wires are parameters that modules hand on, by what must be in their value.
var wires = map[string]string{
	"addBlobsId": "addBlobsId", "keepContentsId": "keepContentsId",
	"landing": "landing", "landingAccountName": "landing", "ledger": "ledger", "ledgerAccountName": "ledger", "usage": "ledger",
	"host": "host", "hostAccountName": "host",
}

// wired checks that accounts and roles, which are all strings, do not change
// places on their way through modules.
func wired(all templates) (problems []string) {
	for _, f := range all {
		for _, d := range f.Decls {
			params := (*bicep.Node)(nil)
			if d.Kind == "module" {
				params = bicep.Find(bicep.Body(d.Value), "params")
			}
			if params == nil {
				continue
			}
			for _, p := range params.Named() {
				key, value := bicep.KeyValue(p)
				if want := wires[key]; value != nil && !strings.Contains(value.Text(), want) {
					problems = append(problems, d.Name+"."+key+" is "+value.Text())
				}
			}
		}
	}
	for name, want := range map[string]string{"addBlobsId": "addBlobs.name", "keepContentsId": "keepContents.name"} {
		if have := all["modules/custom-roles.bicep"].Decl("output", name).Value.Text(); have != "subscriptionResourceId('Microsoft.Authorization/roleDefinitions', "+want+")" {
			problems = append(problems, "output "+name+" is "+have)
		}
	}
	return problems
}

// explained reports whether a comment stands right above the declaration, or
// above the list of roles that it goes through.
func explained(f *bicep.File, row int) bool {
	lines := strings.Split(f.Root.Text(), "\n")
	above := func(row int) bool { // row counts from 1, after what precedes the tree
		return row >= 2 && strings.HasPrefix(lines[row-2], "// ")
	}
	if above(row) {
		return true
	}
	m := over.FindStringSubmatch(strings.Join(lines[row-1:min(row+1, len(lines))], "\n"))
	if m == nil {
		return false
	}
	list := f.Decl("var", m[1])
	return list != nil && above(list.Node.Row)
}

// ofAgents checks what agents and the app may do to evidence.
func ofAgents(all templates) (problems []string) {
	permissions := func(role, kind string) []string {
		body := bicep.Body(all["modules/custom-roles.bicep"].Decl("resource", role).Value)
		return bicep.Strings(bicep.Find(bicep.Find(body, "properties", "permissions").Named()[0], kind))
	}
	const containers = "Microsoft.Storage/storageAccounts/blobServices/containers/"
	for _, want := range []struct {
		role, kind string
		may        []string
	}{
		{"addBlobs", "actions", nil},
		{"addBlobs", "dataActions", []string{containers + "blobs/add/action"}},
		{"keepContents", "actions", []string{containers + "read", containers + "write"}}, // the handler makes what is missing
		{"keepContents", "dataActions", []string{containers + "blobs/read", containers + "blobs/write", containers + "blobs/add/action"}},
	} {
		if diff := cmp.Diff(want.may, permissions(want.role, want.kind)); diff != "" {
			problems = append(problems, want.role+" may, as "+want.kind+" (-no more and no less +templates):\n"+diff)
		}
	}
	agents := bicep.Body(all["modules/access-agents.bicep"].Decl("resource", "adds").Value)
	if scope := bicep.Find(agents, "scope").Text(); scope != "containers[i]" {
		problems = append(problems, "agents have their role on "+scope)
	}
	if kind := bicep.Find(agents, "properties", "principalType").Text(); kind != "stack.?agentPrincipalType ?? 'ServicePrincipal'" {
		problems = append(problems, "agents are always of type "+kind)
	}
	if role := bicep.Find(agents, "properties", "roleDefinitionId").Text(); role != "addBlobsId" {
		problems = append(problems, "agents have role "+role)
	}
	may := append(permissions("keepContents", "actions"), permissions("keepContents", "dataActions")...)
	app := bicep.Find(bicep.Body(all["modules/access-app.bicep"].Decl("resource", "contents").Value), "properties", "roleDefinitionId").Text()
	if app != "keepContentsId" || slices.ContainsFunc(may, func(a string) bool { return strings.Contains(a, "delete") || strings.HasSuffix(a, "*") }) {
		problems = append(problems, "the app may delete evidence")
	}
	return problems
}
