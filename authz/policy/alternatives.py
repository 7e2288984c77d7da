"""Alternatives of a rule: items of `allow` with the answer that each gives, and what `anonymous` may not overlook."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from authz.model.decision import Allow
from authz.model.policy import ForwardedHeader, JwtCondition
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.policy import conditions
from authz.policy.credential import API_KEY, CERTIFICATE, EVERY_SCOPE, JWT, Credential, listed
from authz.policy.forwarding import values_of
from authz.policy.items import CompiledItem
from authz.policy.view import Reader, View

Guard = Callable[[View], Failure | None]
Callers = Mapping[str, Caller]

_NOBODY: Final[Callers] = {}
# Of one caller. A policy has fewer alternatives than this that one caller comes to; forms of it that went have the rest.
_MOST_ANSWERS: Final = 256


class Alternative:
    """One item of `allow`, with the answer that it gives."""

    __slots__ = ("_base", "_forward", "_reader", "_static", "guard", "item")

    def __init__(self, item: CompiledItem, base: Allow, forward: tuple[ForwardedHeader, ...], guard: Guard | None) -> None:
        self.item = item
        # Of a single credential, the usual case.
        self._reader = item.only.reader if item.only is not None else None
        self.guard = guard
        self._base = replace(base, alternative=item.name)
        self._forward = forward
        self._static = None if item.credentials else self._allow(_NOBODY)

    def judge(self, view: View) -> Allow | Failure:
        """Return the allow where every member holds, else the failure that counts."""
        if self._reader is None:
            return self._of_several(view) if self.item.credentials else self._of_none(view)
        caller = view.identity(self._reader)
        if isinstance(caller, Failure):
            return self._not_only_ours(caller, self.item.credentials[0], view) if caller.ours else caller
        answer: Allow | Failure | None = caller.answers.get(self) if view.trace is None else None
        if answer is None:
            if len(caller.answers) >= _MOST_ANSWERS:
                caller.answers.clear()  # Those of forms of the policy that are not in force any more.
            answer = caller.answers[self] = self._of_one(self.item.credentials[0], caller, view)
        if isinstance(answer, Failure):
            return answer
        return self.item.member_failure(view) or answer

    def _of_one(self, credential: Credential, caller: Caller, view: View) -> Allow | Failure:
        return credential.permit(caller, view) or self._allow({credential.kind: caller})

    def _of_none(self, view: View) -> Allow | Failure:
        failure = self.item.member_failure(view) or (self.guard(view) if self.guard is not None else None)
        return failure or self._static or self._allow(_NOBODY)

    def _of_several(self, view: View) -> Allow | Failure:
        credentials = self.item.credentials
        first = view.identity(credentials[0].reader)
        # What was made of the same callers before; they and what they say cannot change.
        known = first.answers.get(self) if isinstance(first, Caller) and view.trace is None else None
        if known is not None and all(view.identity(each.reader) is caller for each, caller in zip(credentials, known[0], strict=True)):
            return self.item.member_failure(view) or known[1]
        callers: dict[str, Caller] = {}
        for credential in credentials:
            caller = view.identity(credential.reader)
            failure = caller if isinstance(caller, Failure) else credential.permit(caller, view)
            if failure is not None:
                return self._not_only_ours(failure, credential, view) if failure.ours else failure
            if isinstance(caller, Caller):
                callers[credential.kind] = caller
        answer = self._allow(callers)
        if isinstance(answer, Failure):
            return answer
        if view.trace is None and isinstance(first, Caller):
            # Of each first caller the last ones it came with, so that this does not grow.
            first.answers[self] = tuple(callers.values()), answer
        return self.item.member_failure(view) or answer

    def _not_only_ours(self, failure: Failure, blamed: Credential, view: View) -> Failure:
        # Where something else is certainly false, the alternative would have failed without our fault too.
        for credential in self.item.credentials:
            other = credential.failure(view) if credential is not blamed else None
            if other is not None and not other.ours:
                return other
        for member in self.item.members:
            other = member(view)
            if other is not None and not other.undecided:
                return Failure(other.reason, Rank.NOT_VERIFIED, other.want, other.got)
        return failure

    def _allow(self, callers: Callers) -> Allow | Failure:
        headers = values_of(self._forward, callers)
        if isinstance(headers, ForwardedHeader):
            return Failure(Reason.CLAIMS_MISMATCH, Rank.NOT_PERMITTED, f"a value for {headers.name}", "too long to forward")
        given = frozenset(name for name, _ in headers)
        base, token = self._base, callers.get(JWT)
        return Allow(
            base.reason,
            base.policy,
            base.rule,
            base.alternative,
            token.source if token is not None else "",
            token.subject if token is not None else "",
            headers,
            tuple(name for name in base.remove_headers if name not in given),
            strip_queries=base.strip_queries,
            strip_cookies=base.strip_cookies,
            callers=_called(callers),
        )


def _called(callers: Callers) -> tuple[tuple[str, str], ...]:
    """Return what is told of callers beside their token: the key's id and subscription, the certificate's subject."""
    found: list[tuple[str, str]] = []
    if (key := callers.get(API_KEY)) is not None:
        found += [("api_key", key.subject), ("subscription", key.claims["subscription"])]
    if (certificate := callers.get(CERTIFICATE)) is not None:
        found.append(("client_certificate", certificate.subject))
    return tuple(found)


def token_guard(reader: Reader, conditions_of: tuple[JwtCondition, ...]) -> Guard:
    """Return what keeps `anonymous` from overlooking a token that was sent on purpose and failed verification.

    Args:
        reader: finds and verifies the token of those of the rule's alternatives that share their places.
        conditions_of: what each of them asks; a token that is for none of their audiences failed, too.
    """
    audiences = [(frozenset(each.issuers), frozenset(each.audiences)) for each in conditions_of]
    want = ", ".join(dict.fromkeys(audience for each in conditions_of for audience in each.audiences))

    def check(view: View) -> Failure | None:
        identity = view.identity(reader)
        if isinstance(identity, Failure):
            return _presented(identity)
        held = conditions.claim_values(identity.claims, ("aud",))
        for issuers, wanted in audiences:
            if identity.source in issuers and (not wanted or not wanted.isdisjoint(held)):
                return None
        return None if view.unasked else Failure(Reason.TOKEN_AUDIENCE, Rank.ANONYMOUS, want, listed(held))

    return check


def _presented(failure: Failure) -> Failure | None:
    """Return the failure of a credential that was sent on purpose, as one of `anonymous`; None where nothing was."""
    if failure.rank <= Rank.NOT_PRESENTED or failure.unasked:
        return None
    return Failure(failure.reason, Rank.ANONYMOUS, failure.want, failure.got, undecided=failure.undecided)


def key_guard(asked: Iterable[tuple[Reader, tuple[str, ...]]]) -> Guard:
    """Return what keeps `anonymous` from overlooking an API key that was sent on purpose, and is none for this API.

    Args:
        asked: what reads the keys of each of the sets that share their places, with the scopes that the rule's alternatives ask of them.
            A key of one of these sets is none of the others, and good all the same.
    """
    sets = [(reader, frozenset(scopes), " or ".join(scopes)) for reader, scopes in asked]

    def check(view: View) -> Failure | None:
        first: Failure | None = None
        is_good = False
        for reader, wanted, want in sets:
            caller = view.identity(reader)
            if isinstance(caller, Failure):
                failure = _presented(caller)
                if failure is not None and failure.reason is Reason.CREDENTIALS_MULTIPLE:
                    return failure
            else:
                held: frozenset[str] = caller.claims["scopes"]
                holds = EVERY_SCOPE in held or not wanted.isdisjoint(held)
                is_good |= holds
                failure = None if holds or view.unasked else Failure(Reason.APIKEY_SCOPE, Rank.ANONYMOUS, want, listed(held))
            first = first or failure
        return None if is_good else first

    return check


def guards(each: list[Guard]) -> Guard | None:
    """Return what does the work of all of these; None where there are none. Our own fault is told where it is the only one."""
    if len(each) < 2:
        return each[0] if each else None

    def check(view: View) -> Failure | None:
        ours: Failure | None = None
        for one in each:
            failure = one(view)
            if failure is not None and not failure.ours:
                return failure
            ours = ours or failure
        return ours

    return check
