"""What the reading of tokens adds to a library that verifies signatures, rule by rule, by the answers of the whole service."""

import json
from math import prod
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.builders import Installation, a_jwk, a_jwks, a_manifest, a_request, ec_key, ed_key, issuer_yaml, rsa_key
from tests.conformance.presenting import CLAIMS, EVERY, HEADER, a_service, part, reason, signed, with_claims, with_header
from tests.fakes import NOON

GOOD = a_jwk(kid="good")
SECRET = b"a secret that two parties share, 40 bytes"
LATER = int(NOON) + 3600


def loaded(spec: str) -> tuple[str, str]:
    """The codes of what is wrong with a policy, and what a request gets that it would have decided."""
    installation = Installation(a_manifest(spec))
    (state,) = installation.report.states
    return " ".join(each.code for each in state.problems), str(installation.decide(a_request(token=signed())).reason.value)


def policy(issuer: str | None = None, audiences: str = "audiences: [orders]") -> str:
    rules = "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]"
    return f"hosts: [api.example.com]\n{audiences}\nissuers: [{issuer or issuer_yaml()}]\n{rules}"


def member(key: Any) -> dict[str, Any]:
    return {"kid": "k1", **json.loads(RSAAlgorithm.to_jwk(rsa.RSAPublicNumbers(key[1], key[0]).public_key()))}


def test_w00_what_the_table_changes_is_accepted_without_the_change() -> None:
    assert reason(signed()) == "rule.allow"
    assert reason(with_header(typ=None, kid=None)) == "rule.allow"
    assert loaded(policy()) == ("", "rule.allow")


@pytest.mark.parametrize("tail", ["=", "==", "\n", " ", ".", "%3D"])
def test_w01_a_token_has_one_spelling_also_once_it_is_remembered(tail: str) -> None:
    assert reason(signed()) == "rule.allow"
    assert reason(signed() + tail) == "token.malformed"
    header, payload, signature = signed().split(".")
    assert reason(f"{header}={tail}.{payload}.{signature}") == "token.malformed"


def test_w01_bits_that_no_octet_needs_are_no_second_spelling() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = signed()
    # The 256 octets of the signature leave two characters at the end, whose last four bits say nothing.
    other = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
    assert reason(other) == "token.malformed"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (with_claims(pad="x" * 13000), "token.too_large"),
        (with_header(pad="x" * 3200), "token.malformed"),
        (with_header(kid="k" * 257), "token.malformed"),
        (with_header(kid="k" * 256), "token.key_unknown"),
        (with_claims(aud=["orders"] * 65), "token.malformed"),
        (with_claims(aud=["orders"] * 64), "rule.allow"),
        (signed(claims=json.dumps(CLAIMS).replace(str(LATER), "9" * 4000).encode()), "token.malformed"),
        (signed(claims=json.dumps(CLAIMS).replace(str(LATER), "9" * 5000).encode()), "token.malformed"),
        (signed(claims=b"[" * 6000), "token.malformed"),
    ],
    ids=["token", "header", "kid", "kid at the limit", "aud", "aud at the limit", "4000 digits", "5000 digits", "depth"],
)
def test_w02_everything_has_a_size(token: str, expected: str) -> None:
    assert reason(token) == expected


