package scenarios

import (
	"time"

	"stackusage/internal/devstack/azurestack"
)

// documentedDay is the test of usage reporting as it is documented: on one day
// somebody makes a storage account and machines of every kind, and leaves them
// for four hours, from 9:00 to 13:00. The stack's own machines run all day.
func documentedDay(g *generator) {
	g.start = time.Date(2024, time.March, 5, 0, 0, 0, 0, time.UTC)
	g.end = g.start.AddDate(0, 0, 1)
	g.src.Region = "local"

	provider := azurestack.GUID("subscription", "provider")
	metering := azurestack.GUID("subscription", "metering")
	consumption := azurestack.GUID("subscription", "consumption")
	test := azurestack.GUID("subscription", "contoso/test")
	g.src.Provider = provider
	g.src.Infrastructure = []string{provider, metering, consumption}
	for _, s := range []struct{ id, name, company string }{
		{provider, "Default Provider Subscription", "operator"}, {metering, "Metering Subscription", "operator"},
		{consumption, "Consumption Subscription", "operator"}, {test, "contoso test", "contoso"},
	} {
		g.src.Subscriptions = append(g.src.Subscriptions, azurestack.NewSubscription(provider, s.id, s.name, azurestack.Directory(s.company)))
	}
	g.infrastructure(provider, metering, consumption)
	g.only.from, g.only.to = g.start.Add(9*time.Hour), g.start.Add(13*time.Hour)
	g.documentedTest(test)
}
