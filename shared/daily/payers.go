package daily

import (
	"maps"

	"stackusage/shared/usage"
)

// Payers is who is charged for the stack's subscriptions, where it is not the
// registration's subscription: those of directory tenants that are mapped to an
// Azure subscription of their own (mapped: directory tenant -> Azure
// subscription). The tenants are those that the day's counted hours knew, given in
// order of reported hour: the latest hour that names a subscription decides, so
// that one that was deleted keeps its last known tenant. The stamp's own
// subscriptions are the operator's and never a tenant's.
//
// Keys are in normal form, as in Rules; nil if nobody is mapped.
func Payers(mapped map[string]string, headers []PartialHeader) map[string]string {
	if len(mapped) == 0 || len(headers) == 0 {
		return nil
	}
	byTenant := make(map[string]string, len(mapped))
	for tenant, subscription := range mapped {
		byTenant[usage.NormalGUID(tenant)] = subscription
	}
	tenants := map[string]string{}
	for _, h := range headers {
		for subscription, tenant := range h.Tenants {
			if tenant != "" {
				tenants[usage.NormalGUID(subscription)] = usage.NormalGUID(tenant)
			}
		}
	}
	payers := make(map[string]string, len(tenants))
	for subscription, tenant := range tenants {
		if payer := byTenant[tenant]; payer != "" {
			payers[subscription] = payer
		}
	}
	own := Infrastructure(headers[len(headers)-1].ProviderSubscriptions)
	maps.DeleteFunc(payers, func(subscription, _ string) bool { return own[subscription] })
	return payers
}
