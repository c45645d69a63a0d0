"""What every `Vault` promises."""

from __future__ import annotations

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from shared.domain.errors import NotFound, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from tests.contract.vaults import RealVault, VaultUnderTest

TAGS = {"connectionId": "c-1"}


async def test_each_put_makes_a_version_that_is_read_by_its_full_id(each_vault: VaultUnderTest) -> None:
    vault = each_vault.vault
    first = await vault.put("conn-1", '{"a": 1}', tags=TAGS)
    second = await vault.put("conn-1", "zwei €", tags=TAGS)
    assert first.id.startswith("https://")
    assert first.id.rsplit("/", 1)[0] == second.id.rsplit("/", 1)[0]
    assert await vault.get(first.id) == '{"a": 1}'
    assert await vault.get(second.id) == "zwei €"
    assert not second.maybe_repeated


async def test_what_does_not_exist_is_not_found(each_vault: VaultUnderTest) -> None:
    made = await each_vault.vault.put("conn-1", "value", tags=TAGS)
    for missing in (made.id[:-4] + "0000", made.id.replace("conn-1", "conn-2")):
        with pytest.raises(NotFound):
            await each_vault.vault.get(missing)
        await each_vault.vault.disable(missing)


async def test_a_disabled_version_is_not_found_and_the_others_are(each_vault: VaultUnderTest) -> None:
    vault = each_vault.vault
    first = await vault.put("conn-1", "first", tags=TAGS)
    second = await vault.put("conn-1", "second", tags=TAGS)
    for _ in range(2):
        await vault.disable(first.id)
    with pytest.raises(NotFound):
        await vault.get(first.id)
    assert await vault.get(second.id) == "second"


async def test_the_readable_versions_are_those_of_the_secret_that_are_enabled(each_vault: VaultUnderTest) -> None:
    vault = each_vault.vault
    made = [(await vault.put("conn-1", value, tags=TAGS)).id for value in ("first", "second", "third")]
    other = await vault.put("conn-2", "another's", tags=TAGS)
    assert set(await vault.readable_versions("conn-1")) == set(made)
    await vault.disable(made[1])
    left = await vault.readable_versions("conn-1")
    assert set(left) == {made[0], made[2]}
    assert {await vault.get(version) for version in left} == {"first", "third"}
    for version in left:
        await vault.disable(version)
    assert list(await vault.readable_versions("conn-1")) == []
    assert list(await vault.readable_versions("conn-2")) == [other.id]


async def test_a_secret_that_never_was_has_no_readable_versions(each_vault: VaultUnderTest) -> None:
    assert list(await each_vault.vault.readable_versions("conn-that-never-was")) == []


async def test_a_deleted_secret_is_gone_and_deleting_it_again_is_done(each_vault: VaultUnderTest) -> None:
    vault = each_vault.vault
    versions = [await vault.put("conn-1", value, tags=TAGS) for value in ("first", "second")]
    for _ in range(2):
        await vault.delete("conn-1")
    await vault.delete("conn-that-never-was")
    for version in versions:
        with pytest.raises(NotFound):
            await vault.get(version.id)
        await vault.disable(version.id)
    assert list(await vault.readable_versions("conn-1")) == []
    assert each_vault.readable("conn-1") == []


async def test_a_deleted_name_cannot_be_used_again(each_vault: VaultUnderTest) -> None:
    await each_vault.vault.put("conn-1", "value", tags=TAGS)
    await each_vault.vault.delete("conn-1")
    with pytest.raises(UpstreamError):
        await each_vault.vault.put("conn-1", "again", tags=TAGS)
    assert each_vault.readable("conn-1") == []


async def test_a_put_whose_answer_was_lost_finds_its_version_and_makes_no_second(lossy_vault: RealVault) -> None:
    await lossy_vault.vault.put("conn-1", "before", tags=TAGS)
    lossy_vault.transport.losses.append(("PUT", ServiceResponseError))
    made = await lossy_vault.vault.put("conn-1", "value", tags=TAGS)
    assert await lossy_vault.vault.get(made.id) == "value"
    assert made.maybe_repeated  # how often it was sent before is not told
    assert lossy_vault.readable("conn-1") == ["before", "value"]


