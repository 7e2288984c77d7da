"""Items of `allow` and `deny`, compiled: members that must all hold, in the order credentials, clientIP, headers, when."""

from collections.abc import Callable

from authz.model.policy import HeaderCondition, Item
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.trace import Step
from authz.policy import addresses, conditions
from authz.policy.addresses import AddressSet
from authz.policy.apim import BLOCKED_ADDRESS
from authz.policy.credential import Challenge, Credential
from authz.policy.view import View

Member = Callable[[View], Failure | None]
Path = tuple[str | int, ...]


class CompiledItem:
    """One item, ready to be asked.

    Attributes:
        name: as the policy calls it.
        credentials: what the caller must present, all of it; none for `anonymous`.
        only: the credential, where it is a single one.
        members: the item's other members.
        path: where it stands in the policy.
        scopes: the scopes that its `jwt` asks for.
        has_addresses: whether it names client addresses.
        challenges: how its credentials may be presented.
        has_certificate: whether a client certificate is among them.
    """

    __slots__ = ("challenges", "credentials", "has_addresses", "has_certificate", "members", "name", "only", "path", "scopes")

    def __init__(self, item: Item, credentials: tuple[Credential, ...], members: tuple[Member, ...], path: Path) -> None:
        self.name = item.name
        self.credentials = credentials
        self.only = credentials[0] if len(credentials) == 1 else None
        self.members = members
        self.path = path
        self.has_addresses = item.addresses is not None
        self.scopes = item.jwt.scopes if item.jwt is not None else ()
        self.challenges: tuple[Challenge, ...] = tuple(challenge for each in credentials for challenge in each.challenges)
        self.has_certificate = item.certificate is not None

    def member_failure(self, view: View) -> Failure | None:
        """Return the failure of the first member, credentials aside, that does not hold, or None."""
        for member in self.members:
            failure = member(view)
            if failure is not None:
                return failure
        return None

    def failed_kind(self, failure: Failure, view: View) -> str:
        """Return the kind of the credential whose failure this is; BLOCKED_ADDRESS where a `deny` of addresses fired; or ""."""
        if failure.reason is Reason.RULE_DENY:
            return BLOCKED_ADDRESS if self.has_addresses else ""
        found = (each.kind for each in self.credentials if view.identity(each.reader) is failure)
        return next(found, "") or (self.only.kind if self.only is not None else "")


def fires(item: CompiledItem, view: View) -> Failure | None:
    """Return why a `deny` item fires, or None. It fires unless a member is certainly false.

    A credential that was not presented, or is not what the item asks for, makes it false; what cannot be told counts as
    true, with the cause's own reason.
    """
    unclear: Failure | None = None
    for credential in item.credentials:
        failure = credential.failure(view)
        if failure is not None and not failure.undecided:
            return None
        unclear = unclear or failure
    for member in item.members:
        failure = member(view)
        if failure is not None and not failure.undecided:
            return None
        unclear = unclear or failure
    return unclear or Failure(Reason.RULE_DENY, Rank.NOT_PERMITTED, "no `deny` item that fires", item.name)


def address_member(wanted: AddressSet, want: str, rank: Rank, path: Path) -> Member:
    """Return the member that asks for one of these client addresses; `want` says them in words."""

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


def header_member(condition: HeaderCondition, rank: Rank, path: Path) -> Member:
    """Return the member that asks for a header."""
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
