package usages

import (
	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// Shorten finds short forms that are unique among the rows: the first digits of GUIDs, and
// name and resource group of resources.
func Shorten(rows []usagereport.Row) map[string]string {
	short := map[string]string{}
	taken := map[string]string{} // short form -> what has it
	try := func(long, form string) bool {
		have, is := taken[form]
		if is && have != long {
			return false
		}
		taken[form], short[long] = long, form
		return true
	}
	for _, r := range rows {
		for _, id := range []string{r.Tenant, r.Subscription} {
			if usage.CheckGUID(id) != nil || short[id] != "" {
				continue
			}
			for _, n := range []int{8, 13, 18, len(id)} {
				if try(id, id[:n]) {
					break
				}
			}
		}
		if r.Resource != "" && short[r.Resource] == "" {
			_ = try(r.Resource, cli.Resource(r.Resource)) || try(r.Resource, r.Resource)
		}
	}
	return short
}
