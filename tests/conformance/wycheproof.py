"""Wycheproof's JSON Web Signatures. A vector without a public key is an HMAC."""

from collections.abc import Iterator
from typing import Any

from tests.conformance.outcomes import Corpus, Outcome, as_far_as_the_claims, with_secret
from tests.corpora import corpus

FOLDER = "wycheproof"
SUITE = "json_web_signature_test"
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
    read = as_far_as_the_claims(token, group["public"]) if "public" in group else with_secret(token, group["private"])
    return "valid" if read == "verified" else "invalid"


def label(vector: dict[str, Any]) -> str:
    """A vector's label, or the correction of a wrong one."""
    wrong = WRONG_LABELS.get(str(vector["tcId"]), "")
    return vector["result"] if not wrong else "valid" if wrong.endswith("accepted") else "invalid"


def outcomes() -> Iterator[Outcome]:
    for group, vector in vectors():
        name = str(vector["tcId"])
        yield Outcome(name, label(vector), _answer(group, vector["jws"]), WRONG_LABELS.get(name, ""))


WYCHEPROOF = Corpus(
    FOLDER,
    "C2SP/wycheproof",
    "Apache-2.0",
    "Each token is read, its key found in the key set of its group, or its secret in that of an issuer with secrets, and its signature "
    "verified; the payloads are no claims.",
    outcomes,
)
