"""What was once wrong in PyJWT, by the name of its advisory: it does no harm here, whether PyJWT mended it or is not asked."""

import ast
import asyncio
import hmac
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import get_algorithm_by_name
from jwt.algorithms import OKPAlgorithm
from jwt.exceptions import InvalidKeyError

from authz.authn import keys as keys_module
from authz.fetch.client import FetchLimits
from authz.fetch.keys import HttpsKeys
from authz.model.issuer import KeySource
from authz.service.ports import FetchedKeys, FetchError
from tests.builders import ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, ec_key, ed_key, issuer_yaml, rsa_key
from tests.conformance.presenting import CLAIMS, EVERY, HEADER, a_service, part, reason, signed, with_claims, with_header
from tests.fetch.hosts import an_authority, https, says
from tests.policy.given import an_issuer

PUBLIC = rsa_key().public_key()
PEM = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
PKCS1 = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
SSH = PUBLIC.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
DER = PUBLIC.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
JWK, JWKS = json.dumps(a_jwk()).encode(), a_jwks().encode()
# What everybody knows of a key, as the secret of an HMAC; the last column: whether PyJWT itself refuses it as a secret.
KNOWN = {
    "CVE-2017-11424 PKCS1": (PKCS1, True),
    "CVE-2022-29217 OpenSSH": (SSH, True),
    "CVE-2022-29217 PEM": (PEM, True),
    "CVE-2026-48526 GHSA-xgmm-8j9v-c9wx JWK": (JWK, True),
    "GHSA-ffc3-869f-jxw9 PEM with other line ends": (PEM.replace(b"\n", b"\r\n"), True),
    "GHSA-ffc3-869f-jxw9 PEM with spaces": (PEM.replace(b"\n", b" \n "), True),
    "GHSA-ffc3-869f-jxw9 PEM on one line": (PEM.replace(b"\n", b""), True),
    "GHSA-ffc3-869f-jxw9 PEM after other text": (b"# key\n" + PEM, True),
    "GHSA-p4g4-x82p-q773 DER": (DER, True),
    "GHSA-r6x4-923q-g947 JWKS after a byte order mark": (b"\xef\xbb\xbf" + JWKS, True),
    "GHSA-w2cx-738m-mc7w JWKS": (JWKS, True),
    "GHSA-w2cx-738m-mc7w list of JWK": (b"[" + JWK + b"]", True),
    "GHSA-9j54-fg26-wv3r nothing": (b"", True),
    "PEM without its armour": (b"".join(PEM.splitlines()[1:-1]), False),
    "the modulus alone": (a_jwk()["n"].encode(), False),
}


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_of_a_key_is_no_secret(name: str, alg: str) -> None:
    signing = f"{part({**HEADER, 'alg': alg})}.{part(CLAIMS)}"
    forged = f"{signing}.{part(hmac.digest(KNOWN[name][0], signing.encode(), alg.replace('HS', 'sha')))}"
    assert reason(forged, a_service(a_jwk(), algorithms=EVERY)) == "token.algorithm"
    assert reason(forged, a_service({**a_jwk(), "alg": alg}, a_jwk(kid="k2"), algorithms=EVERY)) == "token.algorithm"


@pytest.mark.parametrize("name", KNOWN)
def test_pyjwt_itself_refuses_it_as_a_secret(name: str) -> None:
    material, refuses = KNOWN[name]
    algorithm = get_algorithm_by_name("HS256")
    if refuses:
        with pytest.raises(InvalidKeyError):
            algorithm.prepare_key(material)
    else:
        # The floor is not enough; that no HMAC can be configured is.
        assert algorithm.prepare_key(material) == material


@pytest.mark.parametrize("iss", ["https", "idp.example.com", "https://idp.example.com"[:-1], "https://idp.example.com "])
def test_ghsa_75c5_xw7c_p5pm_a_part_of_an_issuer_is_another_issuer(iss: str) -> None:
    assert reason(with_claims(iss=iss)) == "token.issuer"


def test_cve_2025_45768_a_weak_key_verifies_nothing() -> None:
    for weak in (rsa.generate_private_key(65537, 1024), rsa.generate_private_key(65537, 2040)):
        assert reason(signed(key=weak), a_service(a_jwk(weak), a_jwk(kid="good"))) == "token.key_unknown"


