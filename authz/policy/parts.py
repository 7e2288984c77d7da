"""What the rules of one policy share while it is compiled: readers, items, the allow on which answers build."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from authz.model.decision import Allow
from authz.model.definitions import Definitions
from authz.model.issuer import Place, PlaceKind
from authz.model.policy import AddressCondition, Item, JwtCondition, Policy, RequestMatch
from authz.model.principal import Rank
from authz.model.reason import Reason
from authz.policy import addresses
from authz.policy.alternatives import Guard, guards, key_guard, token_guard
from authz.policy.credential import (
    API_KEY,
    CERTIFICATE,
    JWT,
    Challenge,
    Credential,
    api_key_permit,
    certificate_permit,
    jwt_permit,
)
from authz.policy.forwarding import Credentials
from authz.policy.items import CompiledItem, Member, Path, address_member, header_member
from authz.policy.view import Reader, Readers
from authz.policy.when import when_member

T = TypeVar("T")


class Parts:
    """What the rules of one policy share while it is compiled."""

    def __init__(self, policy: Policy, definitions: Definitions, owned: frozenset[str], readers: Readers) -> None:
        self.policy = policy
        self.name = str(policy.name)
        self.owned = owned
        places = [place for issuer in definitions.issuers.values() for place in issuer.places]
        places += [place for key_set in definitions.api_keys.values() for place in key_set.places]
        self.credentials = Credentials(places)
        self._definitions = definitions
        self._make = readers
        self._readers: dict[object, Reader] = {}

    def _token_reader(self, names: tuple[str, ...]) -> Reader:
        if names not in self._readers:
            self._readers[names] = self._make.tokens(tuple(self._definitions.issuers[name] for name in names), self.policy.audiences)
        return self._readers[names]

    def _key_reader(self, name: str) -> Reader:
        if name not in self._readers:
            self._readers[name] = self._make.api_keys(self._definitions.api_keys[name])
        return self._readers[name]

    def guard(self, allow: tuple[Item, ...]) -> Guard | None:
        """Return what keeps `anonymous` from overlooking a credential that one of these items reads; None where none does."""
        tokens = [
            (frozenset(place for name in jwt.issuers for place in self._definitions.issuers[name].places), jwt)
            for jwt in (item.jwt for item in allow)
            if jwt is not None
        ]
        scopes: dict[str, dict[str, None]] = {}
        for key in (item.api_key for item in allow if item.api_key is not None):
            scopes.setdefault(key.key_set, {}).update(dict.fromkeys(key.scopes))
        keys = [
            (frozenset(self._definitions.api_keys[name].places), (self._key_reader(name), tuple(asked))) for name, asked in scopes.items()
        ]
        found = [token_guard(self._token_reader(_issuers_of(group)), group) for group in _together(tokens)]
        return guards([*found, *(key_guard(group) for group in _together(keys))])

    def item(self, item: Item, path: Path, matches: tuple[RequestMatch, ...] = ()) -> CompiledItem:
        """Return an item, of a rule with these matches, ready to be asked."""
        credentials = tuple(self._credentials(item, path))
        rank = Rank.ANONYMOUS if item.anonymous else Rank.NOT_PERMITTED
        members = [*self._members(item, rank, path)]
        if item.when:
            members.append(when_member(item.when, credentials, matches, rank, (*path, "when")))
        return CompiledItem(item, credentials, tuple(members), path)

    def _credentials(self, item: Item, path: Path) -> Iterable[Credential]:
        if item.jwt is not None:
            places = [place for name in item.jwt.issuers for place in self._definitions.issuers[name].places]
            # Where a token is read without a scheme, RFC 6750's is the one that clients know how to answer.
            schemes = dict.fromkeys(place.scheme for place in places if place.scheme) or ("Bearer",)
            here = (*path, JWT)
            challenges = tuple(Challenge(scheme) for scheme in schemes)
            yield Credential(JWT, self._token_reader(item.jwt.issuers), jwt_permit(item.jwt, here), challenges, here)
        if item.api_key is not None:
            here, name = (*path, API_KEY), item.api_key.key_set
            challenges = (_key_challenge(self._definitions.api_keys[name].places[0]),)
            yield Credential(API_KEY, self._key_reader(name), api_key_permit(item.api_key, here), challenges, here)
        if item.certificate is not None:
            here, asked = (*path, CERTIFICATE), item.certificate
            reader = self._make.certificates(self._definitions.certificate_authorities[asked.authority], asked.identities)
            yield Credential(CERTIFICATE, reader, certificate_permit(asked, here), (), here)

    def _members(self, item: Item, rank: Rank, path: Path) -> Iterable[Member]:
        if item.addresses is not None:
            sets = tuple(self._definitions.ip_sets[name] for name in item.addresses.sets)
            yield address_member(addresses.set_of(item.addresses, sets), _addresses_in_words(item.addresses), rank, (*path, "clientIP"))
        for at, header in enumerate(item.headers):
            yield header_member(header, rank, (*path, "headers", at))

    def allow(self, reason: Reason, rule: str = "", *, keep: bool = False) -> Allow:
        """Return the allow on which every answer builds: what the upstream must not see is taken away."""
        taken = Credentials(()) if keep else self.credentials
        removed = tuple(sorted(self.owned | taken.headers))
        return Allow(reason, self.name, rule, remove_headers=removed, strip_queries=taken.queries, strip_cookies=taken.cookies)


def _together(asked: Iterable[tuple[frozenset[Place], T]]) -> list[tuple[T, ...]]:
    """Return what is asked in groups: what looks into one place, if only by way of others, speaks of one credential."""
    groups: list[tuple[frozenset[Place], tuple[T, ...]]] = []
    for found, each in asked:
        places = frozenset(replace(place, scheme=place.scheme.lower()) for place in found)
        joined = [group for group in groups if not group[0].isdisjoint(places)]
        groups = [group for group in groups if group not in joined]
        groups.append((places.union(*(other for other, _ in joined)), (*(one for _, those in joined for one in those), each)))
    return [those for _, those in groups]


def _issuers_of(conditions: Iterable[JwtCondition]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in conditions for name in each.issuers))


def _addresses_in_words(condition: AddressCondition) -> str:
    ranges = (f"{each.first} - {each.last}" for each in condition.ranges)
    return ", ".join((*condition.cidrs, *ranges, *(f"the set {name}" for name in condition.sets)))


def _key_challenge(place: Place) -> Challenge:
    """Return how to present a key. No scheme is registered for keys in fields of their own; OpenAPI's words say where it goes."""
    if place.kind is PlaceKind.HEADER and place.scheme:
        return Challenge(place.scheme, is_token=False)
    return Challenge("ApiKey", (("name", place.name), ("in", place.kind.value)), is_token=False)
