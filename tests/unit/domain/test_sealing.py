"""What is sealed opens only with its own secret and purpose."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.sealing import digest, seal, unseal

texts = st.text(max_size=200)


@given(text=texts, secret=st.text(min_size=1, max_size=50))
def test_what_was_sealed_opens_again(text: str, secret: str) -> None:
    assert unseal(seal(text, secret, "p"), secret, "p") == text


def test_another_secret_or_purpose_opens_nothing() -> None:
    sealed = seal("text", "secret", "purpose")
    assert unseal(sealed, "secret!", "purpose") is None
    assert unseal(sealed, "secret", "purpose!") is None


@given(where=st.integers(0, 31), bit=st.integers(0, 7))
def test_a_single_flipped_bit_opens_nothing(where: int, bit: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(seal("text", "secret", "p")))
    raw[where] ^= 1 << bit
    assert unseal(base64.urlsafe_b64encode(raw).decode(), "secret", "p") is None


@given(garbage=texts)
def test_garbage_opens_nothing_and_breaks_nothing(garbage: str) -> None:
    assert unseal(garbage, "secret", "p") is None


@given(length=st.integers(0, 60))
def test_what_was_cut_short_opens_nothing(length: int) -> None:
    sealed = seal("some text of some length", "secret", "p")
    assert unseal(sealed[: min(length, len(sealed) - 1)], "secret", "p") is None


def test_the_same_text_is_never_sealed_alike() -> None:
    assert seal("text", "secret", "p") != seal("text", "secret", "p")


def test_a_digest_is_sha_256_in_hex() -> None:
    assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4, example
