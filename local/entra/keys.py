"""The key that signs every token, kept as PEM beside the state so that a restart continues."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode

from local.entra.clock import SKEW_SECONDS


class SigningKey:
    """An RSA key that signs and checks JWTs with RS256."""

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private
        self._public = private.public_key()
        spki = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.id = base64url_encode(sha256(spki).digest()).decode()[:27]

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """The key in that file, made when missing."""
        if not path.exists():
            made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(path, pem)
        # The check of the primes takes longer than the rest of a start, and the file is our own.
        loaded = serialization.load_pem_private_key(
            path.read_bytes(), password=None, unsafe_skip_rsa_key_validation=True
        )
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise TypeError(f"{path} holds no RSA key")
        return cls(loaded)

    def sign(self, claims: dict[str, Any]) -> str:
        """The claims as a signed JWT."""
        return jwt.encode(claims, self._private, algorithm="RS256", headers={"kid": self.id})

    def verify(self, token: str, *, audience: str) -> dict[str, Any]:
        """The claims of a token that this key signed for `audience`. Raises `jwt.InvalidTokenError`."""
        claims: dict[str, Any] = jwt.decode(
            token, self._public, algorithms=["RS256"], audience=audience, leeway=SKEW_SECONDS
        )
        return claims

    def jwk(self) -> dict[str, Any]:
        """The public half (RFC 7517); like Entra's, it names no `alg`."""
        full = RSAAlgorithm.to_jwk(self._public, as_dict=True)
        return {"kty": "RSA", "use": "sig", "kid": self.id, "n": full["n"], "e": full["e"]}


def write_private(path: Path, content: bytes) -> None:
    """Replace the file's content, all or nothing, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
