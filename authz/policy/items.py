"""Items of `allow` and `deny`, compiled: members that must all hold, in the order credential, clientIP, headers."""

from collections.abc import Callable
from typing import Final

from authz.model.policy import AddressCondition, ClaimCondition, HeaderCondition, Item, JwtCondition
from authz.model.principal import Failure, Principal, Rank
from authz.model.reason import Reason
from authz.model.trace import Step
from authz.policy import addresses, conditions
from authz.policy.view import Reader, View

Member = Callable[[View], Failure | None]
Path = tuple[str | int, ...]
Permit = Callable[[Principal, View], Failure | None]

_NO_TOKEN: Final = JwtCondition(())


class CompiledItem:
    """One item, ready to be asked.

    Attributes:
        name: as the policy calls it.
        reader: finds the token of an item with `jwt`; None for an item without.
        permit: what the item asks of a verified token.
        members: the item's other members.
        path: where it stands in the policy.
        scopes: the scopes that its `jwt` asks for.
        schemes: the authentication schemes by which its token may be presented.
    """

    __slots__ = ("members", "name", "path", "permit", "reader", "schemes", "scopes")

    def __init__(self, item: Item, reader: Reader | None, schemes: tuple[str, ...], path: Path) -> None:
        rank = Rank.ANONYMOUS if item.anonymous else Rank.NOT_PERMITTED
        members = [] if item.addresses is None else [_address_member(item.addresses, rank, (*path, "clientIP"))]
        members += [_header_member(each, rank, (*path, "headers", at)) for at, each in enumerate(item.headers)]
        self.name = item.name
        self.reader = reader
        self.permit = _permit(item.jwt or _NO_TOKEN, (*path, "jwt"))
        self.members = tuple(members)
        self.path = path
        self.scopes = item.jwt.scopes if item.jwt is not None else ()
        self.schemes = schemes

    def member_failure(self, view: View) -> Failure | None:
        """Return the failure of the first member, the credential aside, that does not hold, or None."""
        for member in self.members:
            failure = member(view)
            if failure is not None:
                return failure
        return None


def fires(item: CompiledItem, view: View) -> Failure | None:
    """Return why a `deny` item fires, or None. It fires unless a member is certainly false.

    A credential that was not presented, or is not what the item asks for, makes it false; what cannot be told counts as
    true, with the cause's own reason.
    """
    unclear: Failure | None = None
    if item.reader is not None:
        identity = view.identity(item.reader)
        unclear = identity if isinstance(identity, Failure) else item.permit(identity, view)
        if unclear is not None and not unclear.undecided:
            return None
    for member in item.members:
        failure = member(view)
        if failure is not None and not failure.undecided:
            return None
        unclear = unclear or failure
    return unclear or Failure(Reason.RULE_DENY, Rank.NOT_PERMITTED, "no `deny` item that fires", item.name)


def _permit(jwt: JwtCondition, path: Path) -> Permit:
    checks = [_audience_check(jwt.audiences, path)] if jwt.audiences else []
    checks += [_scope_check(jwt.scopes, path)] if jwt.scopes else []
    checks += [_claim_check(each, (*path, "claims", at)) for at, each in enumerate(jwt.claims)]

    def permit(principal: Principal, view: View) -> Failure | None:
        for check in checks:
            failure = check(principal, view)
            if failure is not None:
                return failure
        return None

    return permit


def _audience_check(audiences: tuple[str, ...], path: Path) -> Permit:
    wanted, want = frozenset(audiences), ", ".join(audiences)

    def check(principal: Principal, view: View) -> Failure | None:
        held = conditions.claim_values(principal.claims, ("aud",))
        return _told(
            view,
            Step(3, "audience", "", not wanted.isdisjoint(held), listed(held), want, (*path, "audiences")),
            Reason.TOKEN_AUDIENCE,
            Rank.NOT_VERIFIED,
        )

    return check


def _scope_check(scopes: tuple[str, ...], path: Path) -> Permit:
    wanted, want = frozenset(scopes), " ".join(scopes)

    def check(principal: Principal, view: View) -> Failure | None:
        held = conditions.scopes_of(principal.claims)
        return _told(
            view,
            Step(3, "scopes", "", wanted <= held, listed(held), want, (*path, "scopes")),
            Reason.SCOPE_INSUFFICIENT,
            Rank.NOT_PERMITTED,
        )

    return check


def _claim_check(claim: ClaimCondition, path: Path) -> Permit:
    holds, name = conditions.claim_test(claim), ".".join(claim.path)
    want = f"{claim.match.lower()} of {', '.join(claim.values)}"

    def check(principal: Principal, view: View) -> Failure | None:
        held = conditions.claim_values(principal.claims, claim.path, claim.separator)
        return _told(
            view,
            Step(3, "claim", name, holds(principal.claims), listed(held), f"{name}: {want}", path),
            Reason.CLAIMS_MISMATCH,
            Rank.NOT_PERMITTED,
        )

    return check


def _told(view: View, step: Step, reason: Reason, rank: Rank) -> Failure | None:
    view.note(step)
    return None if step.holds else Failure(reason, rank, step.want, step.got)


def listed(values: frozenset[str]) -> str:
    """Return the first values in words, for explanations."""
    return ", ".join(sorted(values)[:8]) or "none"


def _address_member(condition: AddressCondition, rank: Rank, path: Path) -> Member:
    wanted = addresses.set_of(condition)
    want = ", ".join((*condition.cidrs, *(f"{each.first} - {each.last}" for each in condition.ranges)))

    def member(view: View) -> Failure | None:
        address = view.address
        holds = address in wanted
        if view.trace is not None:
            view.note(Step(2, "clientIP", "", holds, addresses.text(address), want, path))
        if holds:
            return None
        unknown = address == addresses.UNKNOWN
        reason = Reason.IP_UNKNOWN if unknown else Reason.IP_DENIED
        return Failure(reason, rank, want, addresses.text(address), undecided=unknown)

    return member


def _header_member(condition: HeaderCondition, rank: Rank, path: Path) -> Member:
    test, name = conditions.header_test(condition), condition.name.lower()
    want = f"{name}: {' | '.join(condition.values) or 'any value'}"

    def member(view: View) -> Failure | None:
        holds = test(view.request.headers)
        if holds and view.trace is None:
            return None
        # Not the value: a header may hold a secret.
        got = f"{name} is {'as wanted' if holds else 'another'}" if name in view.request.headers else f"no {name}"
        got = f"{name} several times" if holds is None else got
        view.note(Step(2, "header", name, bool(holds), got, want, path))
        return None if holds else Failure(Reason.HEADER_MISMATCH, rank, want, got, undecided=holds is None)

    return member