@pytest.mark.parametrize("crit", [["x"], [], None, ["exp"], "exp", {}])
def test_cve_2026_32597_ghsa_752w_5fwx_jx9f_what_is_critical_is_not_passed_over(crit: object) -> None:
    assert reason(signed({**HEADER, "crit": crit, "x": 1})) == "token.malformed"


@pytest.mark.parametrize(
    ("said", "made"), [("RS512", "RS256"), ("PS256", "RS256"), ("RS256", "PS256"), ("ES256", "RS256"), ("RS256", "RS512")]
)
def test_cve_2026_48523_ghsa_jq35_7prp_9v3f_the_algorithm_is_the_one_of_the_key_and_of_the_header(said: str, made: str) -> None:
    forged = signed({**HEADER, "alg": said}, by=made)
    bound = a_service(a_jwk(alg=made), algorithms=EVERY)
    assert reason(forged, bound) == "token.key_unknown"
    assert reason(forged, a_service(a_jwk(), algorithms=EVERY)) == ("token.key_unknown" if said == "ES256" else "token.signature")
    assert reason(signed({**HEADER, "alg": made}, by=made), bound) == "rule.allow"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://idp.example.com/keys", "data:application/json,{}", "FILE:///etc/passwd"])
def test_cve_2026_48522_ghsa_993g_76c3_p5m4_keys_come_over_https_only(url: str) -> None:
    rules = "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]"
    issuer = f"{{name: idp, issuer: {ISSUER}, jwksURL: '{url}'}}"
    installation = Installation(a_manifest(f"hosts: [api.example.com]\naudiences: [orders]\nissuers: [{issuer}]\n{rules}"))
    assert installation.decide(a_request(token=signed())).reason.value == "policy.invalid"
    with pytest.raises(FetchError):
        asyncio.run(HttpsKeys(FetchLimits(seconds=2)).fetch(an_issuer(keys=KeySource(jwks_url=url))))


def test_cve_2026_48524_ghsa_fhv5_28vv_h8m8_a_fetch_that_fails_takes_no_keys_away() -> None:
    service = a_service(a_jwk())
    service.fetcher.answers[ISSUER] = FetchError("503 Service Unavailable")
    asyncio.run(_fetched_again(service))
    assert service.journal.fetch_failures
    assert reason(signed(), service) == "rule.allow"


async def _fetched_again(service: Installation) -> None:
    (known,) = service.ring.all()
    await service.ring.ask(known)


def test_cve_2026_48525_ghsa_w7vc_732c_9m39_a_payload_that_is_not_encoded_costs_nothing() -> None:
    assert reason(with_header(b64=False, crit=["b64"])) == "token.malformed"
    header = part({**HEADER, "b64": False, "crit": ["b64"]})
    assert reason(f"{header}.{'A' * 9_000_000}.AA") == "token.too_large"


def test_ghsa_9v7f_9g4p_ffgj_a_key_set_that_moved_is_not_followed(tmp_path: Path) -> None:
    async def story() -> None:
        authority = an_authority(tmp_path)
        async with https(authority, tmp_path) as host:
            host.pages["/keys"] = says(status="302 Found", location=f"{host.origin}/elsewhere")
            host.pages["/elsewhere"] = says(a_jwks().encode())
            issuer = an_issuer(keys=KeySource(jwks_url=f"{host.origin}/keys"))
            with pytest.raises(FetchError, match="elsewhere"):
                await HttpsKeys(host.limits(authority)).fetch(issuer)
            assert len(host.heard) == 1

    asyncio.run(asyncio.wait_for(story(), 20))


@pytest.mark.parametrize("answer", [FetchedKeys(a_jwks().encode()), FetchError("down")], ids=["healthy", "down"])
def test_ghsa_2gx3_rcp4_g85q_unknown_keys_are_no_storm(answer: FetchedKeys | FetchError) -> None:
    async def story() -> None:
        service.fetcher.answers[ISSUER] = answer
        await service.clock.advance(31)
        before = len(service.fetcher.asked)
        for at in range(100):
            decision = service.checker.check(a_request(token=with_header(kid=f"random {at}")), 1.0)
            if hasattr(decision, "__await__"):
                await decision
        assert len(service.fetcher.asked) == before + 1

    service = a_service(a_jwk())
    asyncio.run(story())


