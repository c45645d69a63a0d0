"""The Azure clouds and their addresses."""

from __future__ import annotations

from enum import StrEnum


class Cloud(StrEnum):
    """Which Azure cloud: decides authority, vault suffix and resources."""

    PUBLIC = "public"
    US_GOVERNMENT = "usgovernment"
    CHINA = "china"


AUTHORITY_HOSTS = {
    Cloud.PUBLIC: "https://login.microsoftonline.com",
    Cloud.US_GOVERNMENT: "https://login.microsoftonline.us",
    Cloud.CHINA: "https://login.partner.microsoftonline.cn",
}
VAULT_RESOURCES = {
    Cloud.PUBLIC: "https://vault.azure.net",
    Cloud.US_GOVERNMENT: "https://vault.usgovcloudapi.net",
    Cloud.CHINA: "https://vault.azure.cn",
}
GRAPH_RESOURCES = {
    Cloud.PUBLIC: "https://graph.microsoft.com",
    Cloud.US_GOVERNMENT: "https://graph.microsoft.us",
    Cloud.CHINA: "https://microsoftgraph.chinacloudapi.cn",
}
TOKEN_EXCHANGE_RESOURCES = {
    Cloud.PUBLIC: "api://AzureADTokenExchange",
    Cloud.US_GOVERNMENT: "api://AzureADTokenExchangeUSGov",
    Cloud.CHINA: "api://AzureADTokenExchangeChina",
}
"""What a managed identity's token must be meant for to serve as a federated credential
(https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity)."""
STORAGE_SUFFIXES = {
    Cloud.PUBLIC: "core.windows.net",
    Cloud.US_GOVERNMENT: "core.usgovcloudapi.net",
    Cloud.CHINA: "core.chinacloudapi.cn",
}
