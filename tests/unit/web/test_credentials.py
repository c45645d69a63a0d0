"""The credentials of each method: what passes, what does not, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.credential import AppCredential, Certificate, ClientSecret, Federated, Method
from shared.services.proving import SubmittedCode
from shared.web.credentials import CREDENTIALS
from tests.fakes.clock import START
from tests.unit.web.certificates import (
    DAY,
    PASSPHRASE,
    PKCS1,
    PKCS8,
    altered,
    armoured,
    certificate,
    der,
    ec_key,
    ed25519_key,
    fingerprints,
    key_pem,
    pem,
    rsa_key,
)
from tests.unit.web.sent import (
    CLIENT,
    CONTEXT,
    KEY_ID,
    METHODS,
    REDIRECT_URI,
    TENANT,
    VERIFIER,
    Path,
    credentials,
    json_values,
)
from tests.unit.web.sent import problems as problems_of

OWN = rsa_key("own")
LEAF = certificate(OWN)
INTERMEDIATE = certificate(rsa_key("intermediate"), name="intermediate")
ROOT = certificate(rsa_key("root"), name="root")
APP_METHODS = ("client-secret", "certificate", "federated")


def problems(method: str, **changes: Any) -> dict[Path, str]:
    """What is wrong, as path and message."""
    found = problems_of(credentials(method, **changes), CREDENTIALS[Method(method)])
    return {path: problem.message for path, problem in found.items()}


def submitted(method: str, **changes: Any) -> SubmittedCode | AppCredential:
    """What becomes of credentials that pass."""
    return CREDENTIALS[Method(method)].read(credentials(method, **changes), CONTEXT).submitted()


def kept(**changes: Any) -> Certificate:
    """What becomes of a certificate that passes."""
    found = submitted("certificate", **changes)
    assert isinstance(found, Certificate)
    return found


def test_every_method_has_its_credentials() -> None:
    assert set(CREDENTIALS) == set(Method)


@pytest.mark.parametrize("method", METHODS)
def test_no_repr_of_credentials_shows_what_is_secret(method: str) -> None:
    sent = credentials(method)
    read = CREDENTIALS[Method(method)].read(sent, CONTEXT)
    for secret in ("code", "clientSecret", "privateKey"):
        if secret in sent:
            assert sent[secret].strip() not in repr(read)
            assert repr(sent[secret].strip()) not in repr(read) + repr(read.submitted())


def test_a_code_keeps_what_is_needed_to_redeem_it() -> None:
    changes = {"code": "  a-code  ", "tenantId": TENANT.upper(), "codeVerifier": VERIFIER, "redirectUri": REDIRECT_URI}
    expected = SubmittedCode(code="a-code", tenant=TENANT, redirect_uri=REDIRECT_URI, verifier=VERIFIER)
    assert submitted("oauth", **changes) == expected
    assert submitted("oauth") == SubmittedCode(code="a-code")


@pytest.mark.parametrize("code", ["", "  \t\n"])
def test_an_empty_code_is_refused_in_the_published_words(code: str) -> None:
    assert problems("oauth", code=code) == {("code",): "OAuth code required"}


@pytest.mark.parametrize("code", [None, 5, "x" * 8193, ...])
def test_a_code_is_a_text_of_bounded_length(code: object) -> None:
    assert set(problems("oauth", code=code)) == {("code",)}


@pytest.mark.parametrize("tenant", ["contoso.com", "a.b-c.example", f" {TENANT} ", "Contoso.OnMicrosoft.com", None])
def test_a_tenant_is_an_id_or_a_domain_name(tenant: str | None) -> None:
    assert submitted("oauth", tenantId=tenant) == SubmittedCode("a-code", tenant and tenant.strip().lower())


@pytest.mark.parametrize(
    "tenant",
    ["common", "organizations", "consumers", "", "a/../b.com", "contoso.com/x", "contoso.com?x", "contoso.com#", "..",
     "a..b.com", "-a.com", "contoso.com:443", "x@contoso.com", "%2e.com", "контосо.рф", "a." * 130 + "com",
     "{" + TENANT + "}", "urn:uuid:" + TENANT, TENANT.replace("-", ""), 5, [TENANT]],
)  # fmt: skip
def test_whatever_could_break_out_of_a_url_path_is_no_tenant(tenant: object) -> None:
    assert set(problems("oauth", tenantId=tenant)) == {("tenantId",)}


@pytest.mark.parametrize("verifier", ["v" * 42, "v" * 129, "v" * 42 + "!", 5])
def test_a_code_verifier_obeys_rfc_7636(verifier: object) -> None:
    assert set(problems("oauth", codeVerifier=verifier)) == {("codeVerifier",)}


@pytest.mark.parametrize(
    "uri", ["https://app.example/callback/", "https://APP.example/callback", "https://evil", "", 5]
)
def test_a_redirect_uri_must_be_a_configured_one_to_the_letter(uri: object) -> None:
    assert set(problems("oauth", redirectUri=uri)) == {("redirectUri",)}


@pytest.mark.parametrize("method", APP_METHODS)
@pytest.mark.parametrize("field", ["clientId", "tenantId"])
@pytest.mark.parametrize("sent", ["", "contoso.com", "{" + TENANT + "}", TENANT.replace("-", ""), None, 5, ...])
def test_an_app_and_its_tenant_are_named_by_id(method: str, field: str, sent: object) -> None:
    assert set(problems(method, **{field: sent})) == {(field,)}


def test_an_app_whose_password_is_kept_is_told_as_it_was_sent_with_its_ids_in_lower_case() -> None:
    upper = "ABCDEF00-0000-4000-8000-000000000000"
    assert submitted("client-secret", clientId=upper, tenantId=upper) == ClientSecret(
        client_id=upper.lower(), tenant_id=upper.lower(), client_secret="a-secret"
    )


@pytest.mark.parametrize(("sent", "kept_as"), [("x", "x"), ("x" * 50, "x" * 50), ("  ~Q8~x  ", "~Q8~x")])
def test_a_client_secret_has_1_to_50_characters(sent: str, kept_as: str) -> None:
    found = submitted("client-secret", clientSecret=sent)
    assert isinstance(found, ClientSecret)
    assert found.client_secret == kept_as


@pytest.mark.parametrize("sent", ["", "   ", "x" * 51, None, 5, ["x"], ...])
def test_every_other_client_secret_is_refused(sent: object) -> None:
    assert set(problems("client-secret", clientSecret=sent)) == {("clientSecret",)}


@pytest.mark.parametrize(("sent", "kept_as"), [(KEY_ID.upper(), KEY_ID), (None, None), (..., None)])
def test_a_client_secret_may_come_with_its_key_id(sent: object, kept_as: str | None) -> None:
    read = CREDENTIALS[Method.CLIENT_SECRET].read(credentials("client-secret", clientSecretKeyId=sent), CONTEXT)
    assert read.key_id == kept_as


@pytest.mark.parametrize("sent", ["", "a-key", 5])
def test_a_key_id_is_a_guid(sent: object) -> None:
    assert set(problems("client-secret", clientSecretKeyId=sent)) == {("clientSecretKeyId",)}


@pytest.mark.parametrize("method", ["oauth", "certificate", "federated"])
def test_only_a_client_secret_has_a_key_id(method: str) -> None:
    read = CREDENTIALS[Method(method)].read(credentials(method, clientSecretKeyId=KEY_ID), CONTEXT)
    assert read.key_id is None


def test_a_federated_app_has_nothing_secret() -> None:
    found = submitted("federated", clientSecret="ignored", privateKey="ignored")
    assert found == Federated(client_id=CLIENT, tenant_id=TENANT)


@pytest.mark.parametrize(
    "chain",
    [
        (LEAF,),
        (LEAF, INTERMEDIATE, ROOT),
        (ROOT, INTERMEDIATE, LEAF),
        (INTERMEDIATE, LEAF, ROOT),
        (certificate(ec_key()), LEAF),
    ],
)
def test_of_a_chain_the_apps_own_certificate_is_kept_first_and_the_rest_in_order(chain: tuple[Any, ...]) -> None:
    ordered = [LEAF, *(each for each in chain if each != LEAF)]
    found = kept(certificateBody=pem(*chain))
    assert fingerprints(found.certificate_body) == fingerprints(pem(*ordered))
    assert (found.client_id, found.tenant_id) == (CLIENT, TENANT)


def test_a_certificate_that_is_there_twice_is_kept_once() -> None:
    assert fingerprints(kept(certificateBody=pem(LEAF, ROOT, LEAF)).certificate_body) == fingerprints(pem(LEAF, ROOT))


def test_text_around_a_certificate_is_not_kept() -> None:
    body = f"Bag Attributes\n    friendlyName: an-app\n{pem(LEAF)}\n# end\n"
    assert kept(certificateBody=body).certificate_body == pem(LEAF)


@pytest.mark.parametrize("form", [PKCS8, PKCS1])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_private_key_is_pkcs_8_or_pkcs_1(form: PrivateFormat, line_end: str) -> None:
    text = key_pem(OWN, form).replace("\n", line_end)
    assert kept(privateKey=f"  {text}  ").private_key == text.strip()


@pytest.mark.parametrize("form", [PKCS8, PKCS1])
def test_an_encrypted_key_is_refused_with_what_to_do(form: PrivateFormat) -> None:
    found = problems("certificate", privateKey=key_pem(OWN, form, PASSPHRASE))
    assert found == {("privateKey",): "The private key is encrypted; decrypt it first: openssl pkey -in key.pem"}


@pytest.mark.parametrize("key", [ec_key(), ed25519_key()])
def test_a_key_that_is_not_rsa_is_refused_even_with_its_own_certificate(key: Any) -> None:
    found = problems("certificate", privateKey=key_pem(key), certificateBody=pem(certificate(key)))
    assert found == {("privateKey",): "Must be an RSA key: Entra accepts no other for an app's certificate"}


def test_a_small_key_is_refused() -> None:
    small = rsa_key("small", 1024)
    found = problems("certificate", privateKey=key_pem(small), certificateBody=pem(certificate(small)))
    assert found == {("privateKey",): "The RSA key must have at least 2048 bits"}


@pytest.mark.parametrize("chain", [(ROOT,), (ROOT, INTERMEDIATE), (certificate(ec_key()),)])
def test_a_key_of_none_of_the_certificates_is_refused(chain: tuple[Any, ...]) -> None:
    found = problems("certificate", certificateBody=pem(*chain))
    assert found == {("privateKey",): "The private key does not belong to the certificate"}


@pytest.mark.parametrize(
    ("begins", "ends", "text"),
    [
        (START - 2 * DAY, START - DAY, "The certificate expired on 2026-03-01 10:00 UTC"),
        (START + DAY, START + 2 * DAY, "The certificate is not valid before 2026-03-03 10:00 UTC"),
    ],
)
def test_a_certificate_that_is_not_valid_now_is_refused(begins: Any, ends: Any, text: str) -> None:
    found = problems("certificate", certificateBody=pem(certificate(OWN, begins=begins, ends=ends)))
    assert list(found.values()) == [text]


@pytest.mark.parametrize(("begins", "ends"), [(START, START + DAY), (START - DAY, START)])
def test_the_first_and_the_last_second_of_a_certificate_count(begins: Any, ends: Any) -> None:
    assert problems("certificate", certificateBody=pem(certificate(OWN, begins=begins, ends=ends))) == {}


def test_only_the_apps_own_certificate_must_be_valid_now() -> None:
    expired = certificate(rsa_key("root"), name="root", begins=START - 2 * DAY, ends=START - DAY)
    assert problems("certificate", certificateBody=pem(LEAF, expired)) == {}


GARBAGE = ["x", "ü", "-----BEGIN CERTIFICATE-----", armoured(b""), armoured(b"\x30\x00"), armoured(der(LEAF)[:-1])]


@pytest.mark.parametrize("body", [*GARBAGE, key_pem(OWN), armoured(der(LEAF), "PRIVATE KEY")])
def test_a_certificate_that_cannot_be_read_is_refused_in_our_words(body: str) -> None:
    text = "Must be a certificate in PEM form, or a chain of them"
    assert problems("certificate", certificateBody=body) == {("certificateBody",): text}


KEY_GARBAGE = [
    "x", "ü", "-----BEGIN PRIVATE KEY-----", pem(LEAF), armoured(b"", "PRIVATE KEY"),
    armoured(b"\x30\x00", "RSA PRIVATE KEY"), armoured(der(LEAF), "PRIVATE KEY"),
    armoured(b"x", "OPENSSH PRIVATE KEY"),
]  # fmt: skip


@pytest.mark.parametrize("text", KEY_GARBAGE)
def test_a_key_that_cannot_be_read_is_refused_in_our_words(text: str) -> None:
    assert problems("certificate", privateKey=text) == {
        ("privateKey",): "Must be a private key in PEM form (PKCS#8 or PKCS#1)"
    }


@pytest.mark.parametrize("sent", ["", "  ", None, 5, "x" * 20_001, ...])
@pytest.mark.parametrize("field", ["certificateBody", "privateKey"])
def test_certificate_and_key_are_texts_of_bounded_length(field: str, sent: object) -> None:
    assert set(problems("certificate", **{field: sent})) == {(field,)}


def test_all_that_is_wrong_with_a_certificate_is_told_at_once() -> None:
    found = problems("certificate", clientId="x", tenantId=..., certificateBody="x", privateKey="x")
    assert set(found) == {("clientId",), ("tenantId",), ("certificateBody",), ("privateKey",)}


RSA_KIND = bytes.fromhex("2a864886f70d010101")
P_256 = bytes.fromhex("2a8648ce3d030107")
VERSION_3 = bytes.fromhex("a003020102")
PUBLIC_KEY = OWN.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
ODD_VERSION = altered(der(LEAF), (VERSION_3, VERSION_3[:-1] + b"\x07"))
ODD_KEYS = [
    altered(der(LEAF), (RSA_KIND, RSA_KIND[:-1] + b"\x63")),
    altered(der(certificate(ec_key())), (P_256, P_256[:-1] + b"\x63")),
    altered(der(LEAF), (PUBLIC_KEY, b"\x05" + PUBLIC_KEY[1:])),
]


@pytest.mark.parametrize("odd", [ODD_VERSION, *ODD_KEYS], ids=["version", "kind of key", "curve", "public key"])
def test_a_certificate_of_a_kind_that_nobody_knows_is_refused_in_our_words(odd: bytes) -> None:
    ((path, text),) = problems("certificate", certificateBody=armoured(odd)).items()
    assert path in {("certificateBody",), ("privateKey",)}
    assert "ASN.1" not in text


@pytest.mark.parametrize("odd", ODD_KEYS, ids=["kind of key", "curve", "public key"])
def test_another_certificate_of_an_unknown_kind_does_not_hide_the_apps_own(odd: bytes) -> None:
    assert problems("certificate", certificateBody=armoured(odd) + pem(LEAF)) == {}


@pytest.mark.parametrize(("p", "q"), [(4423, 4253), (31, 4423), (31, 3217)])
def test_a_key_that_would_take_long_to_check_is_refused_at_once(p: int, q: int) -> None:
    # Anybody can make a key of two Mersenne primes. OpenSSL tests such primes for seconds, and with 14 112 bits for
    # half a minute, on the thread that every other request needs. The key need not be large for it: one prime may be.
    large = armoured(rsa_numbers(2**p - 1, 2**q - 1), "RSA PRIVATE KEY")
    ((path, text),) = problems("certificate", privateKey=large).items()
    assert path == ("privateKey",)
    assert text != "The private key does not belong to the certificate"


def rsa_numbers(p: int, q: int) -> bytes:
    """A PKCS#1 private key (RFC 8017 appendix A.1.2)."""
    n, e = p * q, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    members = b"".join(_integer(each) for each in (0, n, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)))
    return b"\x30" + _length(len(members)) + members


