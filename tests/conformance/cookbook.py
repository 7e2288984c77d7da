"""The examples of RFC 7520, RFC 7797 and RFC 8037."""

import json
from collections.abc import Iterator
from typing import Any

from authz.authn import jws
from authz.authn.jws import Jws
from tests.builders import a_jwks
from tests.conformance.outcomes import PRIVATE, Corpus, Outcome, Reading, as_far_as_the_claims, public, with_secret
from tests.corpora import corpus_path

FOLDER = "jose-cookbook"


def files() -> Iterator[tuple[str, dict[str, Any]]]:
    root = corpus_path(FOLDER)
    for path in sorted(root.rglob("*.json")):
        yield path.relative_to(root).as_posix().removesuffix(".json"), json.loads(path.read_text(encoding="utf-8"))


def is_private(member: dict[str, Any]) -> bool:
    return not PRIVATE.isdisjoint(member)


def _answer(token: str) -> str:
    """What the text of a token is to the reading alone, and to the service; the issuer's keys do not matter."""
    is_read, answer = isinstance(jws.read(token), Jws), Reading(a_jwks()).answer(token)
    # A JSON text has commas: in a header it looks like several credentials.
    known = answer in ("token.malformed", "token.decrypt", "token.too_large", "credentials.multiple")
    return "refused" if known and not is_read else answer


def _forms(name: str, output: dict[str, Any]) -> Iterator[Outcome]:
    """JSON serialisations, and the compact form of what is no JWS."""
    for form, value in output.items():
        yield Outcome(f"{name} {form}", "refused", _answer(value if isinstance(value, str) else json.dumps(value)))


def _signed(name: str, given: dict[str, Any], output: dict[str, Any]) -> Iterator[Outcome]:
    compact, key = output.get("compact"), given["key"]
    yield from _forms(name, {form: value for form, value in output.items() if form != "compact"})
    if compact is None:
        return
    if ".." in compact or "b64" in name:
        yield from _forms(name, {"compact": compact})
    elif key["kty"] == "oct":
        yield Outcome(f"{name} compact", "verified", with_secret(compact, key))
        yield Outcome(f"{name} compact, as a public key", "no usable key", as_far_as_the_claims(compact, key))
    else:
        yield Outcome(f"{name} compact", "verified", as_far_as_the_claims(compact, public(key)))
        yield Outcome(f"{name} compact, private JWK", "no usable key", as_far_as_the_claims(compact, key))


def _key(name: str, member: dict[str, Any]) -> Outcome:
    """A key is used or is not, whatever a token says: one that it did not sign tells which."""
    token = "eyJhbGciOiJSUzI1NiJ9.e30.AA" if member["kty"] == "RSA" else "eyJhbGciOiJFUzUxMiJ9.e30.AA"
    return Outcome(name, "no usable key" if is_private(member) else "token.signature", as_far_as_the_claims(token, member))


def outcomes() -> Iterator[Outcome]:
    for name, content in files():
        if name.startswith("jwk/"):
            yield _key(name, content)
        elif name.startswith("6."):
            yield from _signed(f"{name} sign", content["sign"]["input"], content["sign"]["output"])
            yield from _forms(f"{name} encrypt", content["encrypt"]["output"])
        elif name.startswith("jwe/") or "ecdh" in name:
            yield from _forms(name, content["output"])
        else:
            yield from _signed(name, content["input"], content["output"])


COOKBOOK = Corpus(
    FOLDER,
    "ietf-jose/cookbook (RFC 7520, RFC 7797, RFC 8037)",
    "Unlicense",
    "Compact JWS verify by the public half of their key; the private JWK itself, every JSON serialisation, detached and `b64: false` "
    "forms and every JWE are refused.",
    outcomes,
)
