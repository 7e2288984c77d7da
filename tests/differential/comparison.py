"""One installation and its requests, decided twice: by the engine, and by the plain reading."""

import json
import re
from collections import Counter
from typing import Any

import yaml

from tests.corpus_runner import Outcome
from tests.differential import plain
from tests.differential.engine import decided, plain_request, world_of
from tests.differential.generate import request_of, setting_of
from tests.differential.words import TOKENS

Raw = dict[str, Any]
TOLD = ("decision", "reason", "status", "policy", "rule", "alternative")
# That a rule is out of reach is `validate`'s to say, and no part of what a policy means: the engine is believed.
OUT_OF_REACH = {"AZ317", "AZ318"}


def compared(installation: Raw, requests: list[Raw]) -> Counter[str]:
    """The reasons that were told, each by both; a difference fails, and is shown as a document of tests/corpus."""
    given, asked = setting_of(installation), [request_of(each) for each in requests]
    refused, outcomes = decided(given, asked)
    for document in installation["policies"]:
        name = f"{document['metadata']['namespace']}/{document['metadata']['name']}"
        codes = set(refused.get(name, ()))
        assert bool(codes) >= must_be_refused(document, installation["operator"]), f"{name} is in force: {document}"
        assert not codes or must_be_refused(document, installation["operator"]) or codes & OUT_OF_REACH, f"{name} is refused: {codes}"
    world, reasons = world_of(given, set(refused)), Counter[str]()
    for drawn, request, outcome in zip(requests, asked, outcomes, strict=True):
        expected = plain.decide(world, plain_request(request, given))
        reasons[outcome.reason] += 1
        found = difference(expected, outcome)
        assert not found, f"{found}\n{as_corpus(installation, drawn, expected)}"
    return reasons


def must_be_refused(document: Raw, operator: Raw) -> bool:
    text = json.dumps(document["spec"])
    unsaid = (operator["clientAddress"], "clientIP"), (operator["clientCertificate"], '"clientCertificate": {')
    return '"nobody"' in text or "nobody." in text or any(said is None and named in text for said, named in unsaid)


def difference(expected: Raw, outcome: Outcome) -> str:
    """What the two say differently: of a denial who denied and why, of a 401 what would help, of an allow what the upstream sees."""
    want = {name: expected[name] for name in TOLD}
    got = {name: getattr(outcome, name) for name in TOLD}
    if expected["decision"] == outcome.decision == "allow":
        want |= {"set": expected["set"], "removed": sorted(expected["removed"]), "query": sorted(expected["removed_query"])}
        got |= {"set": outcome.set, "removed": sorted(outcome.removed), "query": sorted(set(outcome.removed_query))}
    if "shown" in expected and expected["status"] == outcome.status == 401:
        want["shown"] = sorted(expected["shown"])
        got["shown"] = shown_by(outcome.headers.get("www-authenticate", ""))
    return "; ".join(f"{name}: the engine says {got[name]!r}, the plain reading {want[name]!r}" for name in want if want[name] != got[name])


def shown_by(challenges: str) -> list[str]:
    """The ways to present credentials that a 401 names (RFC 9110 §11.6.1), as the plain reading has them: without what is wrong now."""
    each = re.findall(r'([A-Za-z]+) realm="api"((?:, [a-z_]+="[^"]*")*)', challenges)
    return sorted(f'{scheme} realm="api"{rest}' if scheme == "ApiKey" and "name=" in rest else scheme for scheme, rest in each)


def as_corpus(installation: Raw, request: Raw, expected: Raw) -> str:
    """A document of tests/corpus that expects what the plain reading says."""
    used = sorted(set(re.findall("@TOKEN:([a-z-]+)@", json.dumps(request))))
    expect = {name: expected[name] for name in TOLD}
    case = {"name": "found", "why": "", "request": {name: value for name, value in request.items() if value}, "expect": expect}
    whole = {"about": "", **installation, "tokens": {name: TOKENS[name] for name in used}, "cases": [case]}
    # Through JSON, so that no part is the same object as another, and YAML needs no anchors.
    return yaml.safe_dump(json.loads(json.dumps(whole)), sort_keys=False)
