"""Installations and requests of small words, so that they meet each other: what a document of tests/corpus holds."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.differential.credentials import SENT_CERTIFICATES, SENT_KEYS, filled
from tests.differential.engine import Asked, Installed
from tests.differential.policies import installation
from tests.differential.words import MADE, SENT, Hand, given

Raw = dict[str, Any]

# Requests of each installation, for making one takes longer than asking it.
REQUESTS = 10
OTHER_HOSTS = ["API.example.com:8443", "api.example.com.", "example.com", "free.test", "[2001:db8::1]:80"]
NO_HOSTS = ["", "api.example.com,b", "x@api.example.com", "api.example.com.."]
ASKED = [*["api.example.com"] * 120, *["shop.example.com"] * 4, *["a.shop.example.com"] * 12, *OTHER_HOSTS, *NO_HOSTS]
USUAL = ["/a", "/a/b", "/a/", "/a/b/c", "/", "/b", "/b/c"]
CANONICAL = ["/ab", "/A", "/a/b/", "/caf%C3%A9", "/caf%C3%A9/", "/a/%20x", "/a/...", "/a%3fb", "/a/%25", "/a%23b"]
SPELLINGS = ["/%61", "/%61/b", "/a/%62", "/%62/b", "/b/%7e", "/a/%40", "/caf%c3%a9", "/café"]
SLASHES_AND_DOTS = ["/a//b", "//a", "/a/../b", "/a/./b", "/a/%2e%2e/b", "/a%2fb", "/a%2Fb", "/a\\b", "/a/%5cb"]
OTHERWISE_AMBIGUOUS = ["/a;x", "/a%3Bx", "/a%00", "/a/%0a", "/a/%252e", "/a/%2", "/a/%zz", "/a/%ff", "/a#b"]
PATHS = [*USUAL * 30, *CANONICAL * 2, *SPELLINGS * 2, *SLASHES_AND_DOTS, *OTHERWISE_AMBIGUOUS, "", "*", "a/b"]
SOURCES = ["192.0.2.10", "203.0.113.7", "192.0.2.10", "203.0.113.12", "2001:db8::7", "::ffff:203.0.113.7", "", "unix"]
FORWARDED_FOR = ["203.0.113.7", "203.0.113.7, 192.0.2.10", "198.51.100.1,203.0.113.7,192.0.2.10", "unknown,192.0.2.10", "x,", "2001:db8::1"]
TOKEN_PLACES = [["header"]] * 20 + [
    [],
    [],
    [],
    ["token"],
    ["token"],
    ["query"],
    ["cookie"],
    ["header", "cookie"],
    ["query", "header"],
    *[["token", "header"]] * 3,
]
AUTHORIZATIONS = [*["Bearer {}"] * 12, "bEARER {}", "Basic {}", "{}", "Bearer", "Basic x,Bearer {}"]
KEY_PLACES = [*[[]] * 6, *[["x-key"]] * 9, ["authorization"], ["query"], ["cookie"], ["x-key", "query"], ["cookie", "x-key"]]
QUERIES = ["t={}", "x=1&%74={}", "t={}&t=rubbish", "T={}"]
COOKIES = ["s={}", "x=1; s={}", 's="{}"; y=2', "s={}; s=x", "S={}"]
# What headers hold that tell of a certificate; Envoy itself tells of one in another way.
TELLING = [*[[]] * 2, *[["peer"]] * 5, ["header"], ["peer", "header"]]
ASKED_METHODS = [*["GET"] * 40, *["POST"] * 15, *["OPTIONS"] * 20, "get", ""]


def _tokens(hand: Hand, headers: Raw, query: str) -> str:
    """Put tokens into headers; return the query with those that stand there."""
    for place in hand.one(TOKEN_PLACES):
        token = f"@TOKEN:{hand.one(SENT)}@"
        if place == "header":
            headers["authorization"] = hand.one(AUTHORIZATIONS).format(token)
        elif place == "token":
            headers["x-token"] = hand.one([token, token, token, [token, "x"], ""])
        elif place == "query":
            query = hand.one(QUERIES).format(token)
        else:
            headers["cookie"] = hand.one(COOKIES).format(token)
    return query


def _keys(hand: Hand, headers: Raw, query: str) -> str:
    """The same for API keys."""
    for place in hand.one(KEY_PLACES):
        key = f"@KEY:{hand.one(SENT_KEYS)}@"
        if place == "query":
            query = "&".join(filter(None, [query, f"k={key}"]))
        elif place == "cookie":
            headers["cookie"] = "; ".join(filter(None, [headers.get("cookie"), f"k={key}"]))
        else:
            headers[place] = hand.one([key, key, key, [key, "x"], ""]) if place == "x-key" else f"ApiKey {key}"
    return query


def _request(hand: Hand, names: list[str]) -> Raw:
    headers: Raw = {}
    query = _keys(hand, headers, _tokens(hand, headers, hand.one(["", "", "x=1", "x=1", "x=2&x=1"])))
    certificates = {place: f"@CERTIFICATE:{hand.one(SENT_CERTIFICATES)}@" for place in hand.one(TELLING)}
    tenant, user = hand.one([None, None, "blue", "Blue", "red", "", ["blue", "red"], ["blue", "green"]]), hand.one([None, "1", "2"])
    plan, proxied = hand.maybe(4, ["platinum"]), hand.one([None, *FORWARDED_FOR])
    headers |= given(x__cert=certificates.get("header"), x__t=tenant, x__u=user)
    headers |= given(x__auth__plan=plan, x__forwarded__for=proxied, x__real__ip=proxied)
    if hand.rarely(3):
        headers |= {"origin": hand.one(["https://app.example", "https://app.example", ""]), "access-control-request-method": "PUT"}
    path = hand.one(PATHS) + (f"?{query}" if query else "")
    return {
        "method": hand.one(ASKED_METHODS),
        "host": hand.one(ASKED),
        "path": path,
        "headers": headers,
        "source": hand.one(SOURCES),
        "certificate": certificates.get("peer", ""),
        "policy": hand.one(names) if hand.rarely(4) else hand.maybe(60, ["x", "a/z"]) or "",
    }


def drawn(hand: Hand) -> tuple[Raw, list[Raw]]:
    """An installation and some requests to it, as a corpus document has them."""
    installed = installation(hand)
    names = [f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in installed["policies"]]
    return installed, [_request(hand, names) for _ in range(REQUESTS)]


@cache
def _upto(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most)


@st.composite
def cases(draw: Any) -> tuple[Raw, list[Raw]]:
    """The same, drawn by Hypothesis."""
    return drawn(Hand(lambda most: int(draw(_upto(most)))))


def request_of(drawn: Raw) -> Asked:
    return Asked.model_validate(filled(drawn))


_ABOUT = {
    "about": "drawn",
    "fetched": {"https://far.example.com/jwks": "far"},
    "cases": [{"name": "-", "why": "-", "expect": {"decision": "allow", "status": 200}}],
}


def setting_of(installed: Raw) -> Installed:
    """The installation with the tokens and the key sets that all of them have."""
    return Installed.model_validate({**_ABOUT, **installed}).model_copy(update={"tokens": MADE})
