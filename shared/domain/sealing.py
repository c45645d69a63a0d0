"""Sealing what must outlive a request but not leak from where it waits.

AES-256-GCM (NIST SP 800-38D) under a key derived from a secret that only the browser will bring back (HKDF, RFC 5869).
"""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


def digest(secret: str) -> str:
    """SHA-256 in hex: how a random secret of 128 bits or more is kept where it must be recognised."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seal(text: str, secret: str, purpose: str) -> str:
    """`text`, readable again only with `secret` and the same `purpose`."""
    nonce = os.urandom(NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + _cipher(secret, purpose).encrypt(nonce, text.encode(), None)).decode()


def unseal(sealed: str, secret: str, purpose: str) -> str | None:
    """The sealed text, or None when the secret is another or the seal was tampered with."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- see `_cipher`

    try:
        raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
        return _cipher(secret, purpose).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None).decode()
    except (InvalidTag, ValueError):  # ValueError: cut short, or not base64 any more
        return None


def _cipher(secret: str, purpose: str) -> AESGCM:
    # Only a sign-in needs these, so a cold start does not wait for them.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- see above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 -- see above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 -- see above

    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode()))
