"""Istio's tokens: made by an outside key, long-lived but for one."""

import json
from collections.abc import Iterator
from typing import Any

from authz.authn import claims, jws
from authz.authn.jws import Jws
from authz.model.principal import Failure
from tests.conformance.outcomes import Corpus, Outcome, Reading, as_far_as_the_claims
from tests.corpora import corpus, corpus_path
from tests.fakes import NOON
from tests.policy.given import an_issuer

FOLDER = "istio"
FOR_NOBODY = "verified and in time; it has no `aud`, and a token is accepted for the audiences of a policy only"
AUDIENCE = "foo"


def tokens() -> Iterator[tuple[str, str, str]]:
    """Name, text, and the text of the key set."""
    common = corpus_path(f"{FOLDER}/tests-common-jwks.json").read_text(encoding="utf-8")
    for name, token in corpus(f"{FOLDER}/tokens.json")["tokens"].items():
        yield name, token, common
    for name in ("demo", "groups-scope"):
        yield name, corpus_path(f"{FOLDER}/{name}.jwt").read_text().strip(), corpus_path(f"{FOLDER}/jwks.json").read_text()


def _said(token: str) -> dict[str, Any]:
    read = jws.read(token)
    return dict(read.claims) if isinstance(read, Jws) else {}


def _verified(token: str, jwks: str) -> str:
    """Whether the signature holds and the time is right: everything but whom it is for."""
    signature = as_far_as_the_claims(token, *json.loads(jwks)["keys"])
    issuer = an_issuer(clock_skew=0)
    times = claims.lifetime(_said(token), issuer)
    if signature != "verified" or isinstance(times, Failure):
        return signature
    failure = claims.time_failure(_said(token), issuer, times, NOON)
    return failure.reason.value if failure else "verified"


def outcomes() -> Iterator[Outcome]:
    for name, token, jwks in tokens():
        found = Reading(jwks, issuer=_said(token).get("iss", ""), audience=AUDIENCE).answer(token)
        if name == "TokenExpired":
            yield Outcome(name, "token.expired, token.expired", f"{_verified(token, jwks)}, {found}")
        elif "aud" in _said(token):
            yield Outcome(name, "verified, accepted", f"{_verified(token, jwks)}, {found}")
        else:
            yield Outcome(name, "verified, token.audience", f"{_verified(token, jwks)}, {found}", FOR_NOBODY)


ISTIO = Corpus(
    FOLDER,
    "istio/istio",
    "Apache-2.0",
    "Each token is verified by its key set and read for its issuer and the audience `foo`.",
    outcomes,
)
