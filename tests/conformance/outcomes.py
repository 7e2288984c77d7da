"""What became of an outside vector, and the ways to ask the product about one."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from authz.authn import jws
from authz.authn.hmac_keys import ALGORITHMS as HMAC
from authz.authn.hmac_keys import hmac_keys
from authz.authn.jws import Jws
from authz.authn.keys import ALGORITHMS, KeySetError, key_set
from authz.model.issuer import KeySource
from authz.model.principal import Failure, Principal
from authz.policy.view import View
from authz.service.keyring import KeyRing
from authz.service.reader import TokenReader
from authz.service.tokens import TokenMemory
from tests.builders import AUDIENCE, ISSUER, a_request
from tests.fakes import NOON, FakeClock, FakeFetcher, Journal
from tests.policy.given import a_view, an_issuer

NOT_RUN = "not run"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@dataclass(frozen=True)
class Outcome:
    """One vector: what has to come of it, and what came. `why` is set where its own label is not followed."""

    vector: str
    expected: str
    found: str
    why: str = ""

    @property
    def holds(self) -> bool:
        return self.expected == self.found

    @property
    def kind(self) -> str:
        """Which column of the page counts it."""
        return NOT_RUN if self.found == NOT_RUN else "otherwise" if self.why else "as labelled"


@dataclass(frozen=True)
class Corpus:
    """Vectors of one origin. `note` says what is done with them."""

    folder: str
    origin: str
    licence: str
    note: str
    run: Callable[[], Iterable[Outcome]]

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(self.run())


def as_far_as_the_claims(token: str, *members: Any) -> str:
    """What becomes of a token whose payload may be no JSON: `verified`, or where it ends. These members are the key set."""
    parts = jws.take_apart(token)
    if isinstance(parts, Failure):
        return parts.reason.value
    header, _, signed, signature = parts
    read = Jws(header, {}, signed, signature)
    try:
        key = key_set(json.dumps({"keys": members}).encode(), ALGORITHMS).find(read.kid, read.algorithm)
    except KeySetError:
        return "no usable key"
    if key is None:
        return "no such key"
    return "verified" if key.verifies(read.signed, read.signature) else "token.signature"


def with_secret(token: str, *members: Any) -> str:
    """The same where these members are the secrets of an issuer whose tokens may have any algorithm of HMAC that they fit."""
    parts = jws.take_apart(token)
    if isinstance(parts, Failure):
        return parts.reason.value
    header, _, signed, signature = parts
    read = Jws(header, {}, signed, signature)
    try:
        key = hmac_keys(json.dumps({"keys": members}), hmac_algorithms(members)).find(read.kid, read.algorithm)
    except KeySetError:
        return "no usable key"
    if key is None:
        return "no such key"
    return "verified" if key.verifies(signed, signature) else "token.signature"


def hmac_algorithms(members: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The algorithms that these keys name; HS256 where none does."""
    return tuple(dict.fromkeys(each["alg"] for each in members if each.get("alg") in HMAC)) or ("HS256",)


class Reading:
    """The service's own reader, for one issuer with these keys."""

    def __init__(self, jwks: str, *, issuer: str = ISSUER, audience: str = AUDIENCE, now: float = NOON, **changes: Any) -> None:
        self.fetcher = FakeFetcher()
        ring = KeyRing(self.fetcher, FakeClock(now), Journal())
        declared = an_issuer(issuer=issuer, keys=KeySource(jwks=jwks), **{"algorithms": ALGORITHMS, **changes})
        self._reader = TokenReader((declared,), (audience,), ring, TokenMemory())
        self._now = now

    def view(self, token: str, **headers: str) -> View:
        return a_view(a_request(token=token) if not headers else a_request(headers=headers), now=self._now)

    def found(self, token: str) -> Principal | Failure:
        return self._reader.identify(self.view(token))

    def answer(self, token: str, **headers: str) -> str:
        """`accepted`, or the reason for which it is refused. Headers stand in for the usual one."""
        found = self._reader.identify(self.view(token, **headers))
        return "accepted" if isinstance(found, Principal) else found.reason.value


def public(member: dict[str, Any]) -> dict[str, Any]:
    """A JWK without its private half."""
    return {name: value for name, value in member.items() if name not in PRIVATE}
