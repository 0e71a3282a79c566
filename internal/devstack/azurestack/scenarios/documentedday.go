package scenarios

import "time"

// documentedDay is the test of usage reporting as it is documented: on one day
// somebody makes a storage account and machines of every kind, and leaves them
// for four hours, from 9:00 to 13:00. The stack's own machines run all day.
func documentedDay(g *generator) {
	g.begin(time.Date(2024, time.March, 5, 0, 0, 0, 0, time.UTC), 1, append(ownSubscriptions,
		customer{"contoso/test", "contoso test", "contoso"})...)
	g.infrastructure()
	g.only.from, g.only.to = g.start.Add(9*time.Hour), g.start.Add(13*time.Hour)
	g.documentedTest()
}
