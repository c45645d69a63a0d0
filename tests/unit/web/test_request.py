"""What a request's headers and its trace say, whoever wrote them."""

from __future__ import annotations

import re
from dataclasses import astuple, replace
from types import SimpleNamespace
from typing import cast

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.caller import Caller
from shared.domain.errors import ValidationFailed
from shared.services.creating import IdempotencyKey
from shared.web.request import MAX_ADDRESS_CHARS, address_of, etag_of, idempotency_key, if_match, request_id_of
from tests.unit.web.requests import TRACE, TRACE_PARENT, context, request

CALLER = Caller(org_id="an-org", object_id="somebody", app_id="an-app")
BODY = b'{"credentials": {"clientSecret": "hunter2"}}'
HEX_64 = re.compile(r"[0-9a-f]{64}")


@pytest.mark.parametrize("parent", [TRACE_PARENT, f"01-{TRACE}-{'2' * 16}-00"])
def test_the_request_id_is_the_trace_id_of_the_invocation(parent: str) -> None:
    assert request_id_of(context(parent)) == TRACE


@pytest.mark.parametrize(
    "parent",
    [None, "", "garbage", f"00-{TRACE}-1-01", f"00-{TRACE.upper()}-{'1' * 16}-01", f"{TRACE_PARENT}\n", "\u0660" * 55],
)
def test_a_trace_id_that_is_none_is_replaced_by_a_fresh_one(parent: str | None) -> None:
    found, another = request_id_of(context(parent)), request_id_of(context(parent))
    assert re.fullmatch(r"[0-9a-f]{32}", found)
    assert found not in (parent or "")
    assert found != another


@pytest.mark.parametrize("without", [None, cast("func.Context", SimpleNamespace(trace_context=None))])
def test_an_invocation_without_a_trace_has_an_id_too(without: func.Context | None) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", request_id_of(without))


def address(forwarded: str | None) -> str | None:
    return address_of(request(headers={} if forwarded is None else {"X-Forwarded-For": forwarded}))


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:50123", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:50123", "2001:db8::1"),
        ("::1", "::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("  192.0.2.1  ", "192.0.2.1"),
    ],
)
def test_an_address_is_told_without_its_port(forwarded: str, expected: str) -> None:
    assert address(forwarded) == expected


@pytest.mark.parametrize(
    "spoofed", ["203.0.113.9", "203.0.113.9:1", "[2001:db8::bad]:1", "<script>", "", "x" * 9000, ","]
)
def test_only_the_entry_counts_that_the_platform_itself_appended(spoofed: str) -> None:
    assert address(f"{spoofed}, 192.0.2.1:50123") == "192.0.2.1"
    assert address(f"{spoofed},203.0.113.10,192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize("forwarded", [None, "", "  ", ","])
def test_without_an_entry_there_is_no_address(forwarded: str | None) -> None:
    assert address(forwarded) is None


def test_an_address_is_bounded() -> None:
    assert address("x" * 9000) == "x" * MAX_ADDRESS_CHARS


@given(forwarded=st.text(max_size=100))
def test_no_header_makes_an_address_a_defect(forwarded: str) -> None:
    found = address(forwarded)
    assert found is None or 0 < len(found) <= MAX_ADDRESS_CHARS


def matching(header: str | None) -> frozenset[int] | None:
    return if_match(request(headers={} if header is None else {"If-Match": header}))


@given(revision=st.integers(min_value=1, max_value=999_999_999))
def test_the_etag_that_was_given_admits_its_revision(revision: int) -> None:
    assert matching(etag_of(revision)) == frozenset({revision})


@pytest.mark.parametrize("header", [None, "", "  ", "*", " * "])
def test_without_a_condition_any_revision_is_admitted(header: str | None) -> None:
    assert matching(header) is None


@pytest.mark.parametrize("header", ['"1", "3"', '"1","3"', ' "1"\t,  "3" ', '"1", "3", "1"'])
def test_a_list_admits_each_of_its_revisions(header: str) -> None:
    assert matching(header) == frozenset({1, 3})


def test_every_member_of_a_long_list_counts() -> None:
    assert matching(", ".join(f'"{number}"' for number in range(1, 50))) == frozenset(range(1, 50))


@pytest.mark.parametrize(
    "header",
    ["3", "W/\"3\"", '"1", W/"3"', '"abc"', '""', '"3', "'3'", '"1" "3"', '"1",', ',"1"', '*, "1"', '"1", *', '"-1"',
     '"1.0"', '"1234567890"', '"3"x', '"3"\n"4"', "null", "\x00", '"\u0663"'],
)  # fmt: skip
def test_what_is_no_etag_of_ours_is_422(header: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        matching(header)
    assert [problem.path for problem in refused.value.problems] == [("If-Match",)]


def hashed(key: str | None, *, caller: Caller = CALLER, body: bytes = BODY) -> IdempotencyKey | None:
    return idempotency_key(request("POST", headers={} if key is None else {"Idempotency-Key": key}, body=body), caller)


def test_without_the_header_there_is_no_key() -> None:
    assert hashed(None) is None


def test_the_same_caller_key_and_body_are_the_same() -> None:
    assert hashed("a-key") == hashed("a-key")


def test_roles_name_address_and_request_do_not_make_another_caller() -> None:
    later = replace(CALLER, roles=frozenset({"x"}), name="Ada", address="192.0.2.1", request_id=TRACE)
    assert hashed("a-key", caller=later) == hashed("a-key")


@pytest.mark.parametrize(
    "caller",
    [replace(CALLER, object_id="another"), replace(CALLER, app_id="another"), replace(CALLER, app_id=None)],
)
def test_another_caller_has_keys_of_their_own(caller: Caller) -> None:
    mine, theirs = hashed("a-key"), hashed("a-key", caller=caller)
    assert mine is not None
    assert theirs is not None
    assert mine.key != theirs.key


def test_another_key_shares_no_hash_though_the_body_is_the_same() -> None:
    mine, other = hashed("a-key"), hashed("another-key")
    assert mine is not None
    assert other is not None
    assert (mine.key != other.key, mine.fingerprint != other.fingerprint) == (True, True)


def test_another_body_is_the_same_key_with_another_fingerprint() -> None:
    mine, other = hashed("a-key"), hashed("a-key", body=BODY + b" ")
    assert mine is not None
    assert other is not None
    assert (mine.key == other.key, mine.fingerprint == other.fingerprint) == (True, False)


@given(key=st.from_regex(r"\A[!-~]{8,255}\Z"), body=st.binary(min_size=8, max_size=100))
def test_nothing_of_key_or_body_is_in_the_hashes(key: str, body: bytes) -> None:
    found = hashed(key, body=body)
    assert found is not None
    assert all(HEX_64.fullmatch(part) for part in astuple(found))
    assert not [part for part in astuple(found) if key in part or body.hex() in part]


@pytest.mark.parametrize("key", ["!", "~" * 255, "0e1f2d3c-0000-4000-8000-000000000000"])
def test_a_key_is_1_to_255_printable_characters(key: str) -> None:
    assert hashed(key) is not None


@pytest.mark.parametrize("key", ["", " ", "a key", "x" * 256, "ü", "a\x00", "a\n", "a\tb", "\x7f"])
def test_every_other_key_is_422(key: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        hashed(key)
    assert [problem.path for problem in refused.value.problems] == [("Idempotency-Key",)]
