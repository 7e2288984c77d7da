"""JSON Web Token Best Current Practices (RFC 8725), section by section, by the answers of the whole service."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.api.v1alpha1.words import Algorithm
from tests.builders import ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, ec_key, issuer_yaml, rsa_key
from tests.conformance.presenting import CLAIMS, EVERY, HEADER, a_service, part, reason, signed, with_claims, with_header

OTHER = "https://other.example.com"
RULES = Path(__file__).with_name("test_token_rules.py")
# Sections that a rule of the table covers whole, and its tests there.
ELSEWHERE = {
    "3.1 algorithm verification": ("test_w04_", "test_w05_"),
    "3.5 key entropy": ("test_w10_",),
    "3.7 UTF-8": ("test_w13_",),
    "3.9 audience": ("test_w18_",),
    "3.11 explicit typing": ("test_w15_",),
}


@pytest.mark.parametrize("section", ELSEWHERE)
def test_a_section_that_the_table_covers_has_its_tests_there(section: str) -> None:
    text = RULES.read_text(encoding="utf-8")
    assert all(f"def {name}" in text for name in ELSEWHERE[section])


@pytest.mark.parametrize(("said", "made"), [("PS256", "RS256"), ("RS256", "PS256"), ("RS384", "RS256"), ("PS512", "PS256")])
def test_3_1_a_signature_of_another_algorithm_of_the_same_key_is_none(said: str, made: str) -> None:
    assert reason(signed({**HEADER, "alg": said}, by=made), a_service(a_jwk(), algorithms=EVERY)) == "token.signature"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_3_2_none_is_no_algorithm(alg: str, signature: str) -> None:
    assert reason(f"{part({'alg': alg})}.{part(CLAIMS)}.{signature}") == "token.algorithm"


def test_3_2_of_an_issuer_with_public_keys_only_asymmetric_signatures_can_be_configured() -> None:
    assert set(Algorithm.__args__) == {*EVERY.split(", "), "HS256", "HS384", "HS512"}
    for name in ("none", "HS256", "HS512", "ES256K", "RS1", "dir", "RSA-OAEP"):
        installation = Installation(a_manifest(one_issuer(issuer_yaml(more=f", algorithms: [{name}]"))))
        assert installation.decide(a_request(token=signed())).reason.value == "policy.invalid"


def one_issuer(*issuers: str, names: str = "idp") -> str:
    rules = f"rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [{names}]}}}}]}}]"
    return f"hosts: [api.example.com]\naudiences: [orders]\nissuers: [{', '.join(issuers)}]\n{rules}"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (f"{part({'alg': 'RSA-OAEP', 'enc': 'A128GCM'})}.AA.AA.AA.AA", "token.decrypt"),
        (f"{part({'alg': 'dir', 'enc': 'A128GCM'})}..AA.AA.AA", "token.decrypt"),
        (f"{part({'alg': 'PBES2-HS256+A128KW', 'enc': 'A128GCM', 'p2c': 2**31})}.AA.AA.AA.AA", "token.decrypt"),
        (with_header(enc="A128GCM"), "token.malformed"),
        (with_header(cty="JWT"), "token.malformed"),
    ],
    ids=["encrypted", "direct", "by password", "both", "nested"],
)
def test_3_3_what_is_encrypted_is_no_signature(token: str, expected: str) -> None:
    assert reason(token) == expected


@pytest.mark.parametrize(
    "change", [{"x": part(bytes(32)), "y": part(bytes(32))}, {"y": part(bytes(31) + b"\x07")}, {"crv": "P-384"}, {"x": "AA"}]
)
def test_3_4_a_point_that_is_not_on_the_curve_is_no_key(change: dict[str, Any]) -> None:
    token = signed({**HEADER, "alg": "ES256"}, key=ec_key(), by="ES256")
    assert reason(token, a_service(a_jwk(ec_key()), algorithms=EVERY)) == "rule.allow"
    assert reason(token, a_service({**a_jwk(ec_key()), **change}, a_jwk(kid="good"), algorithms=EVERY)) == "token.key_unknown"


def test_3_4_a_curve_is_the_one_of_its_algorithm() -> None:
    p521 = ec.generate_private_key(ec.SECP521R1())
    token = signed({**HEADER, "alg": "ES512"}, key=p521, by="ES512")
    assert reason(token, a_service(a_jwk(p521), algorithms=EVERY)) == "rule.allow"
    assert reason(signed({**HEADER, "alg": "ES256"}, key=p521, by="ES512"), a_service(a_jwk(p521), algorithms=EVERY)) == "token.key_unknown"


@pytest.mark.parametrize("value", ["DEF", "GZIP", "", True, None])
def test_3_6_nothing_is_decompressed(value: Any) -> None:
    assert reason(signed({**HEADER, "zip": value})) == "token.malformed"


def test_3_8_keys_are_those_of_their_issuer_though_another_gives_one_the_same_name() -> None:
    both = one_issuer(
        issuer_yaml(a_jwks(a_jwk(rsa_key("one")))),
        f"{{name: other, issuer: {OTHER}, jwks: '{a_jwks(a_jwk(rsa_key('two')))}'}}",
        names="idp, other",
    )
    service = Installation(a_manifest(both))
    for key, issuer, expected in (
        ("one", ISSUER, "rule.allow"),
        ("two", OTHER, "rule.allow"),
        ("one", OTHER, "token.signature"),
        ("two", ISSUER, "token.signature"),
    ):
        assert reason(signed(claims={**CLAIMS, "iss": issuer}, key=rsa_key(key)), service) == expected


def test_3_8_an_issuer_that_another_policy_trusts_is_not_trusted_here() -> None:
    elsewhere = f"{{name: idp, issuer: {OTHER}, jwks: '{a_jwks(a_jwk(rsa_key('two')))}'}}"
    other = a_manifest(one_issuer(elsewhere).replace("api.example.com", "other.example.com"), name="other")
    service = Installation(a_manifest(one_issuer(issuer_yaml())), other)
    stranger = signed(claims={**CLAIMS, "iss": OTHER}, key=rsa_key("two"))
    assert service.decide(a_request(token=stranger, host="other.example.com")).reason.value == "rule.allow"
    assert reason(stranger, service) == "token.issuer"
    assert reason(signed(key=rsa_key("two")), service) == "token.signature"


def test_3_10_nothing_that_a_token_says_makes_a_connection_or_opens_a_file() -> None:
    command = [sys.executable, "-m", "tests.conformance.overheard"]
    run = subprocess.run(command, cwd=RULES.parents[2], capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(run.stdout)
    assert found["heard"] == []
    assert "socket.connect" in found["control"]
    assert "open" in found["control"]
    assert found["fetched"] == [ISSUER]
    assert len(found["reasons"]) > 40
    assert set(found["reasons"]) == {"rule.allow", "token.signature", "token.key_unknown"}


def test_3_10_a_key_id_that_is_a_place_asks_the_issuer_alone_and_once() -> None:
    service = a_service(a_jwk())

    async def story() -> None:
        await service.clock.advance(31)
        for name in ("jku", "x5u", "kid"):
            token = signed({**HEADER, "kid": "unknown", name: "https://evil.example/keys"}, key=rsa_key("evil"))
            answer: Any = service.checker.check(a_request(token=token), 1.0)
            decision = await answer if hasattr(answer, "__await__") else answer
            assert decision.reason.value == "token.key_unknown"

    asyncio.run(story())
    assert service.fetcher.asked == [ISSUER, ISSUER]


@pytest.mark.parametrize("typ", ["JWT", None])
def test_3_12_an_id_token_is_no_access_token_where_those_are_marked(typ: str | None) -> None:
    header = {name: value for name, value in {**HEADER, "typ": typ}.items() if value}
    id_token = signed(header, {**CLAIMS, "nonce": "n", "at_hash": "h", "azp": "a-client"})
    assert reason(id_token, a_service(a_jwk(), more=", tokenTypes: [at+jwt]")) == "token.type"
    assert reason(signed(), a_service(a_jwk(), more=", tokenTypes: [at+jwt]")) == "rule.allow"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (with_header(typ="dpop+jwt"), "token.type"),
        (with_header(typ="logout+jwt"), "token.type"),
        (with_claims(aud="a-client"), "token.audience"),
        (with_claims(iss=None), "token.issuer"),
        (with_claims(exp=None), "token.lifetime"),
        (with_claims(cnf={"jkt": "AA"}), "token.binding"),
    ],
    ids=["a proof", "a logout", "for a client", "an assertion without issuer", "without an end", "a bound token"],
)
def test_3_12_a_token_of_another_use_is_refused(token: str, expected: str) -> None:
    assert reason(token) == expected
