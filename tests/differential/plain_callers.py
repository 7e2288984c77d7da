"""Who calls, read plainly: where credentials stand, whether they verify, what they say. Written from the documentation alone.

A token is a label, for who made it knows what it is: `fault` (why it cannot be read, or ""), `alg`, `kid`, `typ`, `claims`
and `signed` (the kid of the key that it really was signed with, or ""). A key is its record. A certificate is what it says
(`commonName`, `dnsNames`, …), `by` (who really signed it, or ""), `begins`, `ends`, and `x5t` (its thumbprint in Base64url).
"""

import json
import re
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from urllib.parse import unquote

from tests.differential.plain_request import client, is_trusted

Raw = dict[str, Any]
MULTIPLE, UNAVAILABLE, MISSING = "credentials.multiple", "keys.unavailable", ("credentials.missing", "cert.missing")
UNREADABLE = (MULTIPLE, "token.malformed", "token.too_large", "token.decrypt")
OURS = (UNAVAILABLE, "cert.revocation_unknown")
UNCERTAIN = (MULTIPLE, "ip.unknown", "expression.error", *OURS)
BEARER = {"header": "Authorization", "scheme": "Bearer"}
KINDS = ("jwt", "apiKey", "clientCertificate")


def places(source: Raw) -> list[Raw]:
    """Where the credentials of an issuer or a key set stand."""
    return list(source.get("tokenFrom", source.get("in", [BEARER])))


def cookies(request: Raw) -> list[tuple[str, str]]:
    pairs = [each.strip().partition("=") for each in request["headers"].get("cookie", "").split(";")]
    return [(name.strip(), value.strip().strip('"')) for name, _, value in pairs]


def parameters(request: Raw) -> list[tuple[str, str]]:
    """The query's parameters: name as sent, value decoded."""
    return [(name, unquote(value)) for name, _, value in (each.partition("=") for each in request["path"].partition("?")[2].split("&"))]


def read(place: Raw, request: Raw) -> list[str]:
    """Every credential that stands in this place; a header of several lines, joined with commas, counts as several."""
    if "cookie" in place:
        return [value for name, value in cookies(request) if name == place["cookie"]]
    if "query" in place:
        return [value for name, value in parameters(request) if unquote(name) == place["query"]]
    value = request["headers"].get(place["header"].lower(), "")
    scheme, _, token = value.partition(" ")
    if "," in value:
        return [value, "another"] if "scheme" not in place or f"{place['scheme'].lower()} " in value.lower() else []
    if "scheme" not in place:
        return [value] if value else []
    return [token] if scheme.lower() == place["scheme"].lower() else []


class Caller:
    """Whom one credential of an item finds.

    `reason` says why nobody, or is ""; `denied`: why a verified one is not who is asked for; `facts`: what is known of a verified
    one; `deliberate`: the texts that stand not in cookies alone; `shown`: how a client may present it.
    """

    def __init__(self, kind: str, asked: Raw, policy: Raw, request: Raw, world: Raw) -> None:
        self.kind, self.denied, facts = kind, "", Raw()
        self.texts, self.deliberate, self.shown = set[str](), set[str](), set[str]()
        if kind == "clientCertificate":
            facts = certificate(request, world)
            self.reason, self.denied = certificate_faults(facts, asked, policy["certificateAuthorities"][asked["authority"]], world)
        else:
            sources = [policy["issuers"][name] for name in asked.get("issuers", ())] or [policy["apiKeys"][asked["from"]]]
            self.shown = challenges(kind, [place for each in sources for place in places(each)])
            found = [(text, each, "cookie" in place) for each in sources for place in places(each) for text in read(place, request)]
            self.texts, self.deliberate = {text for text, _, _ in found}, {text for text, _, unasked in found if not unasked}
            self.reason = MULTIPLE if found else MISSING[0]
            if len(self.texts) == 1 and kind == "apiKey":
                facts = world["keys"][sources[0]["from"]["file"]].get(found[0][0], {})
                self.reason, self.denied = key_faults(facts, asked.get("scopes", [policy["name"].partition("/")[2]]), request, world)
            elif len(self.texts) == 1:
                label = world["tokens"].get(found[0][0], {"fault": "token.malformed"})
                facts = label.get("claims") or {}
                audiences = asked.get("audiences", policy["spec"].get("audiences"))
                self.reason = fault(label, [each for _, each, _ in found], audiences, certificate(request, world), world)
                self.denied = "" if self.reason else not_permitted(asked, facts)
        self.facts = {} if self.reason or self.denied in UNCERTAIN else facts
        # What `anonymous` does not overlook: a certificate is sent unasked, a key that is none for this API is sent in vain.
        self.vain = self.reason or (self.denied if kind == "apiKey" else "")
        rank = [self.reason in MISSING, self.reason in UNREADABLE or "rubbish" in facts, bool(self.reason), True].index(True)
        self.fault = (self.reason or self.denied, rank)


