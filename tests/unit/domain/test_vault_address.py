"""Which addresses a check may ask."""

from __future__ import annotations

import pytest

from shared.domain.vault_address import vault_origin

SUFFIX = "vault.azure.net"


@pytest.mark.parametrize("url", ["https://my-vault.vault.azure.net", "https://My-Vault.vault.azure.net/"])
def test_a_vaults_address_is_taken_in_its_one_form(url: str) -> None:
    assert vault_origin(url, SUFFIX) == "https://my-vault.vault.azure.net"


@pytest.mark.parametrize(
    "url",
    [
        "http://my-vault.vault.azure.net",
        "https://my-vault.vault.azure.net:8443",
        "https://my-vault.vault.azure.net:443",
        "https://user@my-vault.vault.azure.net",
        "https://user:word@my-vault.vault.azure.net",
        "https://my-vault.vault.azure.net@evil.example",
        "https://my-vault.vault.azure.net.evil.example",
        "https://evil.example/my-vault.vault.azure.net",
        "https://evil.example#.vault.azure.net",
        "https://evil.example?.vault.azure.net",
        "https://evil.example\\.vault.azure.net",
        "https://my-vault.vault.azure.net/secrets",
        "https://my-vault.vault.azure.net?x=1",
        "https://my-vault.vault.azure.net.",
        "https://a.b.vault.azure.net",
        "https://vault.azure.net",
        "https://.vault.azure.net",
        "https://-x.vault.azure.net",
        "https://xn--vlt-qla.vault.azure.net",
        "https://vāult.vault.azure.net",
        "https://my-vault.vault.azure.cn",
        "https://my-vaultxvault.azure.net",
        "https://127.0.0.1",
        "https://localhost",
        "https://169.254.169.254/metadata/identity",
        "https://[::1]",
        "https://[",
        "my-vault.vault.azure.net",
        "file:///etc/passwd",
        "",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    assert vault_origin(url, SUFFIX) is None
