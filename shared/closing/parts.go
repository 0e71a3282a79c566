package closing

import (
	"fmt"
	"maps"

	"stackusage/shared/daily"
	"stackusage/shared/registration"
	"stackusage/shared/settlement"
	"stackusage/shared/usage"
)

// partsOf is what a registration says of the parts of a usage day.
func partsOf(history registration.History, day usage.Day) ([]settlement.SettledPart, error) {
	parts, err := history.Parts(day.Compact())
	if err != nil {
		return nil, fmt.Errorf("close day %s of %s: %w", day, history.CloudID, err)
	}
	settled := make([]settlement.SettledPart, len(parts))
	for i := len(parts) - 1; i >= 0; i-- {
		if !parts[i].InfrastructureKnown && i+1 < len(parts) { // it is the same stack
			parts[i].Infrastructure = parts[i+1].Infrastructure
		}
		p := parts[i]
		settled[i] = settlement.SettledPart{
			Until: p.Until, Registration: p.Name, BillingSubscriptionID: p.SubscriptionID, BillingModel: p.BillingModel,
			Region: p.Region, Reporting: daily.ReportingOf(p.Effective), Infrastructure: registration.NormalList(p.Infrastructure), Mappings: map[string]string{},
		}
		maps.Copy(settled[i].Mappings, p.Tenants)
	}
	return settled, nil
}