def challenges(kind: str, where: list[Raw]) -> set[str]:
    """What a 401 names: schemes; a key without one by its first place."""
    if kind == "jwt":
        return {each["scheme"] for each in where if "scheme" in each} or {"Bearer"}
    place, name = next(each for each in where[0].items() if each[0] != "scheme")
    return {where[0].get("scheme", f'ApiKey realm="api", name="{name.lower() if place == "header" else name}", in="{place}"')}


def key_faults(record: Raw, scopes: list[str], request: Raw, world: Raw) -> tuple[str, str]:
    """Why a key does not count, and why it is not permitted here."""
    if not record:
        return "apikey.unknown", ""
    dates = ("notBefore", "1970-01-01T00:00:00Z"), ("notAfter", "2999-01-01T00:00:00Z")
    begins, ends = (datetime.fromisoformat(record.get(*each)).timestamp() for each in dates)
    cidrs, address, denied = record.get("cidrs"), client(request, world["operator"]["clientAddress"]), ""
    if cidrs and not any(address and address in ip_network(each) for each in cidrs):
        denied = "ip.denied" if address else "ip.unknown"
    elif not {*scopes, "*"} & set(record.get("scopes", ())):
        denied = "apikey.scope"
    why = "apikey.disabled" if record["state"] != "Active" else "" if begins <= world["now"] <= ends else "apikey.expired"
    return why, "" if why else denied


def certificate(request: Raw, world: Raw) -> Raw:
    """What the client's certificate says, as far as it is told by whom the operator says; {}: there is none."""
    how = world["operator"].get("clientCertificate")
    if not how or (how["trusted"] and not is_trusted(request, how)):
        return {}
    text = request["headers"].get(how["header"], "") if how["header"] else request["certificate"]
    return dict(world["certificates"].get(text, {"rubbish": True})) if text else {}


def certificate_faults(facts: Raw, asked: Raw, authority: Raw, world: Raw) -> tuple[str, str]:
    """Why nobody vouches for a certificate, and why it is none of those that are asked for."""
    if not facts:
        return "cert.missing", ""
    by, now = world["authorities"][authority["from"]["file"]], world["now"]
    told = (world["lists"][each["file"]] for each in authority.get("crls", ()))
    lists = [each for each in told if each["by"] == by and now <= each["ends"]]
    other = not any(all(is_so(facts, *each) for each in one.items()) for one in asked.get("identities", [{}]))
    faults = {
        ("?" if "rubbish" in facts else "") + "cert.untrusted": facts.get("by") != by,
        "cert.expired": not facts.get("begins", 0) <= now <= facts.get("ends", 0),
        "cert.revoked": any(facts.get("serial") in each["revoked"] for each in lists),
        # But for what is certain: it would not be let in anyway.
        "cert.revocation_unknown": authority["revocation"] == "Require" and not lists and not other,
    }
    return next((reason for reason, fails in faults.items() if fails), ""), "cert.not_allowed" if other else ""


def is_so(facts: Raw, name: str, wanted: str) -> bool:
    """Whether a certificate says this; `*.` stands for one label, `/*` for everything below."""
    held = facts.get(name) or facts.get(f"{name}s", [])
    if name in ("sha256", "serial"):
        wanted = wanted.replace(":", "").lower().lstrip("0" if name == "serial" else "")
    pattern = re.escape(wanted).replace(r"\*\.", r"[^.]+\.").replace(r"/\*", "/.+")
    return any(re.fullmatch(pattern, each) for each in ([held] if isinstance(held, str) else held))


def fault(label: Raw, readers: list[Raw], audiences: list[str], shown: Raw, world: Raw) -> str:
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
    keys = issuer.get("jwks") or world["fetched"].get(issuer.get("jwksURL", issuer.get("discoveryURL")))
    if keys is None:
        return UNAVAILABLE
    fits = [key for key in json.loads(keys)["keys"] if (key["kty"] == "EC") is label["alg"].startswith("ES")]
    kids = [key["kid"] for key in fits if label["kid"] in (key["kid"], None)]
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
        "token.binding": claims.get("cnf") not in (None, {"x5t#S256": shown.get("x5t", "none")}),
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
