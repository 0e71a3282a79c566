# Sourced by the scripts beside it, which name themselves in NAME.

die() { echo "$NAME: $*" >&2; exit 1; }

: "${SUBSCRIPTION:?$NAME: set SUBSCRIPTION to the id of the registration subscription}"
DEPLOYMENT=${DEPLOYMENT:-stackusage}
command -v az >/dev/null || die "az is not installed: install the Azure CLI"

# output reads what the deployment says of itself.
output() {
  local value
  value=$(az deployment sub show --subscription "$SUBSCRIPTION" --name "$DEPLOYMENT" --query "properties.outputs.$1.value" --output tsv) && [ -n "$value" ] && [ "$value" != None ] ||
    die "deployment $DEPLOYMENT in subscription $SUBSCRIPTION has no output $1: sign in with az login, and deploy this version's infra/main.bicep with: make deploy"
  echo "$value"
}
