"""A certificate and its private key, checked before anything is spent on them.

Entra takes RSA keys only for an app's certificate
(https://learn.microsoft.com/entra/identity-platform/certificate-credentials). Every `ValueError` here is written for
the caller and repeats nothing that was sent.
"""

from __future__ import annotations

import warnings
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.utils import CryptographyDeprecationWarning

MIN_KEY_BITS = 2048
MAX_KEY_BITS = 4096


def read_chain(pem: str) -> list[x509.Certificate]:
    """The certificates of a PEM text, at least one."""
    try:
        # The library only warns of members that RFC 5280 forbids; it says that it will refuse them one day.
        with warnings.catch_warnings(action="error", category=CryptographyDeprecationWarning):
            chain = x509.load_pem_x509_certificates(pem.encode())
            # Damage shows when a member is read.
            return [certificate for certificate in chain if certificate.not_valid_after_utc]
    except (ValueError, x509.InvalidVersion, CryptographyDeprecationWarning):
        raise ValueError("Must be a certificate in PEM form, or a chain of them") from None


def read_key(pem: str) -> RSAPrivateKey:
    """The RSA private key of a PEM text, PKCS#8 or PKCS#1.

    Its size is checked before its numbers are: OpenSSL takes seconds over large primes, on the thread that every other
    request needs.
    """
    unchecked = _loaded(pem, checked=False)
    if unchecked.key_size < MIN_KEY_BITS:
        raise ValueError(f"The RSA key must have at least {MIN_KEY_BITS} bits")
    numbers = unchecked.private_numbers()
    if unchecked.key_size > MAX_KEY_BITS or max(numbers.p, numbers.q).bit_length() > MAX_KEY_BITS // 2:
        raise ValueError(f"The RSA key must have at most {MAX_KEY_BITS} bits, in two primes of the same size")
    return _loaded(pem, checked=True)


def _loaded(pem: str, *, checked: bool) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=not checked)
    except TypeError:
        raise ValueError("The private key is encrypted; decrypt it first: openssl pkey -in key.pem") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("Must be a private key in PEM form (PKCS#8 or PKCS#1)") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("Must be an RSA key: Entra accepts no other for an app's certificate")
    return key


def check_validity(certificate: x509.Certificate, now: datetime) -> None:
    """Raise `ValueError` unless `now` lies within the certificate's validity."""
    if now < certificate.not_valid_before_utc:
        raise ValueError(f"The certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    if now > certificate.not_valid_after_utc:
        raise ValueError(f"The certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")


def ends_at(pem: str) -> datetime:
    """When the first certificate of the PEM text ends, UTC."""
    return read_chain(pem)[0].not_valid_after_utc


def own_certificate(chain: list[x509.Certificate], key: RSAPrivateKey) -> x509.Certificate:
    """The certificate of the chain that `key` belongs to. Raises `ValueError` when there is none."""
    wanted = _public_bytes(key.public_key())
    for certificate in chain:
        if _public_key_of(certificate) == wanted:
            return certificate
    raise ValueError("The private key does not belong to the certificate")


def as_pem(chain: list[x509.Certificate], first: x509.Certificate) -> str:
    """The chain as PEM with `first` at its head, where clients look for the app's own certificate."""
    ordered = [first, *(certificate for certificate in chain if certificate != first)]
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in ordered)


def _public_key_of(certificate: x509.Certificate) -> bytes | None:
    """None for a key of a kind that nobody knows."""
    try:
        return _public_bytes(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return None


def _public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