@pytest.mark.parametrize("depth", [10, 500, 1_000, 1_500])
def test_ghsa_8wjv_2p76_3863_and_ghsa_42vr_xj54_vc7v_depth_is_denied_and_is_no_fault(depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    # How deep the interpreter can follow differs from version to version; what is read names no issuer.
    assert reason(signed(claims=deep)) in ("token.malformed", "token.issuer")
    assert reason(signed(claims=deep.replace(b"1", b'"\\u00e4"'))) in ("token.malformed", "token.issuer")
    assert reason(signed(b"[" * 2_000)) == "token.malformed"
    assert reason(signed(b"[" * 2_000 + b"]" * 1_000)) == "token.malformed"


def test_ghsa_w6j9_cwv2_h6wq_one_bad_member_spoils_no_set() -> None:
    bad = [{"kty": "oct", "k": "AA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, 7, {"kty": "RSA", "n": 1, "e": 2}, {"alg": []}]
    assert reason(signed(), a_service(*bad, a_jwk(), *bad)) == "rule.allow"


def test_ghsa_hxm8_2xgr_2p9m_a_signature_has_one_spelling() -> None:
    assert reason(signed()) == "rule.allow"
    head, _, signature = signed().rpartition(".")
    for other in (
        f"{signature}!",
        f"!{signature}",
        f"{signature}=",
        f"{signature[:9]}\n{signature[9:]}",
        signature.replace("-", "+") + "+",
    ):
        assert reason(f"{head}.{other}") == "token.malformed"


def test_ghsa_x33g_cr3x_6449_a_private_key_whose_halves_differ_is_no_key() -> None:
    mixed = {**json.loads(OKPAlgorithm.to_jwk(ed_key("one"))), "x": a_jwk(ed_key("two"))["x"], "kid": "k1"}
    mixed.pop("key_ops", None)
    for name in ("one", "two"):
        token = signed({**HEADER, "alg": "EdDSA"}, key=ed_key(name), by="EdDSA")
        assert reason(token, a_service(mixed, a_jwk(kid="good"))) == "token.key_unknown"


def test_ghsa_jwrc_g2q2_pq5p_a_long_text_in_place_of_a_key_is_refused_at_once() -> None:
    armour = "-----BEGIN PUBLIC KEY-----" + "\r" * 30_000
    rules = "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]"
    began = time.process_time()
    issuer = issuer_yaml(json.dumps(armour).strip('"'))
    installation = Installation(a_manifest(f"hosts: [api.example.com]\naudiences: [orders]\nissuers: [{issuer}]\n{rules}"))
    assert installation.decide(a_request(token=signed())).reason.value == "policy.invalid"
    assert time.process_time() - began < 5


def test_ghsa_gvp8_978c_rx2q_and_whatever_pyjwt_does_with_tokens_is_not_used() -> None:
    package = Path(keys_module.__file__).parents[1]
    used: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jwt":
                used.setdefault(path.relative_to(package).parts[0], set()).update(each.name for each in node.names)
            elif isinstance(node, ast.Import) and any(each.name.split(".")[0] == "jwt" for each in node.names):
                used.setdefault(path.relative_to(package).parts[0], set()).add("*")
    # The demo's issuer makes tokens; nothing there reads any.
    assert used.pop("demo") == {"*", "RSAAlgorithm"}
    assert used == {"authn": {"PyJWK", "Algorithm"}}


def test_psychic_signatures_and_signatures_in_der_are_refused() -> None:
    service = a_service(a_jwk(ec_key()))
    good = signed({**HEADER, "alg": "ES256"}, key=ec_key(), by="ES256")
    assert reason(good, service) == "rule.allow"
    head = good.rpartition(".")[0]
    number = 2**256 - 2**224 + 2**192 - 0x4319055258E8617B0C46353D039CDAAF
    for value in (bytes(64), number.to_bytes(32, "big") * 2, (1).to_bytes(32, "big") + bytes(32)):
        assert reason(f"{head}.{part(value)}", service) == "token.signature"
    der = ec_key().sign(head.encode(), ec.ECDSA(hashes.SHA256()))
    assert reason(f"{head}.{part(der)}", service) == "token.signature"
