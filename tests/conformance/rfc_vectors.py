"""The examples that RFC 7638, RFC 8705 and RFC 9449 print."""

from collections.abc import Iterator
from typing import Any

from tests.builders import a_jwk, a_jwks, a_token, ed_key
from tests.conformance.outcomes import NOT_RUN, Corpus, Outcome, Reading, as_far_as_the_claims
from tests.corpora import corpus

FOLDER = "rfc-vectors"
NO_THUMBPRINTS = "nothing here computes the thumbprint of a key"
NO_CERTIFICATES = "client certificates are not read, so a token that is bound to one is refused"
NO_PROOFS = "proofs of possession are not verified, so neither the scheme DPoP nor a token that is bound to a key is accepted"
BEARER = "Authorization: Bearer with cnf.jkt token"


def _bound(**cnf: str) -> str:
    """What a token that is good but for its binding gets as a bearer token."""
    return Reading(a_jwks(a_jwk(ed_key()))).answer(a_token(ed_key(), alg="EdDSA", cnf=cnf))


def _with_proof(authorization: str, proof: str) -> str:
    return Reading(a_jwks(a_jwk(ed_key()))).answer("", authorization=authorization, dpop=proof)


def outcomes() -> Iterator[Outcome]:
    content = corpus(f"{FOLDER}/rfc_vectors.json")
    thumbprint, certificate, dpop = content["rfc7638"], content["rfc8705"], content["rfc9449"]
    yield Outcome("RFC 7638 key", "token.signature", as_far_as_the_claims(_signed_with(thumbprint["jwk"]), thumbprint["jwk"]))
    yield Outcome("RFC 7638 thumbprint", NOT_RUN, NOT_RUN, NO_THUMBPRINTS)
    name = "x5t#S256"
    yield Outcome("RFC 8705 bound token", "token.binding", _bound(**{name: certificate[name]}), NO_CERTIFICATES)
    request = dpop["resource_request"]
    yield Outcome("RFC 9449 request", "credentials.missing", _with_proof(request["authorization"], request["dpop"]), NO_PROOFS)
    yield Outcome("RFC 9449 proof as a token", "token.issuer", Reading(a_jwks()).answer(request["dpop"]))
    for at, negative in enumerate(dpop["negatives_to_derive"], 1):
        if negative == BEARER:
            yield Outcome("RFC 9449 bound token as a bearer token", "token.binding", _bound(jkt=dpop["jkt"]))
        else:
            yield Outcome(f"RFC 9449 negative {at}", NOT_RUN, NOT_RUN, NO_PROOFS)


def _signed_with(member: dict[str, Any]) -> str:
    """A token that names a key and that the key did not sign."""
    head = {"RS256": "eyJhbGciOiJSUzI1NiJ9"}[member["alg"]]
    return f"{head}.e30.AA"


RFC_VECTORS = Corpus(
    FOLDER,
    "RFC 7638 §3.1, RFC 8705 appendix A, RFC 9449 §6.1 and §7.1",
    "Revised BSD (IETF Trust)",
    "The key is read; a token that is bound to a certificate or to a key is refused as a bearer token, and so is a proof, which names no "
    "issuer.",
    outcomes,
)
