"""Who calls, read plainly: where tokens stand, whether they verify, what they say. Written from the documentation alone.

A token is a label, for who made it knows what it is: `fault` (why it cannot be read, or ""), `alg`, `kid`, `typ`, `claims`
and `signed` (the kid of the key that it really was signed with, or "").
"""

import json
from typing import Any
from urllib.parse import unquote

Raw = dict[str, Any]
UNREADABLE = ("credentials.multiple", "token.malformed", "token.too_large", "token.decrypt")
BEARER = {"header": "Authorization", "scheme": "Bearer"}


def places(issuers: list[Raw]) -> list[Raw]:
    return [place for issuer in issuers for place in issuer.get("tokenFrom", [BEARER])]


def cookies(request: Raw) -> list[tuple[str, str]]:
    pairs = [each.strip().partition("=") for each in request["headers"].get("cookie", "").split(";")]
    return [(name.strip(), value.strip().strip('"')) for name, _, value in pairs]


def parameters(request: Raw) -> list[tuple[str, str]]:
    """The query's parameters: name as sent, value decoded."""
    return [(name, unquote(value)) for name, _, value in (each.partition("=") for each in request["path"].partition("?")[2].split("&"))]


def read(place: Raw, request: Raw) -> list[str]:
    """Every token that stands in this place; a header of several lines, joined with commas, counts as several."""
    if "cookie" in place:
        return [value for name, value in cookies(request) if name == place["cookie"]]
    if "query" in place:
        return [value for name, value in parameters(request) if unquote(name) == place["query"]]
    value = request["headers"].get(place["header"].lower(), "")
    if "," in value:
        return [value, "another"]
    scheme, _, token = value.partition(" ")
    if "scheme" not in place:
        return [value] if value else []
    return [token] if scheme.lower() == place["scheme"].lower() else []


class Caller:
    """Whom the `jwt` of one item finds: `reason` says why nobody, or is "". `deliberate`: what stands not in cookies alone."""

    def __init__(self, jwt: Raw, policy: Raw, request: Raw, world: Raw) -> None:
        issuers = [policy["issuers"][name] for name in jwt["issuers"]]
        found = [(text, each, "cookie" in place) for each in issuers for place in places([each]) for text in read(place, request)]
        self.texts, self.deliberate = {text for text, _, _ in found}, {text for text, _, unasked in found if not unasked}
        self.claims: Raw = {}
        self.reason = "credentials.multiple" if found else "credentials.missing"
        if len(self.texts) == 1:
            label = world["tokens"].get(found[0][0], {"fault": "token.malformed"})
            self.claims = label.get("claims") or {}
            self.reason = fault(label, [each for _, each, _ in found], jwt.get("audiences", policy["spec"]["audiences"]), world)


def fault(label: Raw, readers: list[Raw], audiences: list[str], world: Raw) -> str:
    """Why a token does not verify for the issuers that read it where it stands. Which of several faults is told is nowhere said."""
    if label["fault"]:
        return str(label["fault"])
    claims, now = label["claims"], world["now"]
    issuer = next((each for each in readers if each["issuer"] == claims.get("iss")), None)
    if issuer is None:
        return "token.issuer" if label["alg"] != "none" else "token.algorithm"
    if label["alg"] not in issuer.get("algorithms", ["RS256", "ES256"]):
        return "token.algorithm"
    types = [each.lower().removeprefix("application/") for each in (label["typ"] or "JWT", *issuer.get("tokenTypes", ["at+jwt", "JWT"]))]
    if types[0] not in types[1:]:
        return "token.type"
    keys = issuer.get("jwks") or world["fetched"].get(issuer.get("jwksURL"))
    if keys is None:
        return "keys.unavailable"
    kind = "EC" if label["alg"].startswith("ES") else "RSA"
    kids = [key["kid"] for key in json.loads(keys)["keys"] if key["kty"] == kind and label["kid"] in (key["kid"], None)]
    skew, named = issuer.get("clockSkewSeconds", 30), claims.get("aud", [])
    longest, oldest = issuer.get("maxLifetimeSeconds", 1e9), issuer.get("maxAgeSeconds", 1e9)
    issued = claims.get("iat", now - 1e10 if longest + oldest < 2e9 else now)
    ends = claims.get("exp", issued + 1e10)
    failed = {
        "token.key_unknown": not kids,
        "token.signature": label["signed"] not in kids,
        "token.lifetime": ends - issued > longest,
        "token.expired": min(ends, issued + oldest) + skew <= now,
        "token.not_yet_valid": max(claims.get("nbf", now), issued) > now + skew,
        "token.audience": not set(audiences) & set([named] if isinstance(named, str) else named),
        "token.binding": "cnf" in claims,
    }
    return next((reason for reason, fails in failed.items() if fails), "")


def texts_of(value: Any) -> list[str]:
    """A claim's values as text, one or those of a list; what is no scalar is none."""
    scalars = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str | int)]
    return [("true" if each else "false") if isinstance(each, bool) else str(each) for each in scalars]


def claim(claims: Any, path: list[str]) -> Any:
    for name in path:
        claims = claims.get(name) if isinstance(claims, dict) else None
    return claims


def not_permitted(jwt: Raw, claims: Raw) -> str:
    """Why a verified caller is not who is asked for, scopes before claims; "" where it is."""
    scopes = {scope for name in ("scope", "scp") for text in texts_of(claims.get(name)) for scope in text.split()}
    if not set(jwt.get("scopes", ())) <= scopes:
        return "scope.insufficient"
    for each in jwt.get("claims", ()):
        found, wanted = claim(claims, each["path"]), set(each["values"])
        given = set(texts_of(found.split(each["separator"]) if "separator" in each and isinstance(found, str) else found))
        # None: it is there and has none of them.
        if not {"Any": wanted & given, "All": wanted <= given, "None": given and not wanted & given}[each["match"]]:
            return "claims.mismatch"
    return ""