@pytest.mark.parametrize("change", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": []}, {"use": "sig", "key_ops": ["sign"]}])
def test_w03_a_key_that_is_for_something_else_verifies_nothing(change: dict[str, Any]) -> None:
    assert reason(signed(), a_service({**a_jwk(), **change}, GOOD)) == "token.key_unknown"


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_w04_a_key_without_algorithm_serves_those_that_the_policy_lists(algorithm: str) -> None:
    token = signed({**HEADER, "alg": algorithm}, by=algorithm)
    assert reason(token, a_service(a_jwk(), algorithms=EVERY)) == "rule.allow"
    assert reason(token, a_service(a_jwk(), algorithms="RS256")) == ("rule.allow" if algorithm == "RS256" else "token.algorithm")
    assert reason(token, a_service(a_jwk(alg="PS512"), algorithms=EVERY)) == ("rule.allow" if algorithm == "PS512" else "token.key_unknown")


@pytest.mark.parametrize("alg", [[], {}, ["RS256"], None, True, 256])
def test_w05_an_algorithm_is_text(alg: Any) -> None:
    assert reason(signed({**HEADER, "alg": alg})) == "token.malformed"


@pytest.mark.parametrize("alg", ["", "RS", "S256", "RS25", "rs256", "RS256 ", "RS256,ES256", "none", "None", "HS256"])
def test_w05_an_algorithm_is_one_of_the_list_letter_for_letter(alg: str) -> None:
    assert reason(with_header(alg=alg)) == "token.algorithm"


@pytest.mark.parametrize(
    "bad",
    [
        {"kty": "oct"},
        {"kty": []},
        {},
        7,
        None,
        [],
        "text",
        {**GOOD, "alg": "none"},
        {**GOOD, "alg": []},
        {**GOOD, "alg": {}},
        {"kty": "RSA"},
    ],
)
def test_w06_one_bad_entry_spoils_no_other(bad: Any) -> None:
    assert reason(signed(), a_service(bad, a_jwk(), bad)) == "rule.allow"


@pytest.mark.parametrize(
    ("private", "token"),
    [
        (RSAAlgorithm.to_jwk(rsa_key("leaked")), signed(key=rsa_key("leaked"))),
        (ECAlgorithm.to_jwk(ec_key("leaked")), signed({**HEADER, "alg": "ES256"}, key=ec_key("leaked"), by="ES256")),
        (OKPAlgorithm.to_jwk(ed_key("leaked")), signed({**HEADER, "alg": "EdDSA"}, key=ed_key("leaked"), by="EdDSA")),
    ],
    ids=["RSA", "EC", "OKP"],
)
def test_w07_a_private_key_that_was_published_verifies_nothing_and_is_told(private: str, token: str) -> None:
    leaked = {**json.loads(private), "kid": "k1"}
    leaked.pop("key_ops", None)
    service = a_service(leaked, GOOD)
    assert reason(token, service) == "token.key_unknown"
    ((_, _, (told,)),) = service.journal.fetches
    assert "private" in told
    assert leaked["d"] not in told
    public = {name: value for name, value in leaked.items() if name not in {"d", "p", "q", "dp", "dq", "qi"}}
    assert reason(token, a_service(public)) == "rule.allow"


def test_w08_a_symmetric_key_that_was_published_is_no_secret() -> None:
    token = signed({**HEADER, "alg": "HS256"}, key=HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(SECRET), by="HS256")
    shared = {**json.loads(HMACAlgorithm.to_jwk(SECRET)), "kid": "k1", "alg": "HS256", "use": "sig"}
    service = a_service(shared, a_jwk(), algorithms=EVERY)
    assert reason(token, service) == "token.algorithm"
    assert reason(signed(), service) == "rule.allow"
    assert loaded(policy(issuer_yaml(more=", algorithms: [HS256]"))) == ("AZ110", "policy.invalid")


def test_w09_two_keys_of_one_name_are_none() -> None:
    service = a_service(a_jwk(), a_jwk(rsa_key("two")), a_jwk(rsa_key("three"), "k3"))
    assert reason(signed(), service) == "token.key_unknown"
    assert reason(signed(key=rsa_key("two")), service) == "token.key_unknown"
    assert reason(signed({**HEADER, "kid": "k3"}, key=rsa_key("three")), service) == "rule.allow"


def test_w09_a_token_that_names_no_key_is_of_the_only_one_that_fits() -> None:
    nameless = with_header(kid=None)
    assert reason(nameless, a_service(a_jwk(), a_jwk(ec_key(), "e1"))) == "rule.allow"
    assert reason(nameless, a_service(a_jwk(), a_jwk(rsa_key("two"), "k2"))) == "token.key_unknown"


def test_w10_a_short_rsa_key_verifies_nothing() -> None:
    short = rsa.generate_private_key(65537, 1024)
    assert reason(signed(key=short), a_service(a_jwk(short), GOOD)) == "token.key_unknown"


def test_w10_a_key_with_a_small_exponent_verifies_nothing() -> None:
    small = rsa.generate_private_key(3, 2048)
    assert reason(signed(key=small), a_service(a_jwk(small), GOOD)) == "token.key_unknown"


def _roca() -> int:
    product = prod(n for n in range(3, 168) if all(n % other for other in range(2, n)))
    modulus = pow(65537, 424242, product) + product * ((1 << 2047) // product + 1)
    return modulus + product if modulus % 2 == 0 else modulus


@pytest.mark.parametrize(
    "numbers",
    [((1 << 8192) + 1, 65537), ((1 << 2047) + 1, (1 << 32) + 1), ((1 << 2047) + 1, (1 << 2000) + 1), (_roca(), 65537)],
    ids=["8193 bits", "exponent of 33 bits", "exponent of 2001 bits", "ROCA"],
)
def test_w10_a_key_out_of_bounds_is_not_used(numbers: tuple[int, int]) -> None:
    service = a_service(member(numbers), GOOD)
    assert service.ring.all()[0].keys is not None
    assert service.ring.all()[0].keys.kids == ("good",)
    assert reason(signed(), service) == "token.key_unknown"


@pytest.mark.parametrize("value", [str(LATER), f" {LATER} ", "9_999_999_999", "٩٩٩٩٩٩٩٩٩٩", True, False, [], {}, 10**20, -1, 2**53, 1e300])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_w11_a_time_is_a_number_of_seconds(name: str, value: Any) -> None:
    assert reason(with_claims(**{name: value})) == "token.malformed"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_w11_a_time_that_is_null_is_no_number(name: str) -> None:
    assert reason(signed(claims={**CLAIMS, name: None})) == "token.malformed"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": None}, "token.lifetime"),
        ({"exp": NOON - 30 + 0.5}, "rule.allow"),
        ({"exp": NOON - 30 - 0.5}, "token.expired"),
        ({"exp": NOON - 30}, "token.expired"),
        ({"nbf": NOON + 30.5}, "token.not_yet_valid"),
        ({"nbf": NOON + 29.5}, "rule.allow"),
        ({"nbf": NOON + 30}, "rule.allow"),
        ({"iat": NOON + 30.5}, "token.not_yet_valid"),
        ({"iat": None}, "rule.allow"),
    ],
)
def test_w11_a_token_ends_and_its_times_are_compared_as_they_are(claims: dict[str, Any], expected: str) -> None:
    assert reason(with_claims(**claims)) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": NOON + 540}, "rule.allow"),
        ({"exp": NOON + 541}, "token.lifetime"),
        ({"exp": NOON + 540, "iat": None}, "token.lifetime"),
        ({"exp": 2**53 - 1}, "token.lifetime"),
        ({"iat": NOON - 400, "exp": NOON + 100}, "token.expired"),
    ],
)
def test_w11_a_policy_caps_how_long_tokens_are_made_for_and_how_old_they_get(claims: dict[str, Any], expected: str) -> None:
    assert reason(with_claims(**claims), a_service(a_jwk(), more=", maxLifetimeSeconds: 600, maxAgeSeconds: 300")) == expected


