#!/usr/bin/env bash
# Checks that what make deploy made works: stackusage smoke-test with the
# connections of the deployment, as who is signed in to az. Keeps the function
# key to itself.
set -euo pipefail

NAME=deploy-check
. "$(dirname "$0")/common.sh"
TOOL=${TOOL:-dist/bin/stackusage}

[ -x "$TOOL" ] || die "TOOL $TOOL: no such program; make it with: make stage"

group=$(output resourceGroupName)
app=$(output appName)
host=$(output appHostName)
usage=$(output ledgerAccountName)
landing=$(output landingBlobEndpoint)
landing=${landing#https://}

STACKUSAGE_FUNCTION_KEY=$(az functionapp keys list --subscription "$SUBSCRIPTION" --resource-group "$group" --name "$app" --query functionKeys.default --output tsv) ||
  die "the keys of $app cannot be read: who runs this needs Website Contributor on it"
[ -n "$STACKUSAGE_FUNCTION_KEY" ] && [ "$STACKUSAGE_FUNCTION_KEY" != None ] || die "$app has no key named default: make one with: az functionapp keys set --key-type functionKeys --key-name default"
export STACKUSAGE_FUNCTION_KEY

# The connections are the deployment's alone: one that is left in the environment
# would have the canary registered elsewhere.
for left in "${!UsageStorage@}" "${!LandingStorage@}"; do unset "$left"; done

exec env "UsageStorage__accountName=$usage" "LandingStorage__accountName=${landing%%.*}" \
  "$TOOL" smoke-test --app-url "https://$host" --subscription "$SUBSCRIPTION" ${APP_SCOPE:+--app-scope "$APP_SCOPE"} ${CHECK_FLAGS:-}
