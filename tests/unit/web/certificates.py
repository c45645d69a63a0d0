"""RSA keys and certificates as callers send them, each made once: making a key is slow."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from tests.fakes.clock import START

DAY = timedelta(days=1)
PKCS1, PKCS8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8
PASSPHRASE = BestAvailableEncryption(b"a passphrase")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The RSA key of that name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """A key of the wrong kind."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """Another one."""
    return ed25519.Ed25519PrivateKey.generate()


@cache
def certificate(
    key: PrivateKey,
    *,
    name: str = "an-app",
    issuer: rsa.RSAPrivateKey | None = None,
    begins: datetime = START - DAY,
    ends: datetime = START + 365 * DAY,
) -> x509.Certificate:
    """A certificate for `key`, signed by the issuer's key or an RSA key of its own."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, begins, ends)
    return builder.sign(issuer or (key if isinstance(key, rsa.RSAPrivateKey) else rsa_key("issuer")), hashes.SHA256())


def pem(*chain: x509.Certificate) -> str:
    """Certificates as text, in that order."""
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in chain)


def key_pem(
    key: PrivateKey,
    form: PrivateFormat = PKCS8,
    encryption: KeySerializationEncryption = NoEncryption(),  # noqa: B008 -- it has no state
) -> str:
    """A private key as text."""
    return key.private_bytes(Encoding.PEM, form, encryption).decode()


def armoured(der: bytes, label: str = "CERTIFICATE") -> str:
    """Whatever bytes, dressed as PEM."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def der(of: x509.Certificate) -> bytes:
    """The bytes of a certificate."""
    return of.public_bytes(Encoding.DER)


def altered(original: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    """`original` with its first occurrence of each sequence replaced by another of the same length."""
    for before, after in changes:
        assert before in original
        assert len(before) == len(after)
        original = original.replace(before, after, 1)
    return original


def fingerprints(text: str) -> Sequence[str]:
    """The certificates in a PEM text, in order, by fingerprint."""
    return [each.fingerprint(hashes.SHA256()).hex() for each in x509.load_pem_x509_certificates(text.encode())]
