"""Tokens that were made, so that all is known of them, and a hand that draws from short lists."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.corpus_runner import TokenOf
from tests.differential.credentials import thumbprint

Raw = dict[str, Any]

# Tokens, made once: each has at most one fault of its own, for which of several is told is nowhere said.

TOKENS: dict[str, Raw] = {
    "good": {
        "audience": ["one", "two"],
        "claims": {"roles": ["reader"], "plan": "gold", "realm": {"roles": ["admin", 7]}},
        "scope": "read",
    },
    "writer": {"audience": ["one", "two"], "scope": "read write", "claims": {"roles": "reader,admin", "plan": "free"}},
    "plain": {"audience": ["one", "two"]},
    "bob": {"audience": ["one", "two"], "subject": "bob", "claims": {"scp": ["read"], "roles": [], "plan": {"x": 1}}},
    "odd": {"audience": ["one", "two"], "claims": {"roles": [{"a": 1}, "reader"], "plan": True}},
    "joined": {"audience": ["one", "two"], "claims": {"roles": ["reader,admin", "alice"]}},
    "one": {"audience": "one", "claims": {"roles": ["admin"]}},
    "ec": {"audience": ["one", "two"], "alg": "ES256", "claims": {"roles": ["a,b", "%"]}},
    "partner": {"signedBy": "partner", "audience": ["one", "two"], "scope": "read", "claims": {"roles": ["reader", "admin"]}},
    "partner-plain": {"signedBy": "partner", "audience": ["two"]},
    "down": {"signedBy": "down", "audience": ["one", "two"], "scope": "read write"},
    "far": {"signedBy": "far", "audience": ["one", "two"], "scope": "write"},
    "expired": {"audience": ["one", "two"], "lifetime": -40, "issuedAgo": 400},
    "partner-expired": {"signedBy": "partner", "audience": ["one", "two"], "lifetime": -10, "issuedAgo": 400},
    "early": {"audience": ["one", "two"], "notBefore": 31},
    "no-exp": {"audience": ["one", "two"], "lifetime": None},
    "elsewhere": {"audience": "three"},
    "bound": {"audience": ["one", "two"], "claims": {"cnf": {"jkt": "x"}}},
    "held": {"audience": ["one", "two"], "scope": "read", "claims": {"cnf": {"x5t#S256": thumbprint("good")}}},
    "held-by-stranger": {"audience": ["one", "two"], "claims": {"cnf": {"x5t#S256": thumbprint("stranger")}}},
    "forged": {"audience": ["one", "two"], "tamper": "signature"},
    "stranger": {"signedBy": "stranger", "issuer": "https://idp.example.com", "audience": ["one", "two"]},
    "pretender": {"signedBy": "partner", "issuer": "https://idp.example.com", "kid": "idp-rsa", "audience": ["one", "two"]},
    "foreign": {"signedBy": "stranger", "audience": ["one", "two"]},
    "none": {"audience": ["one", "two"], "alg": "none"},
    "logout": {"audience": ["one", "two"], "typ": "logout+jwt"},
    "jwt": {"audience": ["one", "two"], "scope": "read", "typ": "application/JWT"},
    "no-typ": {"audience": ["one", "two"], "scope": "write", "typ": None},
    "long": {"audience": ["one", "two"], "scope": "read", "lifetime": 7200},
    "old": {"audience": ["one", "two"], "scope": "read", "issuedAgo": 3600},
    "no-iat": {"rawPayload": '{"iss": "https://idp.example.com", "aud": "one", "exp": @LATER@}'},
    "large": {"audience": ["one", "two"], "padding": 20_000},
    "jwe": {"raw": "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d"},
    "rubbish": {"raw": "rubbish"},
    "dots": {"raw": "a.b.c"},
}
MADE = {name: TokenOf.model_validate(token) for name, token in TOKENS.items()}
GOOD = [*["good"] * 10, *["writer", "partner"] * 4, *["plain", "bob"] * 2, "odd", "joined", "one", "ec", *["down"] * 8, "far"]
SENT = [*GOOD, *[name for name in TOKENS if name not in GOOD] * 3]

# Drawing.


class Hand:
    """Draws from short lists, by `upto(most)`: what stands first is what counter-examples shrink to."""

    def __init__(self, upto: Callable[[int], int]) -> None:
        self._upto = upto

    def number(self, least: int, most: int) -> int:
        return least + self._upto(most - least)

    def one(self, options: Sequence[Any]) -> Any:
        return options[self.number(0, len(options) - 1)]

    def rarely(self, one_in: int) -> bool:
        return self.number(1, one_in) == one_in

    def maybe(self, one_in: int, options: Sequence[Any]) -> Any:
        """One of the options, but once in `one_in` only; else None."""
        return self.one(options) if self.rarely(one_in) else None

    def some(self, options: Sequence[Any], most: int) -> list[Any]:
        """At least one of the options, each once."""
        left = [each for at, each in enumerate(options) if each not in options[:at]]
        return [left.pop(self.number(0, len(left) - 1)) for _ in range(self.number(1, min(most, len(left))))]


def given(**members: Any) -> Raw:
    return {name.replace("__", "-"): value for name, value in members.items() if value not in (None, [])}
