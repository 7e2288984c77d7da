"""JSONTestSuite: each text as the payload and as the header of a signed token."""

import base64
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from authz.authn import json_text, jws
from authz.authn.jws import Jws
from tests.builders import a_jwk, a_jwks, ed_key
from tests.conformance.outcomes import Corpus, Outcome, Reading
from tests.corpora import corpus_path

FOLDER = "jsontestsuite"
TWO_READINGS = "a member is given twice: two readers could take it for different things (RFC 8725 §2.4)"
_HEADER = b'{"alg":"EdDSA","kid":"k1"}'
_CLAIMS = b"{}"


def files() -> list[Path]:
    root = corpus_path(FOLDER)
    return sorted((*(root / "test_parsing").glob("*.json"), *(root / "test_transform").glob("*.json")))


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _token(header: bytes, payload: bytes) -> str:
    signing = f"{_part(header)}.{_part(payload)}"
    return f"{signing}.{_part(ed_key().sign(signing.encode()))}"


@cache
def _reading() -> Reading:
    return Reading(a_jwks(a_jwk(ed_key())))


def _form(token: str) -> str:
    """What the reading of a token's text says."""
    read = jws.read(token)
    if isinstance(read, Jws):
        return "object"
    return {"a payload that is no JSON object": "no object", "a header without `alg`": "no algorithm"}.get(read.got, "refused")


def _answer(token: str) -> str:
    """`refused`, where the whole reader refuses; none of these tokens names its issuer."""
    return "accepted" if _reading().answer(token) == "accepted" else "refused"


def _parsed(data: bytes) -> str:
    try:
        value = json_text.parse(data)
    except json_text.NotOneReading:
        return "refused"
    return "object" if isinstance(value, dict) and value == json.loads(data) else "no object"


def _found(data: bytes) -> tuple[str, str, str, str]:
    """What the parser, a payload and a header make of a text, and what the service answers."""
    as_payload, as_header = _token(_HEADER, data), _token(data, _CLAIMS)
    answers = {_answer(as_payload), _answer(as_header)}
    return _parsed(data), _form(as_payload), _form(as_header), "/".join(sorted(answers))


def _outcomes(name: str, data: bytes) -> Iterator[Outcome]:
    parsed, payload, header, answers = _found(data)
    found = {"payload": f"{parsed}, {payload}, {answers}", "header": f"{parsed}, {header}, {answers}"}
    for place, got in found.items():
        if name.startswith(("n_", "y_object_duplicated")):
            why = TWO_READINGS if name.startswith("y_") else ""
            yield Outcome(f"{name} {place}", "refused, refused, refused", got, why)
        elif name.startswith("y_"):
            kind = "object" if isinstance(json.loads(data), dict) else "no object"
            yield Outcome(f"{name} {place}", f"{kind}, {kind if place == 'payload' else 'no algorithm'}, refused", got)
        else:
            # Either is right; coming here at all is what counts.
            yield Outcome(f"{name} {place}", "refused", answers)


def outcomes() -> Iterator[Outcome]:
    for path in files():
        yield from _outcomes(path.name.removesuffix(".json"), path.read_bytes())


JSON_SUITE = Corpus(
    FOLDER,
    "nst/JSONTestSuite",
    "MIT",
    "Each text is signed as a payload and as a header: `n_` are refused as no JSON, `y_` are read (objects as objects), the others are "
    "answered.",
    outcomes,
)
