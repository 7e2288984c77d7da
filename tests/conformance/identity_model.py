"""identity-model's cases, as far as they speak of who receives tokens: discovery, key sets, validation."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import jwt
from jwt.algorithms import RSAAlgorithm

from authz.authn.discovery import DiscoveryError, jwks_uri
from tests.builders import Installation, a_manifest, a_request, rsa_key
from tests.conformance.issuers import PROVIDER, changed, fetched, loaded, over_http
from tests.conformance.outcomes import NOT_RUN, Corpus, Outcome
from tests.corpora import corpus, corpus_path

FOLDER = "identity-model-spec"
ELSEWHERE = {
    "authorization-code": "what a client does",
    "client-credentials": "what a client does",
    "token-exchange": "what a client does",
    "userinfo": "what a client does",
    "revocation": "what a client does",
    "introspection": "tokens are verified here, by their signature; no server is asked about one (RFC 7662)",
    "dpop": "proofs of possession (RFC 9449) are not verified; a token that asks for one is refused",
}
ONLY_TWO = "of the metadata only `issuer` and `jwks_uri` are read; what a client needs may be absent"
NO_NONCE = "no `nonce` is expected of an access token; a policy says it as a claim, and is answered 403"
A_CLAIM = "a claim that must be there is said as a claim of the policy, and its absence is answered 403"
NO_IAT = "RFC 7519 §4.1.6 makes `iat` optional; `exp` is what is required"
AUDIENCE = "test-client"
# Case → what has to come of its fixture or story, what comes, and why that is another than the case says.
Case = tuple[str, Callable[[], str]] | tuple[str, Callable[[], str], str]


def _fixture(name: str) -> bytes:
    return corpus_path(f"{FOLDER}/spec/test-fixtures/{name}").read_bytes()


def _metadata(name: str) -> str:
    return _said_of(_fixture(f"discovery/{name}.json"))


def _said_of(document: bytes) -> str:
    try:
        return jwks_uri(document, PROVIDER)
    except DiscoveryError as fault:
        return str(fault)


def _found_by_kid() -> str:
    keys = loaded(_fixture("jwks/valid.json"))
    return ", ".join(f"{kid} {key.algorithm}" for kid in keys.kids for alg in ("RS256", "ES256") if (key := keys.find(kid, alg)))


CASES: dict[str, Case] = {
    "DISC-001": (f"{PROVIDER}/jwks", lambda: _metadata("valid")),
    "DISC-002": (f"{PROVIDER}/jwks", lambda: _metadata("valid")),
    "DISC-003": (
        f"the discovery document is of the issuer https://attacker.example.com, not of {PROVIDER}",
        lambda: _metadata("issuer-mismatch"),
    ),
    "DISC-004": ("once", lambda: fetched(_fixture("jwks/valid.json"), after=1)),
    "DISC-005": ("again", lambda: fetched(_fixture("jwks/valid.json"), after=3600)),
    "DISC-006": ("keys.unavailable", lambda: fetched(None)),
    "DISC-007": ("the discovery document is not JSON with one reading", lambda: _said_of(b"<html>")),
    "DISC-008": ("the discovery document has no jwks_uri", lambda: _metadata("missing-jwks-uri")),
    "DISC-008 missing-multiple-fields": (f"{PROVIDER}/jwks", lambda: _metadata("missing-multiple-fields"), ONLY_TWO),
    "DISC-009": (f"{PROVIDER}/jwks", lambda: _metadata("valid")),
    "DISC-010": ("only https is fetched", over_http),
    "JWKS-001": ("rsa-sig-key RS256, ec-sig-key ES256", _found_by_kid),
    "JWKS-002": ("rsa-sig-key RS256, ec-sig-key ES256", _found_by_kid),
    "JWKS-003": ("rsa-sig-key RS256, ec-sig-key ES256", _found_by_kid),
    "JWKS-004": ("token.key_unknown, rule.allow", lambda: changed("k2")),
    "JWKS-005": ("once", lambda: fetched(_fixture("jwks/valid.json"), after=1)),
    "JWKS-006": ("token.signature, rule.allow", lambda: changed("k1")),
    "JWKS-007": ("the key set has no usable key", lambda: loaded(_fixture("jwks/empty.json"))),
    "JWT-010": ("token.key_unknown, rule.allow", lambda: changed("k2")),
}
# Where what is refused is answered by another reason than the one that the error says, or is not refused.
OTHERWISE = {
    "JWT-004 1": ("claims.mismatch", NO_NONCE),
    "JWT-012 0": ("claims.mismatch", A_CLAIM),
    "JWT-013 0": ("rule.allow", NO_IAT),
}
REASONS = {"alg_none": "token.algorithm", "signature": "token.signature"}
CLAIMS = {"exp": "token.expired", "nbf": "token.not_yet_valid", "iss": "token.issuer", "aud": "token.audience"}


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def _minted(token: dict[str, Any], now: int) -> str:
    """The token that a vector describes."""
    if "static" in token:
        return _fixture(token["static"]).decode().strip()
    claims = {name: now + _seconds(value) if name in ("exp", "nbf", "iat") else value for name, value in token["claims"].items()}
    member = corpus(f"{FOLDER}/spec/test-fixtures/validation/signing-key.jwk.json")
    key: Any = RSAAlgorithm.from_jwk(member) if token["signing_key"] == "fixture" else rsa_key()
    return jwt.encode(claims, key, token["alg"], {"kid": token.get("header_kid", member["kid"])})


def _policy(options: dict[str, Any]) -> str:
    """The policy that says what a vector's options say."""
    wanted = [f"{{path: [{name}], match: None, values: ['-']}}" for name in options.get("required_claims", ())]
    wanted += [f"{{path: [nonce], match: Any, values: [{options['expected_nonce']}]}}"] if "expected_nonce" in options else []
    claims = f", claims: [{', '.join(wanted)}]" if wanted else ""
    skew = _seconds(options.get("clock_skew", "0s"))
    issuer = options.get("expected_issuer", "https://issuer.example.com")
    jwks = _fixture("validation/jwks.json").decode()
    return a_manifest(f"""
hosts: [api.example.com]
audiences: [{options.get("expected_audience", AUDIENCE)}]
issuers: [{{name: idp, issuer: {issuer}, clockSkewSeconds: {skew}, jwks: '{" ".join(jwks.split())}'}}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]{claims}}}}}]}}]
""")