@pytest.mark.parametrize(
    "token",
    [
        signed(claims=json.dumps(CLAIMS).replace('{"iss"', '{"iss": "https://evil.example", "iss"').encode()),
        signed(claims=json.dumps({**CLAIMS, "roles": {}}).replace('"roles": {}', '"roles": {"a": 1, "a": 2}').encode()),
        signed(b'{"alg": "none", "alg": "RS256", "kid": "k1"}'),
        signed(b'{"alg": "RS256", "kid": "k1", "k\\u0069d": "k1"}'),
    ],
    ids=["iss", "nested", "alg", "kid by another spelling"],
)
def test_w12_a_member_that_is_given_twice_has_two_readings(token: str) -> None:
    assert reason(token) == "token.malformed"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be", "utf-8-sig", "cp037"])
def test_w13_only_utf_8_without_a_mark_is_read(encoding: str) -> None:
    assert reason(signed(claims=json.dumps(CLAIMS).encode(encoding))) == "token.malformed"
    assert reason(signed(json.dumps(HEADER).encode(encoding))) == "token.malformed"


@pytest.mark.parametrize("text", [b"\\ud800", b"\\udfff\\ud800", b"\xed\xa0\x80", b"\xff", b"\xc0\xaf", b"\x00"])
def test_w13_what_is_no_character_is_refused(text: bytes) -> None:
    assert reason(signed(claims=json.dumps({**CLAIMS, "name": "?"}).encode().replace(b"?", text))) == "token.malformed"


