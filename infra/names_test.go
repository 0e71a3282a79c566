package infra_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/functions"
	"stackusage/internal/bicep"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

func TestNames(t *testing.T) {
	queues, err := queue.Names()
	if err != nil {
		t.Fatal(err)
	}
	const names = "modules/names.bicep"
	holds(t, func(t testing.TB, all templates) (problems []string) {
		same := func(what string, code, templates []string) {
			code, templates = slices.Clone(code), slices.Clone(templates)
			slices.Sort(code)
			slices.Sort(templates)
			if diff := cmp.Diff(code, templates); diff != "" {
				problems = append(problems, what+" (-code +templates):\n"+diff)
			}
		}
		same("containers", table.Containers(), bicep.Strings(all.value(t, names, "containerNames")))
		same("queues", queues, bicep.Strings(all.value(t, names, "queueNames")))
		same("tables", table.Names(), bicep.Strings(all.value(t, names, "tableNames")))
		if landed, _ := all.value(t, names, "landedQueue").Value(); landed != queue.Landed || landed != trigger(t, "IngestHour").QueueName {
			problems = append(problems, "blobs are announced on "+landed+", which IngestHour does not read")
		}
		return append(problems, events(t, all)...)
	},
		mutant{"a queue without its poison queue", edit{names, "  'usage-days-poison'\n", ""}, "usage-days-poison"},
		mutant{"a table with another name", edit{names, "'OpenDays'", "'Opendays'"}, "tables (-code +templates)"},
		mutant{"a container that nothing uses", edit{names, "  'daily'\n", "  'daily'\n  'weekly'\n"}, "weekly"},
		mutant{"events on another queue", edit{names, "var landedQueue = 'usage-landed'", "var landedQueue = 'usage-days'"}, "IngestHour does not read"},
		mutant{"a landing container with another name", edit{"modules/landing.bicep", "'landing-${stack", "'landed-${stack"}, "landing containers are named"},
		mutant{"an agent's role on another container", edit{"modules/access-agents.bicep", "'landing-${stack", "'landed-${stack"}, "landing containers are named"},
		mutant{"a filter that lets nothing through", edit{"modules/events.bicep", "containers/landing-'", "containers/landed-'"}, "events are filtered by"},
		mutant{"events of another type", edit{"modules/events.bicep", "'Microsoft.Storage.BlobCreated'", "'Microsoft.Storage.BlobDeleted'"}, "BlobDeleted"},
		mutant{"delivery to a name of its own", edit{"modules/events.bicep", "queueName: landedQueue", "queueName: 'usage-landed'"}, "delivered to 'usage-landed'"},
		mutant{"delivery with a key", edit{"modules/events.bicep", "deliveryWithResourceIdentity", "delivery"}, "without an identity"},
		mutant{"dead letters that are announced", edit{"modules/landing.bicep", "'event-dead-letters'", "'landing-dead-letters'"}, "its blobs are announced as hours"},
		mutant{"a topic of another account", edit{"modules/events.bicep", "source: landing.id", "source: ledger.id"}, "tells of another account"},
		mutant{"a queue of another account", edit{"modules/events.bicep", "resourceId: ledger.id", "resourceId: landing.id"}, "resourceId is not ledger.id"},
		mutant{"delivery before its rights", edit{"modules/events.bicep", "  dependsOn: [access]", "  //"}, "does not wait for its rights"},
		mutant{"a rule that cools no hour", edit{"modules/stores.bicep", "kept: []", "kept: ['landing-']"}, "lifecycle of landing"},
		mutant{"a rule that removes refused rows", edit{"modules/stores.bicep", "['partials', 'quarantine'], name", "['partials'], name"}, "quarantine has a lifecycle"},
	)
}

func trigger(t testing.TB, name string) functions.Binding {
	t.Helper()
	all, err := functions.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.Name == name {
			return f.Trigger()
		}
	}
	t.Fatalf("no function %s", name)
	return functions.Binding{}
}