def _vector(name: str, vector: dict[str, Any]) -> Outcome:
    expect = vector["expect"]
    expected = "rule.allow" if expect["outcome"] == "accept" else REASONS.get(expect["error"]) or CLAIMS.get(expect.get("claim"), "")
    expected, why = OTHERWISE.get(name, (expected, ""))
    now = int(datetime.fromisoformat(vector["options"]["now"]).timestamp())
    installation = Installation(_policy(vector["options"]))
    installation.clock.now = now
    return Outcome(name, expected, installation.decide(a_request(token=_minted(vector["token"], now))).reason.value, why)


def _case(name: str) -> Outcome:
    if name not in CASES:
        return Outcome(name, "known", "a case that nobody knows here")
    expected, story, *why = CASES[name]
    return Outcome(name, expected, story(), *why)


def outcomes() -> Iterator[Outcome]:
    for path in sorted(corpus_path(f"{FOLDER}/spec/conformance").glob("*.json")):
        for case in corpus(f"{FOLDER}/spec/conformance/{path.name}")["tests"]:
            if path.stem in ELSEWHERE:
                yield Outcome(case["id"], NOT_RUN, NOT_RUN, ELSEWHERE[path.stem])
            elif "vectors" in case:
                yield from (_vector(f"{case['id']} {at}", vector) for at, vector in enumerate(case["vectors"]))
            else:
                yield from (_case(name) for name in [case["id"], *(each for each in CASES if each.startswith(f"{case['id']} "))])


IDENTITY_MODEL = Corpus(
    FOLDER,
    "jamescrowley321/identity-model",
    "Apache-2.0",
    "Discovery, key set and validation cases: the metadata and keys of the fixtures, tokens minted as the vectors say and decided by a "
    "policy that says the same.",
    outcomes,
)
