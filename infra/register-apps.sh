#!/usr/bin/env bash
# Makes the two app registrations, or brings them to what is written here. Running it again changes nothing.
#
#   keyvault-connections-api-<env>    the API: its app roles, a scope for people's tokens, v2 tokens
#   keyvault-connections-oauth-<env>  the app that customers consent to: Key Vault user_impersonation, the callback, and
#                                     the managed identity as its federated credential, so that it has no secret
#
# azd runs it twice: before provisioning (the ids that Bicep needs) and after (the address and the identity, which
# Bicep made). By hand: AZURE_ENV_NAME=… [PUBLIC_URL=… IDENTITY_PRINCIPAL_ID=…] bash infra/register-apps.sh
# REGISTER_APPS=false with API_CLIENT_ID and OAUTH_CLIENT_ID set leaves registrations that others made alone.
#
# Needs az, signed in as someone who may write app registrations. No secret is made, read or printed.
set -euo pipefail
cd "$(dirname "$0")"

: "${AZURE_ENV_NAME:?is the name of the deployment}"

if [ "${REGISTER_APPS:-true}" = false ]; then
  : "${API_CLIENT_ID:?is needed with REGISTER_APPS=false}" "${OAUTH_CLIENT_ID:?is needed with REGISTER_APPS=false}"
  echo "App registrations: left as they are"
  exit 0
fi

KEY_VAULT_APP=cfa8b339-82a2-471a-a3c9-0fc0be7a4093   # Azure Key Vault, the same in every tenant
USER_IMPERSONATION=f53da476-18e3-4152-8e01-aec403e6edc0
CALLBACK=/api/v1/app-connections/azure/oauth/callback

cloud() { az cloud show --query "$1" --output tsv; }
graph=$(cloud endpoints.microsoftGraphResourceId)
graph=${graph%/}/v1.0
authority=$(cloud endpoints.activeDirectory)
authority=${authority%/}
case "$(cloud name)" in
  AzureUSGovernment) exchange=api://AzureADTokenExchangeUSGov ;;
  AzureChinaCloud) exchange=api://AzureADTokenExchangeChina ;;
  *) exchange=api://AzureADTokenExchange ;;
esac
tenant=$(az account show --query tenantId --output tsv)

# The identity and the OAuth app must be of one tenant, and az may be signed in to another than azd.
if [ -n "${AZURE_SUBSCRIPTION_ID:-}" ]; then
  wanted=$(az account show --subscription "$AZURE_SUBSCRIPTION_ID" --query tenantId --output tsv) || wanted=another
  if [ "$wanted" != "$tenant" ]; then
    echo "az is signed in to tenant $tenant, not to that of the subscription ($wanted): az login --tenant …" >&2
    exit 1
  fi
fi

# The directory's replicas do not all know at once what was just made: a few tries before a refusal counts.
try() {
  local left=5
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep "${RETRY_SECONDS:-5}"
  done
}

# Creates what is missing and changes what is there, in one request: `upsert PATH BODY`.
upsert() {
  try az rest --method patch --url "$graph/$1" --body "$2" \
    --headers Content-Type=application/json Prefer=create-if-missing --output none
}

field() { try az rest --method get --url "$graph/applications(uniqueName='$1')" --query "$2" --output tsv; }

api_name=keyvault-connections-api-$AZURE_ENV_NAME
upsert "applications(uniqueName='$api_name')" "{
  \"displayName\": \"$api_name\",
  \"signInAudience\": \"AzureADMultipleOrgs\",
  \"api\": {\"requestedAccessTokenVersion\": 2, \"oauth2PermissionScopes\": $(cat app-scopes.json)},
  \"appRoles\": $(cat app-roles.json)
}"
API_CLIENT_ID=$(field "$api_name" appId)
upsert "applications(uniqueName='$api_name')" "{\"identifierUris\": [\"api://$API_CLIENT_ID\"]}"
upsert "servicePrincipals(appId='$API_CLIENT_ID')" '{"appRoleAssignmentRequired": true}'

oauth_name=keyvault-connections-oauth-$AZURE_ENV_NAME
upsert "applications(uniqueName='$oauth_name')" "{
  \"displayName\": \"$oauth_name\",
  \"signInAudience\": \"AzureADMultipleOrgs\",
  \"isFallbackPublicClient\": false,
  \"requiredResourceAccess\": [{
    \"resourceAppId\": \"$KEY_VAULT_APP\",
    \"resourceAccess\": [{\"id\": \"$USER_IMPERSONATION\", \"type\": \"Scope\"}]
  }]
}"
OAUTH_CLIENT_ID=$(field "$oauth_name" appId)
upsert "servicePrincipals(appId='$OAUTH_CLIENT_ID')" '{"appRoleAssignmentRequired": false}'

if [ -n "${PUBLIC_URL:-}" ]; then
  uris="\"${PUBLIC_URL%/}$CALLBACK\""
  IFS=, read -ra more <<<"${OAUTH_REDIRECT_URIS:-}"
  for uri in ${more[@]+"${more[@]}"}; do
    uri=${uri//[[:space:]]/}
    [ -z "$uri" ] || uris="$uris, \"$uri\""
  done
  # `web`, never `spa`: the refresh tokens of a spa end after 24 hours
  upsert "applications(uniqueName='$oauth_name')" "{\"web\": {\"redirectUris\": [$uris]}}"
fi

if [ -n "${IDENTITY_PRINCIPAL_ID:-}" ]; then
  object_id=$(field "$oauth_name" id)
  upsert "applications/$object_id/federatedIdentityCredentials(name='managed-identity')" "{
    \"issuer\": \"$authority/$tenant/v2.0\",
    \"subject\": \"$IDENTITY_PRINCIPAL_ID\",
    \"audiences\": [\"$exchange\"],
    \"description\": \"The function app's managed identity\"
  }"
fi

echo "API_CLIENT_ID=$API_CLIENT_ID"
echo "OAUTH_CLIENT_ID=$OAUTH_CLIENT_ID"
if command -v azd >/dev/null && [ "${SET_AZD_ENVIRONMENT:-true}" = true ]; then
  azd env set API_CLIENT_ID "$API_CLIENT_ID"
  azd env set OAUTH_CLIENT_ID "$OAUTH_CLIENT_ID"
fi
