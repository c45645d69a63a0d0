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
        "https://my-vault.vault.azure.net\n",
        "https://my-vault.vault\t.azure.net",
        " https://my-vault.vault.azure.net",
        "https://\u212aey-vault.vault.azure.net",
        "HTTPS://MY-VAULT.VAULT.AZURE.NET",
        "https://my-vault.vault.azure.net?",
        "https://my-vault.vault.azure.net#",
    ],
)
def test_what_a_url_parser_forgives_still_leads_to_the_vault_and_nowhere_else(url: str) -> None:
    named = "key-vault" if "ey" in url else "my-vault"
    assert vault_origin(url, SUFFIX) == f"https://{named}.vault.azure.net"


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
        "https://[::ffff:169.254.169.254]",
        "https://[::1].vault.azure.net",
        "https://2852039166",
        "https://0x7f000001",
        "https://127.1",
        "https://169.254.169.254.vault.azure.net",
        "https://my-vault%2evault.azure.net",
        "https://my-vault.vault.azure.net%2f@evil.example",
        "https://my-vault%00.vault.azure.net",
        "https://evil.example%23.vault.azure.net",
        "https://my-vault..vault.azure.net",
        "https://my-vault.vault.azure.net..",
        "https://my-vault\u3002vault.azure.net",
        "https://evil.example\uff0fmy-vault.vault.azure.net",
        "https://my-vault.vault.azure.net:",
        "https://:@my-vault.vault.azure.net",
        "https:///my-vault.vault.azure.net",
        "https:my-vault.vault.azure.net",
        "https://my-vault.vault.azure.net//evil.example",
        "https://my-vault.vault.azure.net/..",
        "https://my-vault.vault.azure.net;x",
        "https://my--vault.vault.azure.net",
        "https://my_vault.vault.azure.net",
        "https://a.vault.azure.net",
        "https://my-vault.privatelink.vaultcore.azure.net",
        "https://[",
        "my-vault.vault.azure.net",
        "file:///etc/passwd",
        "",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    assert vault_origin(url, SUFFIX) is None
