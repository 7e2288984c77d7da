"""Declared and compiled things with one difference, and stand-ins for what the policy floor is handed."""

from collections.abc import Mapping
from typing import Any

from authz.model.certificate import CertificateIdentity
from authz.model.definitions import ApiKeySet, CertificateAuthority, Definitions
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource, Place
from authz.model.policy import AddressCondition, HeaderCondition, Item, JwtCondition, Mode, Policy, PolicyName, Rule
from authz.model.principal import Failure, Principal, Rank
from authz.model.reason import Reason
from authz.model.request import Request
from authz.model.trace import Trace
from authz.policy import addresses
from authz.policy.compiled import CompiledPolicy, compile_policy
from authz.policy.items import CompiledItem
from authz.policy.parts import Parts
from authz.policy.view import View
from tests.builders import HOST, ISSUER, a_request
from tests.fakes import NOON

ANYONE = Item("anyone", anonymous=True)
STAFF = Item("staff", jwt=JwtCondition(("idp",)))
NOT_PRESENTED = Failure(Reason.CREDENTIALS_MISSING, Rank.NOT_PRESENTED, "a token")
UNAVAILABLE = Failure(Reason.KEYS_UNAVAILABLE, Rank.NOT_VERIFIED, "keys", undecided=True)
FORGED = Failure(Reason.TOKEN_SIGNATURE, Rank.NOT_VERIFIED, "a signature", "another")


def an_issuer(name: str = "idp", *, places: tuple[Place, ...] = (AUTHORIZATION_BEARER,), **changes: Any) -> Issuer:
    usual: dict[str, Any] = {"issuer": ISSUER, "keys": KeySource(), "algorithms": ("RS256",), "clock_skew": 30}
    return Issuer(name=name, places=places, **{**usual, **changes})


def a_principal(issuer: Issuer | None = None, **claims: Any) -> Principal:
    return Principal(issuer or an_issuer(), claims, 0, NOON + 3600)


def a_rule(name: str = "read", *, allow: tuple[Item, ...] = (ANYONE,), mode: Mode = Mode.ENFORCE, **changes: Any) -> Rule:
    usual: dict[str, Any] = {"matches": (), "deny": ()}
    return Rule(name=name, mode=mode, allow=allow, **{**usual, **changes})


def a_policy(name: str = "orders", namespace: str = "shop", **changes: Any) -> Policy:
    usual: dict[str, Any] = {
        "generation": 1,
        "hosts": (HOST,),
        "path_prefixes": (),
        "mode": Mode.ENFORCE,
        "preflight": False,
        "definitions_from": (),
        "audiences": ("orders",),
        "issuers": (an_issuer(),),
        "deny": (),
        "rules": (a_rule(),),
    }
    return Policy(name=PolicyName(namespace, name), **{**usual, **changes})


def from_networks(*cidrs: str) -> AddressCondition:
    return AddressCondition(cidrs)


def with_header(name: str = "x-tenant", *values: str) -> tuple[HeaderCondition, ...]:
    return (HeaderCondition(name, values),)


class FakeReader:
    """Finds what it is told to find, and counts how often it was asked."""

    def __init__(self, found: Principal | Failure | None = None) -> None:
        self.found = found or NOT_PRESENTED
        self.asked = 0

    def identify(self, view: View) -> Principal | Failure:
        self.asked += 1
        return self.found


class FakeReaders:
    """Gives one reader for every credential."""

    def __init__(self, reader: FakeReader) -> None:
        self.reader = reader

    def tokens(self, issuers: tuple[Issuer, ...], audiences: tuple[str, ...]) -> FakeReader:
        return self.reader

    def api_keys(self, key_set: ApiKeySet) -> FakeReader:
        return self.reader

    def certificates(self, authority: CertificateAuthority, identities: tuple[CertificateIdentity, ...]) -> FakeReader:
        return self.reader


def compiled_item(item: Item, found: Principal | Failure | None = None) -> CompiledItem:
    """Return an item, the first of a policy's first rule, whose credentials are what was found."""
    parts = Parts(a_policy(), Definitions({"idp": an_issuer()}), frozenset(), FakeReaders(FakeReader(found)))
    return parts.item(item, ("spec", "rules", 0, "allow", 0))


def a_view(
    request: Request | None = None, *, path: str = "", address: str = "203.0.113.7", trace: Trace | None = None, now: float = NOON
) -> View:
    request = request or a_request()
    return View(request, path or request.path, now, lambda asked: addresses.parse(address), trace)


def compiled(
    policy: Policy,
    reader: FakeReader | None = None,
    *,
    issuers: Mapping[str, Issuer] | None = None,
    owned: frozenset[str] = frozenset(),
) -> CompiledPolicy:
    known = issuers if issuers is not None else {issuer.name: issuer for issuer in policy.issuers}
    return compile_policy(policy, Definitions(known), owned, FakeReaders(reader or FakeReader()))
