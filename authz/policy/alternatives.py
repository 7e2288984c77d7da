"""Alternatives of a rule: items of `allow` with the answer that each gives, and what `anonymous` may not overlook."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from authz.model.decision import Allow
from authz.model.policy import ForwardedHeader, JwtCondition
from authz.model.principal import Failure, Principal, Rank
from authz.model.reason import Reason
from authz.policy import conditions
from authz.policy.forwarding import values_of
from authz.policy.items import CompiledItem, listed
from authz.policy.view import Reader, View

Guard = Callable[[View], Failure | None]


class Alternative:
    """One item of `allow`, with the answer that it gives."""

    __slots__ = ("_base", "_forward", "_static", "guard", "item")

    def __init__(self, item: CompiledItem, base: Allow, forward: tuple[ForwardedHeader, ...], guard: Guard | None) -> None:
        self.item = item
        self.guard = guard
        self._base = replace(base, alternative=item.name)
        self._forward = forward
        self._static = self._allow(None) if item.reader is None else None

    def judge(self, view: View) -> Allow | Failure:
        """Return the allow where every member holds, else the failure that counts."""
        item = self.item
        if item.reader is None:
            failure = item.member_failure(view) or (self.guard(view) if self.guard is not None else None)
            return failure or self._static or self._allow(None)
        identity = view.identity(item.reader)
        if isinstance(identity, Failure):
            return self._not_only_ours(identity, view) if identity.ours else identity
        answer: Allow | Failure | None = identity.answers.get(self) if view.trace is None else None
        if answer is None:
            answer = identity.answers[self] = item.permit(identity, view) or self._allow(identity)
        if isinstance(answer, Failure):
            return answer
        return item.member_failure(view) or answer

    def _not_only_ours(self, failure: Failure, view: View) -> Failure:
        # Where another member is certainly false, the alternative would have failed without our fault too.
        for member in self.item.members:
            other = member(view)
            if other is not None and not other.undecided:
                return Failure(other.reason, Rank.NOT_VERIFIED, other.want, other.got)
        return failure

    def _allow(self, principal: Principal | None) -> Allow | Failure:
        claims = principal.claims if principal is not None else {}
        headers = values_of(self._forward, claims)
        if isinstance(headers, ForwardedHeader):
            return Failure(Reason.CLAIMS_MISMATCH, Rank.NOT_PERMITTED, f"a value for {headers.name}", "too long to forward")
        given = frozenset(name for name, _ in headers)
        base = self._base
        return Allow(
            base.reason,
            base.policy,
            base.rule,
            base.alternative,
            principal.issuer.name if principal is not None else "",
            principal.subject if principal is not None else "",
            headers,
            tuple(name for name in base.remove_headers if name not in given),
            strip_queries=base.strip_queries,
            strip_cookies=base.strip_cookies,
        )


def guard(reader: Reader, conditions_of: tuple[JwtCondition, ...]) -> Guard:
    """Return what keeps `anonymous` from overlooking a token that was sent on purpose and failed verification.

    Args:
        reader: finds and verifies the token of those of the rule's alternatives that share their places.
        conditions_of: what each of them asks; a token that is for none of their audiences failed, too.
    """
    audiences = [(frozenset(each.issuers), frozenset(each.audiences)) for each in conditions_of]
    want = ", ".join(dict.fromkeys(audience for each in conditions_of for audience in each.audiences))

    def check(view: View) -> Failure | None:
        identity = view.identity(reader)
        if isinstance(identity, Principal):
            held = conditions.claim_values(identity.claims, ("aud",))
            for issuers, wanted in audiences:
                if identity.issuer.name in issuers and (not wanted or not wanted.isdisjoint(held)):
                    return None
            return None if view.unasked else Failure(Reason.TOKEN_AUDIENCE, Rank.ANONYMOUS, want, listed(held))
        if identity.rank <= Rank.NOT_PRESENTED or identity.unasked:
            return None
        return Failure(identity.reason, Rank.ANONYMOUS, identity.want, identity.got, undecided=identity.undecided)

    return check


def guards(groups: Iterable[tuple[Reader, tuple[JwtCondition, ...]]]) -> Guard | None:
    """Return what keeps `anonymous` from overlooking a token of any of these groups, each with a reader; None where there are none."""
    each = tuple(guard(reader, conditions_of) for reader, conditions_of in groups)
    if len(each) < 2:
        return each[0] if each else None

    def check(view: View) -> Failure | None:
        for one in each:
            failure = one(view)
            if failure is not None:
                return failure
        return None

    return check