async def test_a_put_that_the_client_sent_again_says_so(lossy_vault: RealVault) -> None:
    """A cut connection looks to the client like one that was never made, so it sends the request again."""
    await lossy_vault.vault.put("conn-1", "before", tags=TAGS)
    lossy_vault.transport.losses.append(("PUT", ServiceRequestError))
    made = await lossy_vault.vault.put("conn-1", "value", tags=TAGS)
    assert lossy_vault.readable("conn-1") == ["before", "value", "value"]
    assert made.maybe_repeated
    assert await lossy_vault.vault.get(made.id) == "value"


async def test_a_first_put_is_not_taken_for_a_repeated_one(lossy_vault: RealVault) -> None:
    assert not (await lossy_vault.vault.put("conn-1", "value", tags=TAGS)).maybe_repeated


async def test_more_readable_versions_than_a_page_holds_are_all_told(lossy_vault: RealVault) -> None:
    made = {(await lossy_vault.vault.put("conn-1", str(number), tags=TAGS)).id for number in range(27)}
    assert set(await lossy_vault.vault.readable_versions("conn-1")) == made


async def test_a_put_of_which_nothing_can_be_learned_is_a_time_out(lossy_vault: RealVault) -> None:
    lossy_vault.transport.losses += [("PUT", ServiceResponseError), *[("GET", ServiceResponseError)] * 4]
    with pytest.raises(UpstreamTimeout):
        await lossy_vault.vault.put("conn-1", "value", tags=TAGS)


@pytest.mark.parametrize("lost", [ServiceRequestError, ServiceResponseError])
async def test_a_deletion_whose_connections_are_cut_is_a_time_out_since_it_may_have_acted(
    lossy_vault: RealVault, lost: type[ServiceRequestError | ServiceResponseError]
) -> None:
    lossy_vault.transport.losses += [("DELETE", lost)] * 4
    with pytest.raises(UpstreamTimeout):
        await lossy_vault.vault.delete("conn-1")


async def test_throttling_says_when_to_come_back_and_is_not_waited_for(lossy_vault: RealVault) -> None:
    made = await lossy_vault.vault.put("conn-1", "value", tags=TAGS)
    for act in (lossy_vault.vault.put("conn-1", "value", tags=TAGS), lossy_vault.vault.get(made.id)):
        await lossy_vault.fault(match="/secrets/", status=429, headers={"Retry-After": "17"})
        with pytest.raises(UpstreamUnavailable) as failure:
            await act
        assert failure.value.retry_after == 17
        assert len(lossy_vault.transport.sent) == 1


async def test_a_vault_that_is_down_for_a_moment_is_asked_again(lossy_vault: RealVault) -> None:
    await lossy_vault.fault(match="/secrets/", status=503, body={"error": {"code": "Unavailable", "message": "down"}})
    assert (await lossy_vault.vault.put("conn-1", "value", tags=TAGS)).maybe_repeated


@pytest.mark.parametrize("lost", [ServiceRequestError, ServiceResponseError])
async def test_a_disabling_whose_answer_was_lost_is_told_and_can_be_repeated(
    lossy_vault: RealVault, lost: type[ServiceRequestError | ServiceResponseError]
) -> None:
    made = await lossy_vault.vault.put("conn-1", "value", tags=TAGS)
    lossy_vault.transport.losses.append(("PATCH", lost))
    with pytest.raises(UpstreamError):
        await lossy_vault.vault.disable(made.id)
    await lossy_vault.vault.disable(made.id)
    assert lossy_vault.readable("conn-1") == []


async def test_the_secret_carries_what_we_know_it_by(lossy_vault: RealVault) -> None:
    await lossy_vault.vault.put("conn-1", "value", tags={"connectionId": "c-1", "attempt": "2"})
    (version,) = lossy_vault.store.versions("conn-1")
    assert version.content_type == "application/json"
    assert {"connectionId": "c-1", "attempt": "2"}.items() <= version.tags.items()
    assert len(version.tags["writeId"]) == 32