// events checks the way from a landing container to the queue.
func events(t testing.TB, all templates) (problems []string) {
	t.Helper()
	prefix := landing.Container("")
	for _, name := range []string{"modules/landing.bicep", "modules/access-agents.bicep"} {
		container := bicep.Find(bicep.Body(all[name].Decl("resource", "containers").Value), "name").Text()
		if container != "'"+prefix+"${stack.cloudId}'" {
			problems = append(problems, "landing containers are named "+container+" in "+name)
		}
	}
	for d, name := range all.resources("Microsoft.Storage/storageAccounts/blobServices/containers") {
		if container := bicep.Find(bicep.Body(d.Value), "name").Text(); d.Name != "containers" && strings.HasPrefix(container, "'"+prefix) {
			problems = append(problems, name+": "+container+" is no landing container, and its blobs are announced as hours")
		}
	}
	var announced struct{ Subject, EventType string }
	if err := json.Unmarshal([]byte(queue.LandedMessage(landing.Name{})), &announced); err != nil {
		t.Fatal(err)
	}
	subject := announced.Subject[:strings.Index(announced.Subject, prefix)+len(prefix)]
	for d := range all.resources("Microsoft.EventGrid/systemTopics/eventSubscriptions") {
		properties := bicep.Find(bicep.Body(d.Value), "properties")
		if begins, _ := bicep.Find(properties, "filter", "subjectBeginsWith").Value(); begins != subject {
			problems = append(problems, "events are filtered by "+begins+", the code reads "+subject)
		}
		if aside := bicep.Find(properties, "filter", "advancedFilters"); aside == nil || !strings.Contains(aside.Text(), "StringNotContains") || !strings.Contains(aside.Text(), "'/blobs/_'") {
			problems = append(problems, "events of the agents' own blobs are announced")
		}
		types := bicep.Strings(bicep.Find(properties, "filter", "includedEventTypes"))
		if diff := cmp.Diff([]string{announced.EventType}, types); diff != "" {
			problems = append(problems, "types of events (-code +templates):\n"+diff)
		}
		for path, want := range map[string]string{
			"deliveryWithResourceIdentity destination properties resourceId":             "ledger.id",
			"deadLetterWithResourceIdentity deadLetterDestination properties resourceId": "landing.id",
		} {
			if account := bicep.Find(properties, strings.Fields(path)...); account == nil || account.Text() != want {
				problems = append(problems, path+" is not "+want)
			}
		}
		if waits := bicep.Find(bicep.Body(d.Value), "dependsOn"); waits == nil || waits.Text() != "[access]" {
			problems = append(problems, "the event subscription does not wait for its rights")
		}
		to := bicep.Find(properties, "deliveryWithResourceIdentity", "destination", "properties", "queueName")
		switch {
		case to == nil:
			problems = append(problems, "events are delivered without an identity")
		case to.Text() != "landedQueue":
			problems = append(problems, "events are delivered to "+to.Text())
		}
	}
	for d := range all.resources("Microsoft.EventGrid/systemTopics") {
		if source := bicep.Find(bicep.Body(d.Value), "properties", "source"); source == nil || source.Text() != "landing.id" {
			problems = append(problems, "the topic tells of another account than landing")
		}
	}
	lifecycle := bicep.Find(bicep.Body(all["modules/stores.bicep"].Decl("module", "landingLifecycle").Value), "params", "kept")
	if lifecycle == nil || lifecycle.Text() != "[]" {
		problems = append(problems, "lifecycle of landing: all containers, however many stacks there are")
	}
	kept := bicep.Find(bicep.Body(all["modules/stores.bicep"].Decl("module", "ledgerLifecycle").Value), "params", "kept")
	if !strings.Contains(kept.Text(), "'"+table.ContainerQuarantine+"'") {
		problems = append(problems, "quarantine has a lifecycle: refused rows wait for a decision")
	}
	return problems
}
