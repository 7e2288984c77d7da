"""Wycheproof's JSON Web Signatures. A vector without a public key is an HMAC."""

import hmac
from collections.abc import Iterator
from typing import Any

from authz.authn import jws
from authz.model.principal import Failure
from tests.conformance.outcomes import Corpus, Outcome, as_far_as_the_claims
from tests.corpora import corpus

FOLDER = "wycheproof"
SUITE = "json_web_signature_test"
NO_HMAC = "a valid HMAC: no symmetric algorithm can be configured, as who can verify could sign"
# The wrong labels of errata.json, in our own words.
OTHER_ALGORITHM = "labelled valid; the token says PS384 and the key PS256, and a key serves one algorithm (RFC 8725 §3.1): refused"
NO_ALGORITHM = "labelled valid; the key's `alg` is ES521, which is not registered: refused"
SAME_TOKEN = "labelled invalid; octet for octet the token of 357, which is labelled valid: accepted"
NO_BASE64URL = "labelled valid; a segment has a character that base64url does not have: refused"
WRONG_LABELS = {
    "346": OTHER_ALGORITHM,
    "350": OTHER_ALGORITHM,
    "347": NO_ALGORITHM,
    "351": NO_ALGORITHM,
    "367": SAME_TOKEN,
    "370": SAME_TOKEN,
    "372": NO_BASE64URL,
    "373": NO_BASE64URL,
}


def vectors() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each vector with its group."""
    for group in corpus(f"{FOLDER}/{SUITE}.json")["testGroups"]:
        for vector in group["tests"]:
            yield group, vector


def _answer(group: dict[str, Any], token: str) -> str:
    return "valid" if as_far_as_the_claims(token, group.get("public", group["private"])) == "verified" else "invalid"


def label(vector: dict[str, Any]) -> str:
    """A vector's label, or the correction of a wrong one."""
    wrong = WRONG_LABELS.get(str(vector["tcId"]), "")
    return vector["result"] if not wrong else "valid" if wrong.endswith("accepted") else "invalid"


def _read_with_hmac(group: dict[str, Any], token: str) -> str:
    """The verdict where HMAC keys are in the test's hands, and the reading alone is ours."""
    if "public" in group:
        return _answer(group, token)
    parts = jws.take_apart(token)
    if isinstance(parts, Failure) or parts[0]["alg"] != group["private"]["alg"]:
        return "invalid"
    _, _, signed, signature = parts
    made = hmac.digest(jws.octets(group["private"]["k"]), signed, "sha256")
    return "valid" if hmac.compare_digest(made, signature) else "invalid"


def outcomes() -> Iterator[Outcome]:
    for group, vector in vectors():
        name, said = str(vector["tcId"]), vector["result"]
        expected = label(vector) if "public" in group else "invalid"
        why = "" if expected == said else WRONG_LABELS.get(name, NO_HMAC)
        yield Outcome(name, expected, _answer(group, vector["jws"]), why)


def readings() -> Iterator[Outcome]:
    for group, vector in vectors():
        name = str(vector["tcId"])
        yield Outcome(name, label(vector), _read_with_hmac(group, vector["jws"]), WRONG_LABELS.get(name, ""))


WYCHEPROOF = Corpus(
    FOLDER,
    "C2SP/wycheproof",
    "Apache-2.0",
    "Each token is read, its key found in the key set of its group, and its signature verified; the payloads are no claims.",
    outcomes,
)
READINGS = Corpus(
    f"{FOLDER}, HMAC by the test",
    "C2SP/wycheproof",
    "Apache-2.0",
    "The same, where the test itself computes each HMAC over what the service read: the reading alone is judged.",
    readings,
)