def test_w13_a_nul_reaches_no_header() -> None:
    service = a_service(a_jwk(), forward=", forward: {headers: [{name: X-Auth-Name, from: {claim: [name]}}]}")
    decision = service.decide(a_request(token=with_claims(name="a\x00b")))
    assert dict(decision.set_headers)["x-auth-name"] == "a%00b"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_w14_a_word_that_is_no_json_is_refused_in_any_claim(word: str) -> None:
    claims = json.dumps({**CLAIMS, "score": 0})
    assert reason(signed(claims=claims.encode())) == "rule.allow"
    assert reason(signed(claims=claims.replace('"score": 0', f'"score": {word}').encode())) == "token.malformed"
    assert reason(signed(claims=claims.replace(str(LATER), word).encode())) == "token.malformed"


@pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt", "secevent+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "JOSE", ""])
def test_w15_a_token_of_another_kind_is_no_access_token(typ: str) -> None:
    assert reason(with_header(typ=typ)) == "token.type"


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT", "jwt", None])
def test_w15_a_token_is_an_access_token_or_does_not_say(typ: str | None) -> None:
    assert reason(with_header(typ=typ)) == "rule.allow"


@pytest.mark.parametrize(
    ("typ", "expected"),
    [("at+jwt", "rule.allow"), ("application/AT+JWT", "rule.allow"), ("JWT", "token.type"), (None, "token.type"), ("at", "token.type")],
)
def test_w15_a_policy_lists_the_types_that_it_takes(typ: str | None, expected: str) -> None:
    assert reason(with_header(typ=typ), a_service(a_jwk(), more=", tokenTypes: [at+jwt]")) == expected


@pytest.mark.parametrize("typ", [None, 7, [], {}, ["JWT"], True])
def test_w15_a_type_is_text(typ: Any) -> None:
    assert reason(signed({**HEADER, "typ": typ})) == "token.type"


@pytest.mark.parametrize(
    "change",
    [
        {"b64": "false"},
        {"b64": 0},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"cty": "JWT"},
        {"crit": []},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
    ],
)
def test_w16_a_header_that_changes_what_a_token_means_is_refused(change: dict[str, Any]) -> None:
    assert reason(with_header(**change)) == "token.malformed"


@pytest.mark.parametrize("value", ["https://evil.example/keys", a_jwk(rsa_key("evil")), ["MIIB"], "file:///etc/passwd", 7])
@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c", "x5t"])
def test_w16_a_key_that_a_token_brings_is_not_looked_at(name: str, value: Any) -> None:
    assert reason(signed({**HEADER, name: value})) == "rule.allow"
    assert reason(signed({**HEADER, name: value}, key=rsa_key("evil"))) == "token.signature"


def test_w17_what_would_make_a_library_raise_is_denied_and_is_no_fault() -> None:
    assert reason("\udcff" + signed()) == "token.malformed"
    assert reason(signed() + "\udc80") == "token.malformed"
    # An RSA key and an algorithm of another kind.
    assert reason(with_header(alg="ES256"), a_service(a_jwk(), a_jwk(ec_key(), "e1"))) == "token.key_unknown"
    assert reason(with_header(alg="ES256", kid="e1"), a_service(a_jwk(), a_jwk(ec_key(), "e1"))) == "token.signature"
    assert reason(f"{part(HEADER)}.{part(CLAIMS)}.{part(bytes(1))}") == "token.signature"


@pytest.mark.parametrize("aud", [None, [], "", "billing", "order", "ORDERS", ["billing"]])
def test_w18_a_token_is_for_one_of_the_policys_audiences(aud: Any) -> None:
    assert reason(with_claims(aud=aud)) == "token.audience"


