"""Secrets that an issuer shares with the service: which texts hold some, and which signatures they verify."""

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from authz.authn.hmac_keys import MAX_BYTES, MAX_KEYS, HmacKeys, hmac_keys
from authz.authn.keys import KeySetError
from tests.authn.pki import a_ca
from tests.builders import a_jwk, a_jwks, ec_key, ed_key, rsa_key
from tests.canaries import note

ONE, TWO = bytes(range(64)), bytes(range(64, 128))
EVERY = ("HS256", "HS384", "HS512")
_DER, _PEM = serialization.Encoding.DER, serialization.Encoding.PEM
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def plain(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def url_safe(octets: bytes) -> str:
    return note(plain(octets))


def oct_key(secret: bytes = ONE, **members: Any) -> dict[str, Any]:
    return {"kty": "oct", "k": url_safe(secret), **members}


def key_text(*members: Any) -> str:
    return json.dumps({"keys": list(members)})


def verifies(keys: HmacKeys, kid: str | None, secret: bytes, algorithm: str = "HS256") -> bool:
    key = keys.find(kid, algorithm)
    signature = hmac.digest(secret, b"signed", algorithm.replace("HS", "sha"))
    return key is not None and key.verifies(b"signed", signature)


def why(text: str, *algorithms: str) -> str:
    with pytest.raises(KeySetError) as refusal:
        hmac_keys(text, algorithms or ("HS256",))
    return str(refusal.value)


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_signature_of_the_secret_verifies_and_no_other(algorithm: str) -> None:
    keys = hmac_keys(key_text(oct_key(kid="k1")), EVERY)
    key = keys.find("k1", algorithm)
    assert key is not None
    good = hmac.digest(ONE, b"signed", algorithm.replace("HS", "sha"))
    assert key.verifies(b"signed", good)
    for bad in (good[:-1], good + b"\0", bytes(len(good)), b"", bytes((good[0] ^ 1,)) + good[1:]):
        assert not key.verifies(b"signed", bad)
    assert not key.verifies(b"signed!", good)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("text", [url_safe(ONE), base64.b64encode(ONE).decode(), base64.urlsafe_b64encode(ONE).rstrip(b"=").decode()])
def test_one_line_of_base64_in_either_alphabet_is_one_key(text: str, end: str) -> None:
    keys = hmac_keys(note(text) + end, ("HS512",))
    assert verifies(keys, None, ONE, "HS512")
    assert verifies(keys, "whatever the issuer calls it", ONE, "HS512")
    assert keys.kids == ("without a name",)


def test_the_name_in_a_token_decides_where_a_key_has_it() -> None:
    keys = hmac_keys(key_text(oct_key(kid="k1"), oct_key(TWO, kid="k2")), EVERY)
    assert verifies(keys, "k1", ONE)
    assert not verifies(keys, "k1", TWO)
    assert keys.find("k3", "HS256") is None
    assert keys.find("", "HS256") is None
    assert keys.find("without a name", "HS256") is None


def test_a_token_without_a_name_may_be_of_any_key() -> None:
    keys = hmac_keys(key_text(oct_key(kid="k1"), oct_key(TWO, kid="k2")), EVERY)
    assert verifies(keys, None, ONE)
    assert verifies(keys, None, TWO)
    assert not verifies(keys, None, bytes(64))


def test_a_name_that_no_key_has_leaves_those_without_one() -> None:
    keys = hmac_keys(key_text(oct_key(kid="k1"), oct_key(TWO)), EVERY)
    assert verifies(keys, "other", TWO)
    assert not verifies(keys, "other", ONE)
    assert not verifies(keys, "k1", TWO)


def test_a_key_serves_the_algorithm_that_it_names() -> None:
    keys = hmac_keys(key_text(oct_key(kid="k1", alg="HS512"), oct_key(TWO[:32], kid="k2", alg="HS256")), EVERY)
    assert verifies(keys, "k1", ONE, "HS512")
    assert verifies(keys, None, TWO[:32], "HS256")
    assert keys.find("k1", "HS256") is None
    assert keys.find(None, "HS384") is None
    assert "not among" in why(key_text(oct_key(alg="HS512")), "HS256")


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_key_has_the_length_of_the_hash_at_least(algorithm: str, least: int) -> None:
    secret = bytes(range(200))
    for form in (url_safe, lambda key: key_text(oct_key(key)), lambda key: key_text(oct_key(key, alg=algorithm))):
        assert verifies(hmac_keys(form(secret[:least]), (algorithm,)), None, secret[:least], algorithm)
        assert f"{least} to 128 octets" in why(form(secret[: least - 1]), algorithm)
        assert f"{least} to 128 octets" in why(form(secret[:129]), algorithm)


def test_a_key_is_long_enough_for_every_algorithm_that_it_serves() -> None:
    assert "64 to 128 octets" in why(url_safe(ONE[:32]), *EVERY)


PUBLIC = {
    "RSA": rsa_key().public_key().public_bytes(_DER, _SPKI),
    "P-256": ec_key().public_key().public_bytes(_DER, _SPKI),
    "Ed25519": ed_key().public_key().public_bytes(_DER, _SPKI),
    "Ed25519, PEM": ed_key().public_key().public_bytes(_PEM, _SPKI),
    "small RSA": rsa.RSAPublicNumbers(65537, (1 << 511) + 1).public_key().public_bytes(_DER, _SPKI),
    "OpenSSH": ed_key().public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH),
    "private Ed25519": ed_key().private_bytes(_DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    "JWK": json.dumps({"kty": "OKP", "crv": "Ed25519", "x": a_jwk(ed_key())["x"]}).encode(),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_can_be_published_is_no_secret(name: str) -> None:
    known = PUBLIC[name]
    for text in (plain(known), base64.b64encode(known).decode(), key_text({"kty": "oct", "k": plain(known)})):
        told = why(text)
        assert "no secret" in told or "128 octets" in told


@pytest.mark.parametrize("form", [_SPKI, serialization.PublicFormat.PKCS1])
def test_a_text_in_pem_is_told_as_that_with_and_without_its_armour(form: serialization.PublicFormat) -> None:
    pem = rsa_key().public_key().public_bytes(_PEM, form).decode()
    assert "it is PEM" in why(pem)
    assert "it is PEM" in why(f"# a key\n{pem}")
    bare = pem.splitlines()[1:-1]
    assert "neither JSON" in why("\n".join(bare))
    assert "128 octets" in why("".join(bare)) or "no secret" in why("".join(bare))


def test_a_certificate_is_no_secret() -> None:
    certificate = a_ca("ca").certificate
    assert "it is PEM" in why(certificate.public_bytes(_PEM).decode())
    assert "no secret" in why(base64.b64encode(certificate.public_bytes(_DER)).decode())


def test_public_keys_in_the_place_of_secrets_are_told_where_they_belong() -> None:
    told = why(a_jwks(a_jwk()))
    assert "keys[0]" in told
    assert "jwksFrom" in told
    assert "keys[1]" in why(key_text(oct_key(), a_jwk()))


REFUSED = [
    ("", "neither JSON"),
    (" ", "neither JSON"),
    ("correct horse battery staple", "neither JSON"),
    (f" {url_safe(ONE)}", "neither JSON"),
    (f"{url_safe(ONE)}\n\n", "neither JSON"),
    (f"{url_safe(ONE)}\n{url_safe(TWO)}", "neither JSON"),
    (f"{url_safe(ONE)}=", "neither JSON"),
    (f"{base64.b64encode(ONE[:32]).decode()}=", "not Base64"),
    ("ab+/cd-_" * 8, "neither JSON"),
    (base64.b64encode(ONE[:32]).decode()[:-2] + "B=", "not Base64"),
    ("A" * 45, "not Base64"),
    ("A" * 43 + "==", "not Base64"),
    ('"secret"', "no key set"),
    ("{}", "no key set"),
    ('{"keys": []}', "no key set"),
    (json.dumps(oct_key()), "no key set"),
    (json.dumps([oct_key()]), "no key set"),
    ('{"keys": [], "keys": []}', "neither JSON"),
    ("\ud800", "neither JSON"),
    ("\ufeff" + key_text(oct_key()), "neither JSON"),
    (key_text("x"), "keys[0]: it is of another type"),
    (key_text({"kty": "oct"}), "keys[0]: k is not"),
    (key_text({"kty": "oct", "k": 7}), "keys[0]: k is not"),
    (key_text({"kty": "oct", "k": base64.urlsafe_b64encode(ONE[:32]).decode()}), "keys[0]: k is not"),
    (key_text({"kty": "oct", "k": "é" * 44}), "keys[0]: k is not"),
    (key_text(oct_key(kid=7)), "kid"),
    (key_text(oct_key(kid="")), "kid"),
    (key_text(oct_key(kid="k" * 257)), "kid"),
    (key_text(oct_key(use="enc")), "not for signatures"),
    (key_text(oct_key(key_ops=["sign"])), "not for verifying"),
    (key_text(oct_key(alg="none")), "not among"),
    (key_text(oct_key(alg="RS256")), "not among"),
    (key_text(oct_key(alg=[])), "not among"),
    (key_text(oct_key(alg="")), "not among"),
    (key_text(oct_key(kid="k1"), oct_key(TWO, kid="k1")), "two keys have one kid"),
    (key_text(*(oct_key() for _ in range(MAX_KEYS + 1))), f"more than {MAX_KEYS} keys"),
    ("A" * (MAX_BYTES + 1), "larger than 64 KiB"),
]


@pytest.mark.parametrize(("text", "told"), REFUSED, ids=range(len(REFUSED)))
def test_any_other_text_is_refused_whole_and_not_told(text: str, told: str) -> None:
    said = why(text)
    assert told in said
    assert url_safe(ONE) not in said


def test_no_representation_tells_a_secret() -> None:
    keys = hmac_keys(key_text(oct_key(kid="k1")), ("HS256",))
    for text in (repr(keys), repr(keys.find("k1", "HS256")), str(keys.kids)):
        assert url_safe(ONE) not in text
        assert repr(ONE)[2:20] not in text
