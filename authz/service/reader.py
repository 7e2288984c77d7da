"""Finds the token that some alternatives of a policy read, and verifies it: remembered, or against the issuer's keys."""

from hashlib import sha256
from itertools import count
from typing import Final

from authz.authn import claims, jws
from authz.authn.bound import binding_failure
from authz.authn.jws import Jws
from authz.authn.keys import VerifyingKey
from authz.authn.presented import Finder, Presented
from authz.model.issuer import Issuer
from authz.model.principal import Failure, Principal, Rank
from authz.model.reason import Reason
from authz.model.trace import Step
from authz.policy.view import View
from authz.service.keyring import IssuerKeys, KeyRing
from authz.service.tokens import TokenMemory
from authz.service.told_certificates import leaf_of

_numbers: Final = count(1)


class TokenReader:
    """Reads tokens of certain issuers for certain audiences. One for each such set in a policy, as long as it is in force."""

    __slots__ = ("_audiences", "_finder", "_issuers", "_memory", "_salt", "_want_audience", "_want_issuer", "states")

    def __init__(self, issuers: tuple[Issuer, ...], audiences: tuple[str, ...], ring: KeyRing, memory: TokenMemory) -> None:
        self._finder = Finder(tuple(dict.fromkeys(place for issuer in issuers for place in issuer.places)))
        self._issuers = tuple((issuer, ring.of(issuer)) for issuer in issuers)
        self.states = tuple(state for _, state in self._issuers)
        self._audiences = frozenset(audiences)
        self._want_audience = ", ".join(audiences)
        self._want_issuer = ", ".join(dict.fromkeys(issuer.issuer for issuer in issuers))
        self._memory = memory
        # Other issuers, another policy or another version of it: other entries, though the token be the same.
        self._salt = next(_numbers).to_bytes(16, "big")

    def identify(self, view: View) -> Principal | Failure:
        """Return who the request's token speaks of."""
        presented = self._finder.find(view.request)
        if isinstance(presented, Failure):
            view.note(Step(3, "token", "", False, presented.got, presented.want))
            return presented
        view.unasked = presented.unasked
        text = presented.token.reveal().encode("utf-8", "surrogatepass")
        # Where a token stands belongs to it: an issuer that is read from a header vouches for nothing in a cookie.
        digest = sha256(self._salt + presented.mark + b"." + text).digest()
        principal = self._memory.get(digest) if view.trace is None else None
        if principal is not None:
            if principal.begins <= view.now < principal.expires:
                return _of_holder(principal, view) if "cnf" in principal.claims else principal
            times = principal.begins, principal.expires
            found: Principal | Failure | None = claims.time_failure(principal.claims, principal.issuer, times, view.now)
        else:
            found = self._verified(presented, view, digest, len(text))
        if isinstance(found, Principal) and "cnf" in found.claims:
            found = _of_holder(found, view)
        if isinstance(found, Failure):
            found.unasked = presented.unasked
        return found or Failure(Reason.TOKEN_EXPIRED, Rank.NOT_VERIFIED)

    def _verified(self, presented: Presented, view: View, digest: bytes, size: int) -> Principal | Failure:
        view.note(Step(3, "token", "", True, f"{' and '.join(map(str, presented.places))}, {size} bytes"))
        read = jws.read(presented.token.reveal())
        if isinstance(read, Failure):
            view.note(Step(3, "form", "", False, read.got, read.want))
            return read
        failure, failures = self._issuer_failure(read, view), list[Failure]()
        for issuer, state in self._issuers:
            if issuer.issuer != read.claims.get("iss") or not set(presented.places) & set(issuer.places):
                continue
            found = self._by(issuer, state, read, view)
            if isinstance(found, Principal):
                self._memory.put(digest, found, state, size)
                return found
            failures.append(found)
        # An issuer that is defined twice: our own fault first, then what got furthest, then as written.
        return max(failures, key=lambda each: (each.ours, each.rank)) if failures else failure

    def _issuer_failure(self, read: Jws, view: View) -> Failure:
        got = str(read.claims.get("iss", "none"))[:200]
        known = got in {issuer.issuer for issuer, _ in self._issuers}
        view.note(Step(3, "issuer", "", known, got, self._want_issuer))
        return Failure(Reason.TOKEN_ISSUER, Rank.NOT_VERIFIED, self._want_issuer, got)

    def _by(self, issuer: Issuer, state: IssuerKeys, read: Jws, view: View) -> Principal | Failure:
        if read.kind not in issuer.token_types:
            want, got = f"typ {' or '.join(sorted(issuer.token_types))}", f"typ {read.kind[:40]}"
            view.note(Step(3, "type", "", False, got, want))
            return Failure(Reason.TOKEN_TYPE, Rank.NOT_VERIFIED, want, got)
        key = self._key(issuer, state, read, view)
        if isinstance(key, Failure):
            return key
        if not key.verifies(read.signed, read.signature):
            view.note(Step(3, "signature", "", False, "it does not match", f"one by the key {key.kid}"))
            # The issuer may have put another key under the same name: worth one look in each cooldown.
            _ask(state, view)
            if state.flight is not None:
                return Failure(Reason.KEYS_UNAVAILABLE, Rank.NOT_VERIFIED, f"the keys of {issuer.issuer}", "", undecided=True)
            return Failure(Reason.TOKEN_SIGNATURE, Rank.NOT_VERIFIED, f"a signature by the key {key.kid}", "another")
        view.note(Step(3, "signature", "", True, f"by the key {key.kid}"))
        return self._claims(issuer, read, view)

    def _key(self, issuer: Issuer, state: IssuerKeys, read: Jws, view: View) -> VerifyingKey | Failure:
        if read.algorithm not in issuer.algorithms:
            want = ", ".join(issuer.algorithms)
            view.note(Step(3, "algorithm", "", False, read.algorithm[:40], want))
            return Failure(Reason.TOKEN_ALGORITHM, Rank.NOT_VERIFIED, want, read.algorithm[:40])
        keys = state.keys
        key = keys.find(read.kid, read.algorithm) if keys is not None else None
        got = f"{read.algorithm} kid {str(read.kid)[:64]}"
        if key is not None:
            view.note(Step(3, "key", "", True, got))
            return key
        _ask(state, view)
        if keys is None or state.is_uncertain:
            view.note(Step(3, "key", "", False, got, "the issuer's keys, which could not be fetched"))
            return Failure(Reason.KEYS_UNAVAILABLE, Rank.NOT_VERIFIED, f"the keys of {issuer.issuer}", got, undecided=True)
        want = f"one of {', '.join(keys.kids[:8])}"
        view.note(Step(3, "key", "", False, got, want))
        return Failure(Reason.TOKEN_KEY_UNKNOWN, Rank.NOT_VERIFIED, want, got)

    def _claims(self, issuer: Issuer, read: Jws, view: View) -> Principal | Failure:
        times = claims.lifetime(read.claims, issuer)
        failure = times if isinstance(times, Failure) else claims.time_failure(read.claims, issuer, times, view.now)
        view.note(Step(3, "times", "", failure is None, failure.got if failure else "", failure.want if failure else ""))
        if failure is not None or isinstance(times, Failure):
            return failure or Failure(Reason.TOKEN_LIFETIME, Rank.NOT_VERIFIED)
        audiences = claims.audiences(read.claims)
        if audiences is None:
            return Failure(Reason.TOKEN_MALFORMED, Rank.UNREADABLE, "aud is a string or a list of strings", "another value")
        got = ", ".join(sorted(audiences)[:8])[:400] or "none"
        holds = not audiences.isdisjoint(self._audiences)
        view.note(Step(3, "audience", "", holds, got, self._want_audience, ("spec", "audiences")))
        if not holds:
            return Failure(Reason.TOKEN_AUDIENCE, Rank.NOT_VERIFIED, self._want_audience, got)
        return Principal(issuer, read.claims, *times)


def _of_holder(principal: Principal, view: View) -> Principal | Failure:
    """Return the principal of a token that is bound to its holder (`cnf`, RFC 8705), or why the client is not shown to be that.

    Asked for each request: the token may come again by another connection.
    """
    failure = binding_failure(principal.claims, leaf_of(view))
    if view.trace is not None:
        got, want = (failure.got, failure.want) if failure is not None else ("the client's certificate", "the one in cnf")
        view.note(Step(3, "binding", "", failure is None, got, want))
    return failure or principal


def _ask(state: IssuerKeys, view: View) -> None:
    if state.may_ask(view.now):
        view.wanted.append(state)