def _integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1)
    return b"\x02" + _length(len(content)) + content


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    content = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([0x80 | len(content)]) + content


@given(place=st.integers(0, len(der(LEAF)) - 1), bit=st.integers(0, 7))
def test_a_damaged_certificate_is_taken_or_refused_and_never_a_defect(place: int, bit: int) -> None:
    damaged = bytearray(der(LEAF))
    damaged[place] ^= 1 << bit
    found = problems("certificate", certificateBody=armoured(bytes(damaged)))
    assert set(found) <= {("certificateBody",), ("privateKey",)}


@given(place=st.integers(0, 1200), bit=st.integers(0, 7))
def test_a_damaged_key_is_taken_or_refused_and_never_a_defect(place: int, bit: int) -> None:
    damaged = bytearray(OWN.private_bytes(Encoding.DER, PKCS8, NoEncryption()))
    damaged[place % len(damaged)] ^= 1 << bit
    assert set(problems("certificate", privateKey=armoured(bytes(damaged), "PRIVATE KEY"))) <= {("privateKey",)}


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_any_json_in_any_field_is_taken_or_refused_and_never_a_defect(method: str, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(credentials(method))))
    value = data.draw(json_values)
    assert {path[0] for path in problems(method, **{field: value})} <= {field, "privateKey"}


@pytest.mark.parametrize("method", METHODS)
@given(sent=json_values)
def test_any_json_instead_of_credentials_is_refused_and_never_a_defect(method: str, sent: object) -> None:
    with pytest.raises(ValidationError):
        CREDENTIALS[Method(method)].read(sent, CONTEXT)


@pytest.mark.parametrize("method", METHODS)
def test_no_problem_repeats_what_was_sent(method: str) -> None:
    found = problems(method, **dict.fromkeys(credentials(method), "S3CRET"), redirectUri="S3CRET", codeVerifier="S3C")
    assert "S3C" not in repr(found)