@pytest.mark.parametrize("iss", [None, "", "https://idp.example.co", "https://idp.example.com/", "https", ["https://idp.example.com"], 7])
def test_w18_a_token_is_of_the_policys_issuer_octet_for_octet(iss: Any) -> None:
    assert reason(with_claims(iss=iss)) == "token.issuer"


@pytest.mark.parametrize(("audiences", "code"), [("", "AZ305"), ("audiences: []", "AZ109"), ("audiences: ['']", "AZ109")])
def test_w18_a_policy_says_for_whom_tokens_are(audiences: str, code: str) -> None:
    assert loaded(policy(audiences=audiences)) == (code, "policy.invalid")


def test_w18_a_policy_says_whose_tokens_are_taken() -> None:
    jwks = a_jwks()
    assert loaded(policy(f"{{name: idp, jwks: '{jwks}'}}"))[1] == "policy.invalid"
    assert loaded(policy(f"{{name: idp, issuer: '', jwks: '{jwks}'}}"))[1] == "policy.invalid"


@pytest.mark.parametrize(("sub", "sent"), [("a\r\nx-admin: 1", "a%0D%0Ax-admin: 1"), ("a\nb", "a%0Ab"), ("ä", "%C3%A4"), ("a\x7f", "a%7F")])
def test_w19_a_claim_makes_no_second_header(sub: str, sent: str) -> None:
    service = a_service(a_jwk(), forward=", forward: {headers: [{name: X-Auth-Subject, from: {claim: [sub]}}]}")
    decision = service.decide(a_request(token=with_claims(sub=sub)))
    assert dict(decision.set_headers)["x-auth-subject"] == sent


def test_w20_one_curve_is_meant_by_eddsa() -> None:
    other = ed448.Ed448PrivateKey.generate()
    published = {**json.loads(OKPAlgorithm.to_jwk(other.public_key())), "kid": "k1"}
    published.pop("key_ops", None)
    for alg in ("EdDSA", "Ed448"):
        token = signed({**HEADER, "alg": alg}, key=other, by="EdDSA")
        assert reason(token, a_service({**published, "alg": alg}, GOOD, a_jwk(ed_key(), "ed"))) in ("token.key_unknown", "token.algorithm")


def test_w20_the_curve_is_a_name_of_the_algorithm() -> None:
    for alg in ("EdDSA", "Ed25519"):
        token = signed({**HEADER, "alg": alg}, key=ed_key(), by="EdDSA")
        assert reason(token, a_service(a_jwk(ed_key(), alg=alg))) == "rule.allow"


@pytest.mark.parametrize("alg", ["ML-DSA-44", "ES256K", "Ed448", "ESP256", "RS1"])
def test_w20_an_algorithm_that_cannot_be_configured_is_refused(alg: str) -> None:
    assert reason(with_header(alg=alg), a_service(a_jwk(), algorithms=EVERY)) == "token.algorithm"


def test_w20_a_curve_and_its_algorithm_belong_together() -> None:
    p384 = ec.generate_private_key(ec.SECP384R1())
    token = signed({**HEADER, "alg": "ES256"}, key=ec_key(), by="ES256")
    assert reason(token, a_service(a_jwk(p384), algorithms=EVERY)) == "token.key_unknown"


@pytest.mark.parametrize(
    "key",
    ["-----BEGIN PUBLIC KEY-----", "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", "secret", '"secret"', "ssh-rsa AAAA"],
)
def test_w21_a_key_is_a_key_set_and_never_a_text(key: str) -> None:
    assert loaded(policy(issuer_yaml(key))) == ("AZ202", "policy.invalid")


@pytest.mark.parametrize("field", ["key", "secret", "pem", "publicKey", "hmac"])
def test_w21_there_is_no_field_for_a_key_without_a_type(field: str) -> None:
    assert loaded(policy(issuer_yaml(more=f", {field}: c2VjcmV0")))[1] == "policy.invalid"


def test_every_rule_has_its_test() -> None:
    assert {name[5:8] for name in globals() if name.startswith("test_w")} == {f"w{rule:02}" for rule in range(22)}
