package azurestack

import "time"

// documentedDay is the test of usage reporting as it is documented: on one day
// somebody makes a storage account and machines of every kind, and leaves them
// for four hours, from 9:00 to 13:00. The stack's own machines run all day.
func documentedDay(g *generator) {
	g.start = time.Date(2024, time.March, 5, 0, 0, 0, 0, time.UTC)
	g.end = g.start.AddDate(0, 0, 1)
	g.src.region = "local"

	provider := guid("subscription", "provider")
	metering := guid("subscription", "metering")
	consumption := guid("subscription", "consumption")
	test := guid("subscription", "contoso/test")
	g.src.provider = provider
	g.src.infrastructure = []string{provider, metering, consumption}
	for _, s := range []struct{ id, name, company string }{
		{provider, "Default Provider Subscription", "operator"}, {metering, "Metering Subscription", "operator"},
		{consumption, "Consumption Subscription", "operator"}, {test, "contoso test", "contoso"},
	} {
		g.src.subscriptions = append(g.src.subscriptions, g.src.subscription(s.id, s.name, directory(s.company)))
	}
	g.infrastructure(provider, metering, consumption)
	g.only.from, g.only.to = g.start.Add(9*time.Hour), g.start.Add(13*time.Hour)
	g.documentedTest(test)
}
