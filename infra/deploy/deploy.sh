#!/usr/bin/env bash
# Makes what infra/main.bicep describes, and deploys the package into it. Called
# by make deploy; docs/deploy.md says what must be there before. Asks before it
# changes anything, unless CONFIRM=yes.
set -euo pipefail

NAME=deploy
. "$(dirname "$0")/common.sh"
: "${LOCATION:?deploy: set LOCATION to the region that keeps the deployment record, such as westeurope}"
PARAMETERS=${PARAMETERS:-infra/main.bicepparam}
PACKAGE=${PACKAGE:-dist/app.zip}

TRIES=${TRIES:-5}
PAUSE=${PAUSE:-60}

[ -f "$PARAMETERS" ] || die "PARAMETERS $PARAMETERS: no such file; copy infra/main.bicepparam and fill it in"
[ -f "$PACKAGE" ] || die "PACKAGE $PACKAGE: no such file; make it with: make package"

az account show --subscription "$SUBSCRIPTION" --output none ||
  die "az cannot see subscription $SUBSCRIPTION: sign in with az login, or check the id; nothing is changed"

echo "What a deployment would change in subscription $SUBSCRIPTION:"
az deployment sub what-if --subscription "$SUBSCRIPTION" --location "$LOCATION" --name "$DEPLOYMENT" --parameters "$PARAMETERS" ||
  die "what-if failed: fix what it names in $PARAMETERS or in the rights of who deploys; nothing is changed"

if [ "${CONFIRM:-}" != yes ]; then
  [ -t 0 ] || die "not confirmed: nobody can be asked here; read the above, then set CONFIRM=yes; nothing is changed"
  read -r -p "Deploy this? Write yes: " answer || echo # nobody answers
  [ "$answer" = yes ] || die "not confirmed; nothing is changed"
fi

az deployment sub create --subscription "$SUBSCRIPTION" --location "$LOCATION" --name "$DEPLOYMENT" --parameters "$PARAMETERS" --output none ||
  die "the deployment failed and may be half there: see az deployment sub show --name $DEPLOYMENT; mend it and run this again, what is there stays"

group=$(output resourceGroupName)
app=$(output appName)

# The app writes its package with a role that is minutes old on a first deployment.
for ((try = 1; ; try++)); do
  az functionapp deployment source config-zip --subscription "$SUBSCRIPTION" --resource-group "$group" --name "$app" --src "$PACKAGE" --output none && break
  [ "$try" -lt "$TRIES" ] || die "the package was not deployed to $app: its infrastructure is there, its code is the one before; roles take up to ten minutes to hold: run this again"
  echo "Azure rejected the package; next try in $PAUSE seconds ($try of $TRIES)"
  sleep "$PAUSE"
done

echo "Deployed $PACKAGE to $app in resource group $group. Smoke-test it: make deploy-check"
