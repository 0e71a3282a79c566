package infra_test

import (
	"slices"
	"strings"
	"testing"

	"stackusage/internal/bicep"
)

// ofSite are properties of siteConfig that the plan takes. It refuses a site with
// others, ftpsState for one, so that nothing is deployed.
var ofSite = []string{"appSettings", "minTlsVersion"}

func TestSafeguards(t *testing.T) {
	holds(t, func(t testing.TB, all templates) (problems []string) {
		must := func(kind, value string, path ...string) {
			found := 0
			for d, file := range all.resources(kind) {
				found++
				have := bicep.Find(bicep.Body(d.Value), append([]string{"properties"}, path...)...)
				if have == nil || have.Text() != value {
					problems = append(problems, file+": "+d.Name+": "+strings.Join(path, ".")+" must be "+value)
				}
			}
			if found == 0 {
				problems = append(problems, "no "+kind)
			}
		}
		account := "Microsoft.Storage/storageAccounts"
		must(account, "false", "allowBlobPublicAccess")
		must(account, "false", "allowSharedKeyAccess")
		must(account, "'TLS1_2'", "minimumTlsVersion")
		must(account, "true", "supportsHttpsTrafficOnly")
		must(account+"/blobServices", "versioning", "isVersioningEnabled")
		must(account+"/blobServices/containers", "'None'", "publicAccess")
		must(account+"/blobServices/containers/immutabilityPolicies", "false", "allowProtectedAppendWrites")
		must(account+"/blobServices/containers/immutabilityPolicies", "retentionDays", "immutabilityPeriodSinceCreationInDays")
		must("Microsoft.Web/sites", "true", "httpsOnly")
		must("Microsoft.Web/sites", "'1.2'", "siteConfig", "minTlsVersion")
		must("Microsoft.Web/sites", "'custom'", "functionAppConfig", "runtime", "name")
		must("Microsoft.Web/sites", "'1.0'", "functionAppConfig", "runtime", "version")
		must("Microsoft.Web/sites/config", "true", "globalValidation", "requireAuthentication")
		must("Microsoft.Insights/components", "true", "DisableLocalAuth")
		for d, file := range all.resources("Microsoft.Web/sites") {
			for _, p := range bicep.Find(bicep.Body(d.Value), "properties", "siteConfig").Named() {
				if key, _ := bicep.KeyValue(p); key != "" && !slices.Contains(ofSite, key) {
					problems = append(problems, file+": siteConfig."+key+" is not known to be taken by Flex Consumption")
				}
			}
		}
		must("Microsoft.Web/sites", "'UserAssignedIdentity'", "functionAppConfig", "deployment", "storage", "authentication", "type")
		for _, module := range []string{"landingAccount", "ledgerAccount"} {
			params := bicep.Find(bicep.Body(all["modules/stores.bicep"].Decl("module", module).Value), "params")
			for key, want := range map[string]string{"versioning": "true", "sku": "evidenceSku"} {
				if have := bicep.Find(params, key); have == nil || have.Text() != want {
					problems = append(problems, module+": "+key+" must be "+want)
				}
			}
		}
		for _, want := range []struct{ file, text, why string }{
			{"modules/app.bicep", "dependsOn: [access]", "the app is made before it may read its package"},
			{"modules/landing.bicep", "if (!(stack.?locked ?? false))", "a locked policy is written again, which is refused"},
			{"modules/alerts.bicep", "!(stack.?watched ?? true)", "a stack that says nothing is not watched"},
			{"modules/function-app.bicep", "    name: 'FC1'\n    tier: 'FlexConsumption'\n", "functionAppConfig needs the Flex Consumption plan"},
			{"modules/function-app.bicep", "    type: 'UserAssigned'\n    userAssignedIdentities: { '${identityId}': {} }\n", "the app has not got the identity that has its rights"},
			{"modules/stores.bicep", "var landingName = '${prefix}land${suffix}'\nvar ledgerName = '${prefix}data${suffix}'\n", "other names make empty accounts beside those with the evidence"},
			{"main.bicep", "var suffix = uniqueString(subscription().id, resourceGroupName, location)\n", "other names make empty accounts beside those with the evidence"},
			{"modules/host.bicep", "${package.outputs.name}'", "the package is looked for in another container"},
			{"modules/sign-in.bicep", "${tenant().tenantId}/v2.0'", "tokens are of version 2 in docs/deploy.md: their issuer is not known"},
		} {
			if !strings.Contains(all[want.file].Root.Text(), want.text) {
				problems = append(problems, want.file+": "+want.why)
			}
		}
		if !strings.Contains(read(t, "docs/deploy.md"), "az ad app create --display-name stackusage --sign-in-audience AzureADMyOrg --requested-access-token-version 2 ") {
			problems = append(problems, "docs/deploy.md registers an app with tokens whose issuer sign-in.bicep does not know")
		}
		return append(problems, foreseen(all)...)
	},
		mutant{"stores that what-if cannot look into", edit{"modules/stores.bicep", "    accountName: ledgerName\n  }", "    accountName: ledgerAccount.outputs.account.name\n  }"}, "ledger.accountName is known too late"},
		mutant{"containers before their account", edit{"modules/stores.bicep", "  name: 'landing'\n  dependsOn: [landingAccount]\n", "  name: 'landing'\n"}, "landing does not wait for landingAccount"},
		mutant{"shared keys", edit{"modules/storage-account.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"}, "allowSharedKeyAccess must be false"},
		mutant{"public containers", edit{"modules/landing.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'"}, "publicAccess must be 'None'"},
		mutant{"appends to immutable blobs", edit{"modules/landing.bicep", "allowProtectedAppendWrites: false", "allowProtectedAppendWrites: true"}, "allowProtectedAppendWrites must be false"},
		mutant{"no versions of evidence", edit{"modules/stores.bicep", "versioning: true", "versioning: false"}, "landingAccount: versioning must be true"},
		mutant{"HTTP functions open to all", edit{"modules/sign-in.bicep", "requireAuthentication: true", "requireAuthentication: false"}, "requireAuthentication must be true"},
		mutant{"a property that the plan refuses", edit{"modules/function-app.bicep", "      minTlsVersion: '1.2'\n", "      minTlsVersion: '1.2'\n      ftpsState: 'Disabled'\n"}, "siteConfig.ftpsState is not known"},
		mutant{"an app before its rights", edit{"modules/app.bicep", "  dependsOn: [access]", "  //"}, "before it may read its package"},
		mutant{"a locked policy", edit{"modules/landing.bicep", "if (!(stack.?locked ?? false)) ", ""}, "is written again"},
		mutant{"accounts of another name", edit{"modules/stores.bicep", "'${prefix}data", "'${prefix}ledger"}, "empty accounts beside those with the evidence"},
		mutant{"another plan", edit{"modules/function-app.bicep", "'FC1'", "'Y1'"}, "needs the Flex Consumption plan"},
		mutant{"an identity without rights", edit{"modules/function-app.bicep", "type: 'UserAssigned'\n", "type: 'SystemAssigned'\n"}, "has not got the identity"},
		mutant{"tokens of version 1", edit{"modules/sign-in.bicep", "tenantId}/v2.0'", "tenantId}/'"}, "their issuer is not known"},
		mutant{"a runtime that never starts", edit{"modules/function-app.bicep", "version: '1.0'", "version: '1.26'"}, "version must be '1.0'"},
	)
}

// foreseen checks that what-if can look into the modules that make stores of
// evidence: it skips a module with a parameter that is another's output.
func foreseen(all templates) (problems []string) {
	for _, file := range []string{"main.bicep", "modules/stores.bicep", "modules/host.bicep"} {
		for _, d := range all[file].Decls {
			if d.Kind != "module" || file == "main.bicep" && d.Name != "stores" && d.Name != "roles" {
				continue
			}
			params := bicep.Find(bicep.Body(d.Value), "params")
			if params == nil {
				continue
			}
			for _, p := range params.Named() {
				key, value := bicep.KeyValue(p)
				if value == nil {
					continue
				}
				if strings.Contains(value.Text(), ".outputs.") {
					problems = append(problems, d.Name+"."+key+" is known too late for what-if")
				}
				account, known := map[string]string{"landingName": "landingAccount", "ledgerName": "ledgerAccount"}[value.Text()]
				if waits := bicep.Find(bicep.Body(d.Value), "dependsOn"); known && d.Name != account && (waits == nil || !strings.Contains(waits.Text(), account)) {
					problems = append(problems, d.Name+" does not wait for "+account)
				}
			}
		}
	}
	return problems
}
