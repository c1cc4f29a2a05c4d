#!/usr/bin/env bash
# Prints what real Azure answers where this service had to assume: bodies, headers and rows of the log. For a trial subscription.
# Needs az (signed in, with the right to create vaults and role assignments), curl and openssl. What it makes, it deletes again.
#
#   scripts/azure-facts.sh RESOURCE-GROUP [LOCATION]          a vault of its own, deleted and purged at the end
#   HSM=NAME scripts/azure-facts.sh RESOURCE-GROUP            the same questions to a Managed HSM of yours, on a key of its own
#   WORKSPACE=GUID scripts/azure-facts.sh RESOURCE-GROUP      and the log's rows (customer id of a Log Analytics workspace)
set -euo pipefail
group=${1:?resource group}
location=${2:-westeurope}
api=7.4
work=$(mktemp -d)
vault=vsfacts$(openssl rand -hex 5)
key=vaultspan-facts

ask() { # TITLE METHOD URL [BODY]: prints status, headers and body. The token is read from a file and never printed.
  echo "--- $1"
  curl -sS -o "$work/body" -D "$work/head" -X "$2" "$3" -H @"$work/authorization" -H 'content-type: application/json' \
    -H "x-ms-client-request-id: $(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)" ${4:+--data "$4"} || echo "curl: $?"
  grep -iE '^(HTTP|www-authenticate|retry-after|x-ms-request-id|x-ms-client-request-id)' "$work/head" || true
  cat "$work/body"; echo
}

token() { # RESOURCE
  umask 077
  printf 'Authorization: Bearer %s' "$(az account get-access-token --resource "$1" --query accessToken -o tsv)" >"$work/authorization"
}

cleanup() {
  set +e
  if [ -n "${HSM:-}" ]; then
    az keyvault key delete --hsm-name "$HSM" --name "$key" -o none
    az keyvault key purge --hsm-name "$HSM" --name "$key" -o none
  else
    az keyvault delete --name "$vault" -o none && az keyvault purge --name "$vault" -o none
  fi
  rm -rf "$work"
}
trap cleanup EXIT

me=$(az ad signed-in-user show --query id -o tsv)
if [ -n "${HSM:-}" ]; then
  name="--hsm-name $HSM"; url="https://$HSM.managedhsm.azure.net"; kty=RSA-HSM; resource=https://managedhsm.azure.net
else
  az keyvault create --name "$vault" --resource-group "$group" --location "$location" --enable-rbac-authorization true \
    --retention-days 7 -o none
  scope=$(az keyvault show --name "$vault" --query id -o tsv)
  az role assignment create --role 'Key Vault Crypto Officer' --assignee-object-id "$me" --assignee-principal-type User --scope "$scope" -o none
  name="--vault-name $vault"; url="https://$vault.vault.azure.net"; kty=RSA; resource=https://vault.azure.net
  if [ -n "${WORKSPACE:-}" ]; then
    id=$(az monitor log-analytics workspace list --query "[?customerId=='$WORKSPACE'].id" -o tsv)
    az monitor diagnostic-settings create --name facts --resource "$scope" --workspace "$id" \
      --export-to-resource-specific true --logs '[{"category":"AuditEvent","enabled":true}]' -o none
  fi
fi

: >"$work/authorization"
ask 'challenge: where the authority and the resource stand; an HSM has no body' GET "$url/keys/$key?api-version=$api"
token "$resource"
for try in $(seq 20); do # a role takes a while to spread
  az keyvault key create $name --name "$key" --kty "$kty" --size 2048 --ops wrapKey unwrapKey -o none 2>"$work/error" && break
  [ "$try" -lt 20 ] || { cat "$work/error" >&2; exit 1; }
  sleep 30
done
value=$(openssl rand 32 | openssl base64 -A | tr '+/' '-_' | tr -d =)
wrap="{\"alg\":\"RSA-OAEP-256\",\"value\":\"$value\"}"
ask 'wrap: the id of the answer is the one to look for in the log' POST "$url/keys/$key/wrapkey?api-version=$api" "$wrap"
first=$(sed -n 's/^x-ms-request-id: *\([^[:space:]]*\).*/\1/Ip' "$work/head")
client=$(sed -n 's/^x-ms-client-request-id: *\([^[:space:]]*\).*/\1/Ip' "$work/head")
wrapped=$(sed -n 's/.*"value":"\([^"]*\)".*/\1/p' "$work/body")
unwrap="{\"alg\":\"RSA-OAEP-256\",\"value\":\"$wrapped\"}"
ask 'unwrap of garbage' POST "$url/keys/$key/unwrapkey?api-version=$api" "{\"alg\":\"RSA-OAEP-256\",\"value\":\"$(openssl rand 256 | openssl base64 -A | tr '+/' '-_' | tr -d =)\"}"

state() { # TITLE ARGUMENTS OF set-attributes
  az keyvault key set-attributes $name --name "$key" "${@:2}" -o none
  ask "$1: get" GET "$url/keys/$key?api-version=$api"
  ask "$1: wrap" POST "$url/keys/$key/wrapkey?api-version=$api" "$wrap"
  ask "$1: unwrap" POST "$url/keys/$key/unwrapkey?api-version=$api" "$unwrap"
}
state disabled --enabled false
az keyvault key set-attributes $name --name "$key" --enabled true -o none
state expired --expires 2020-01-01T00:00:00Z
state 'not yet valid' --expires 2050-01-01T00:00:00Z --not-before 2049-01-01T00:00:00Z
az keyvault key set-attributes $name --name "$key" --not-before 2020-01-01T00:00:00Z -o none
state 'no wrapKey among the operations' --ops encrypt decrypt
az keyvault key create $name --name "$key" --kty "${kty/RSA/EC}" --curve P-256 --ops sign verify -o none
ask 'an EC key as the newest version: wrap' POST "$url/keys/$key/wrapkey?api-version=$api" "$wrap"

if [ -z "${HSM:-}" ]; then
  az keyvault update --name "$vault" --default-action Deny -o none; sleep 60
  ask 'network rules: get' GET "$url/keys/$key?api-version=$api"
  az keyvault update --name "$vault" --public-network-access Disabled -o none; sleep 60
  ask 'public network access off: get' GET "$url/keys/$key?api-version=$api"
  if [ -n "${WORKSPACE:-}" ]; then
    echo '--- rows of the log by both ids; they take some 10 minutes'
    sleep 900
    az monitor log-analytics query --workspace "$WORKSPACE" \
      --analytics-query "AZKVAuditLogs | where * has '$first' or * has '$client' | project TimeGenerated, OperationName, CorrelationId, HttpStatusCode, Id, Identity" -o json
  fi
fi
