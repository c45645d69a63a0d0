"""The Key Vault stand-in, driven by the official client, answers as the service does."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.rest import AsyncHttpResponse

from local.certificate import ensure_certificate
from local.keyvault.store import MAX_VALUE_BYTES, Store
from local.keyvault.tokens import PublishedKeys
from tests.contract.local.keyvault_harness import (
    AUTHORITY,
    Issuer,
    Running,
    client_for,
    inner_code,
    process,
    running,
    serving,
)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    ensure_certificate(folder)
    return folder


@pytest.fixture
async def vault(issuer: Issuer, certificates: Path) -> AsyncIterator[Running]:
    async with running(Store(), issuer, certificates) as one:
        yield one


async def test_a_request_without_token_is_told_where_to_get_one(vault: Running) -> None:
    async with vault.session.get(f"{vault.url}/secrets/any?api-version=7.6") as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer authorization="{AUTHORITY}", resource="https://vault.azure.net"'
        )
        assert (await answer.json())["error"]["code"] == "Unauthorized"


@pytest.mark.parametrize("audience", ["https://vault.azure.net", "https://vault.azure.net/"])
async def test_the_vault_audience_is_accepted_with_and_without_slash(
    vault: Running, issuer: Issuer, audience: str
) -> None:
    await vault.connect(issuer.token(aud=audience)).set_secret("conn-1", "canary")


@pytest.mark.parametrize(
    "make_token",
    [
        pytest.param(lambda issuer: issuer.token(aud="https://graph.microsoft.com"), id="other audience"),
        pytest.param(lambda issuer: issuer.token(exp=int(time.time()) - 301), id="expired"),
        pytest.param(lambda _issuer: Issuer().token(), id="signed by somebody else"),
        pytest.param(lambda issuer: issuer.token(kid="unknown"), id="unknown key"),
        pytest.param(lambda _issuer: "not-a-token", id="no token at all"),
    ],
)
async def test_a_token_that_does_not_hold_is_refused(
    vault: Running, issuer: Issuer, make_token: Callable[[Issuer], str]
) -> None:
    with pytest.raises(ClientAuthenticationError) as refusal:
        await vault.connect(make_token(issuer)).get_secret("conn-1")
    assert refusal.value.error is not None
    assert refusal.value.error.code == "Unauthorized"


async def test_a_vault_that_cannot_reach_the_keys_says_so(issuer: Issuer, certificates: Path) -> None:
    unreachable = PublishedKeys("https://127.0.0.1:1/keys", ssl.create_default_context())
    async with running(Store(), issuer, certificates, unreachable) as vault:
        with pytest.raises(HttpResponseError) as refusal:
            await vault.client.get_secret("conn-1")
        assert refusal.value.status_code == 503


async def test_a_principal_without_rights_is_forbidden_until_it_gets_them(vault: Running, issuer: Issuer) -> None:
    await vault.control("PUT", "access", {"principals": ["somebody-else"]})
    with pytest.raises(HttpResponseError) as refusal:
        await vault.client.set_secret("conn-1", "canary")
    assert (refusal.value.status_code, inner_code(refusal.value)) == (403, "ForbiddenByRbac")

    await vault.control("PUT", "access", {"principals": ["an-oid"]})
    await vault.client.set_secret("conn-1", "canary")

    await vault.control("PUT", "access", {"principals": ["an-app"]})
    await vault.client.set_secret("conn-1", "canary")

    await vault.control("PUT", "access", {"principals": []})
    await vault.connect(issuer.token(oid="anybody", azp="any")).get_secret("conn-1")


async def test_what_was_set_is_what_is_read(vault: Running) -> None:
    begin, end = datetime(2026, 1, 2, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)
    made = await vault.client.set_secret(
        "conn-1", "canary", content_type="application/json", tags={"keyId": "k1"}, not_before=begin, expires_on=end
    )
    read = await vault.client.get_secret("conn-1")
    assert read.value == "canary"
    assert read.id == made.id == f"{vault.url}/secrets/conn-1/{made.properties.version}"
    assert read.properties.content_type == "application/json"
    assert read.properties.tags == {"keyId": "k1"}
    assert (read.properties.not_before, read.properties.expires_on) == (begin, end)
    assert read.properties.enabled is True
    assert read.properties.recovery_level == "Recoverable+Purgeable"
    assert read.properties.created_on is not None
    assert abs(read.properties.created_on - datetime.now(UTC)) < timedelta(seconds=5)


async def test_the_newest_version_is_current_and_the_older_ones_stay(vault: Running) -> None:
    first = await vault.client.set_secret("conn-1", "one")
    await vault.client.set_secret("conn-1", "two")
    assert (await vault.client.get_secret("conn-1")).value == "two"
    assert (await vault.client.get_secret("conn-1", first.properties.version)).value == "one"


async def test_what_does_not_exist_is_not_found(vault: Running) -> None:
    await vault.client.set_secret("conn-1", "one")
    for name, version in (("conn-2", None), ("conn-1", "0" * 32)):
        with pytest.raises(ResourceNotFoundError) as refusal:
            await vault.client.get_secret(name, version)
        assert refusal.value.error is not None
        assert refusal.value.error.code == "SecretNotFound"


async def test_an_update_changes_what_it_states_and_nothing_else(vault: Running) -> None:
    first = await vault.client.set_secret("conn-1", "one", tags={"a": "1"}, content_type="text/plain")
    await vault.client.set_secret("conn-1", "two")
    version = first.properties.version

    await vault.client.update_secret_properties("conn-1", version, tags={"b": "2"})
    read = await vault.client.get_secret("conn-1", version)
    assert (read.value, read.properties.tags, read.properties.content_type) == ("one", {"b": "2"}, "text/plain")

    end = datetime(2027, 1, 2, tzinfo=UTC)
    changed = await vault.client.update_secret_properties("conn-1", expires_on=end)
    assert changed.version != version
    assert (await vault.client.get_secret("conn-1")).properties.expires_on == end


async def test_the_value_of_a_disabled_version_cannot_be_read_until_it_is_enabled(vault: Running) -> None:
    first = await vault.client.set_secret("conn-1", "one")
    version = first.properties.version
    await vault.client.update_secret_properties("conn-1", version, enabled=False)
    for asked in (version, None):
        with pytest.raises(HttpResponseError) as refusal:
            await vault.client.get_secret("conn-1", asked)
        assert (refusal.value.status_code, inner_code(refusal.value)) == (403, "SecretDisabled")

    await vault.client.set_secret("conn-1", "two")
    assert (await vault.client.get_secret("conn-1")).value == "two"
    await vault.client.update_secret_properties("conn-1", version, enabled=True)
    assert (await vault.client.get_secret("conn-1", version)).value == "one"


async def test_secrets_are_listed_page_by_page(vault: Running) -> None:
    names = {f"conn-{number}" for number in range(7)}
    for name in names:
        await vault.client.set_secret(name, "canary")
    pages = vault.client.list_properties_of_secrets(max_page_size=3).by_page()
    listed = [[properties.name async for properties in page] async for page in pages]
    assert [len(page) for page in listed] == [3, 3, 1]
    assert {name for page in listed for name in page} == names


async def test_versions_are_listed_page_by_page_with_what_is_said_about_each(vault: Running) -> None:
    made = [await vault.client.set_secret("conn-1", f"{n}", tags={"attempt": f"{n}"}) for n in range(4)]
    await vault.client.update_secret_properties("conn-1", made[0].properties.version, enabled=False)
    pages = vault.client.list_properties_of_secret_versions("conn-1", max_page_size=2).by_page()
    listed = [[each async for each in page] async for page in pages]
    assert [len(page) for page in listed] == [2, 2]
    described = {each.version: (each.enabled, each.tags) for page in listed for each in page}
    assert described == {
        each.properties.version: (number > 0, {"attempt": f"{number}"}) for number, each in enumerate(made)
    }


async def test_a_page_holds_at_most_25(vault: Running) -> None:
    for number in range(26):
        await vault.client.set_secret(f"conn-{number}", "canary")
    pages = vault.client.list_properties_of_secrets().by_page()
    assert [len([each async for each in page]) async for page in pages] == [25, 1]
    with pytest.raises(HttpResponseError, match="maxresults"):
        _ = [each async for each in vault.client.list_properties_of_secrets(max_page_size=26)]


async def test_a_deleted_secret_is_gone_but_kept_under_its_name(vault: Running) -> None:
    await vault.client.set_secret("conn-1", "canary")
    deleted = await vault.client.delete_secret("conn-1")
    assert deleted.recovery_id == f"{vault.url}/deletedsecrets/conn-1"
    assert deleted.deleted_date is not None
    assert deleted.scheduled_purge_date == deleted.deleted_date + timedelta(days=90)

    with pytest.raises(ResourceNotFoundError):
        await vault.client.get_secret("conn-1")
    with pytest.raises(ResourceNotFoundError):
        await vault.client.delete_secret("conn-1")
    assert [each.name async for each in vault.client.list_properties_of_secrets()] == []
    assert [each.name async for each in vault.client.list_deleted_secrets()] == ["conn-1"]
    assert (await vault.client.get_deleted_secret("conn-1")).name == "conn-1"

    with pytest.raises(ResourceExistsError) as refusal:
        await vault.client.set_secret("conn-1", "again")
    assert inner_code(refusal.value) == "ObjectIsDeletedButRecoverable"


async def test_a_recovered_secret_has_all_its_versions_again(vault: Running) -> None:
    first = await vault.client.set_secret("conn-1", "one")
    await vault.client.set_secret("conn-1", "two")
    await vault.client.delete_secret("conn-1")
    await vault.client.recover_deleted_secret("conn-1")
    assert (await vault.client.get_secret("conn-1")).value == "two"
    assert (await vault.client.get_secret("conn-1", first.properties.version)).value == "one"
    assert [each.name async for each in vault.client.list_deleted_secrets()] == []


async def test_a_purged_secret_is_forgotten_and_its_name_is_free(vault: Running) -> None:
    await vault.client.set_secret("conn-1", "canary")
    with pytest.raises(ResourceNotFoundError):
        await vault.client.purge_deleted_secret("conn-1")
    await vault.client.delete_secret("conn-1")
    await vault.client.purge_deleted_secret("conn-1")
    with pytest.raises(ResourceNotFoundError):
        await vault.client.get_deleted_secret("conn-1")
    assert (await vault.control("GET", "state"))["secrets"] == {}
    await vault.client.set_secret("conn-1", "again")


async def test_a_deletion_can_take_its_time(issuer: Issuer, certificates: Path) -> None:
    now = 1_000_000.0
    async with running(Store(deleting_seconds=5, clock=lambda: now), issuer, certificates) as vault:
        await vault.client.set_secret("conn-1", "canary")
        deletion = asyncio.ensure_future(vault.client.delete_secret("conn-1", _polling_interval=0.01))
        await asyncio.sleep(0.1)
        assert not deletion.done()
        with pytest.raises(ResourceExistsError) as refusal:
            await vault.client.set_secret("conn-1", "again")
        assert inner_code(refusal.value) == "ObjectIsBeingDeleted"
        with pytest.raises(ResourceExistsError):
            await vault.client.purge_deleted_secret("conn-1")
        assert [each.name async for each in vault.client.list_deleted_secrets()] == []

        now += 5
        await deletion
        assert [each.name async for each in vault.client.list_deleted_secrets()] == ["conn-1"]


@pytest.mark.parametrize("value", ["x" * MAX_VALUE_BYTES, "é" * (MAX_VALUE_BYTES // 2), ""])
async def test_a_value_may_have_25_kb(vault: Running, value: str) -> None:
    await vault.client.set_secret("conn-1", value)
    assert (await vault.client.get_secret("conn-1")).value == value


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        pytest.param("conn-1", {"value": "x" * (MAX_VALUE_BYTES + 1)}, id="value too long"),
        pytest.param("conn-1", {"value": "é" * (MAX_VALUE_BYTES // 2 + 1)}, id="value too long in bytes"),
        pytest.param("conn-1", {"tags": {f"t{n}": "" for n in range(16)}}, id="16 tags"),
        pytest.param("conn-1", {"tags": {"t": "x" * 257}}, id="tag too long"),
        pytest.param("conn-1", {"content_type": "x" * 256}, id="content type too long"),
        pytest.param("conn_1", {}, id="underscore in name"),
        pytest.param("x" * 128, {}, id="name too long"),
    ],
)
async def test_what_is_outside_the_limits_is_a_bad_parameter(
    vault: Running, name: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(HttpResponseError) as refusal:
        await vault.client.set_secret(name, **({"value": "canary"} | settings))
    assert refusal.value.status_code == 400
    assert refusal.value.error is not None
    assert refusal.value.error.code == "BadParameter"
    assert (await vault.control("GET", "state"))["secrets"] == {}


async def test_fifteen_tags_are_fine(vault: Running) -> None:
    made = await vault.client.set_secret("conn-1", "canary", tags={f"t{n}": "x" * 256 for n in range(15)})
    assert made.properties.tags is not None
    assert len(made.properties.tags) == 15


async def test_the_api_version_must_be_stated(vault: Running, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    async with vault.session.get(f"{vault.url}/secrets", headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "BadParameter"


async def test_attributes_and_tags_may_be_null(vault: Running, issuer: Issuer) -> None:
    async with vault.session.put(
        f"{vault.url}/secrets/conn-1?api-version=7.6",
        headers={"Authorization": f"Bearer {issuer.token()}"},
        json={"value": "canary", "attributes": None, "tags": None},
    ) as answer:
        assert answer.status == 200
        assert "tags" not in await answer.json()


async def test_the_state_shows_values_and_what_is_said_about_them(vault: Running) -> None:
    first = await vault.client.set_secret("conn-1", "canary-one", tags={"keyId": "k1"})
    await vault.client.set_secret("conn-1", "canary-two")
    await vault.client.update_secret_properties("conn-1", first.properties.version, enabled=False)
    secret = (await vault.control("GET", "state"))["secrets"]["conn-1"]
    assert [(each["value"], each["enabled"], each["tags"]) for each in secret["versions"]] == [
        ("canary-one", False, {"keyId": "k1"}),
        ("canary-two", True, {}),
    ]
    assert secret["versions"][0]["version"] == first.properties.version
    assert secret["deletion"] is None


async def test_a_throttling_fault_meets_the_call_and_not_the_challenge_before_it(vault: Running) -> None:
    body = {"error": {"code": "Throttled", "message": "Request was not processed because too many were received."}}
    await vault.control(
        "POST", "faults", {"match": "^PUT /secrets/", "status": 429, "body": body, "headers": {"Retry-After": "7"}}
    )
    with pytest.raises(HttpResponseError) as refusal:
        await vault.client.set_secret("conn-1", "canary")
    assert refusal.value.status_code == 429
    assert isinstance(refusal.value.response, AsyncHttpResponse)
    assert refusal.value.response.headers["Retry-After"] == "7"
    await vault.client.set_secret("conn-1", "canary")


async def test_a_lost_answer_leaves_the_version_that_it_was_about(vault: Running) -> None:
    # aiohttp itself sends a PUT once more when a reused connection breaks, whatever the SDK's retries are set to:
    # two lost answers are needed for the caller to notice one.
    await vault.client.set_secret("conn-1", "before")
    await vault.control("POST", "faults", {"match": "^PUT /secrets/", "lose_answer": True, "times": 2})
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        await vault.client.set_secret("conn-1", "canary")
    versions = (await vault.control("GET", "state"))["secrets"]["conn-1"]["versions"]
    assert [each["value"] for each in versions] == ["before", "canary", "canary"]


async def test_a_killed_process_continues_where_it_was_and_a_stopped_one_exits_cleanly(
    issuer: Issuer, certificates: Path, tmp_path: Path
) -> None:
    async def published(_request: web.Request) -> web.Response:
        return web.json_response(issuer.published)

    entra = web.Application()
    entra.add_routes([web.get("/common/discovery/v2.0/keys", published)])
    state = tmp_path / "deeper" / "vault.json"
    async with serving(entra, certificates) as entra_url:
        entra_port = int(entra_url.rpartition(":")[2])
        async with (
            process(certificates, state, entra_port) as (first, url),
            client_for(url, issuer.token(), certificates) as client,
        ):
            made = await client.set_secret("conn-1", "canary", tags={"keyId": "k1"})
            await client.set_secret("conn-2", "gone")
            await client.delete_secret("conn-2")
            first.kill()
            assert await first.wait() == -signal.SIGKILL
        assert state.stat().st_mode & 0o777 == 0o600
        assert os.listdir(state.parent) == ["vault.json"]

        async with (
            process(certificates, state, entra_port) as (second, url),
            client_for(url, issuer.token(), certificates) as client,
        ):
            read = await client.get_secret("conn-1", made.properties.version)
            assert (read.value, read.properties.tags) == ("canary", {"keyId": "k1"})
            assert read.properties.created_on == made.properties.created_on
            assert [each.name async for each in client.list_deleted_secrets()] == ["conn-2"]
            second.terminate()
            assert await asyncio.wait_for(second.wait(), 10) == 0
