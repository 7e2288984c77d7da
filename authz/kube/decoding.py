"""Raw objects → the model's values, with everything that was decoded before kept while it says the same."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from authz.api.decode import decode_object
from authz.kube import objects
from authz.kube.api import Object
from authz.model.cluster import EVERY_HOST, Attachment, Grant, Route, RouteRule
from authz.model.declared import Declared, Stray
from authz.model.policy import PolicyName
from authz.service.slices import Steps

V = TypeVar("V", Route, Grant)


class Decoded:
    """Remembers what was made of each object."""

    def __init__(self) -> None:
        self._policies: dict[str, tuple[Object, Declared | Stray]] = {}
        self._routes: dict[str, tuple[Object, Route]] = {}
        self._settled: dict[str, Route] = {}
        self._listed: Mapping[PolicyName, Object | None] = {}

    def policies(self, store: Mapping[str, Object]) -> Steps[list[Declared | Stray]]:
        """Return what the AuthPolicies declare. One whose spec is the same stays the very same, whatever its status says."""
        made: dict[str, tuple[Object, Declared | Stray]] = {}
        for key, each in list(store.items()):
            known = self._policies.get(key)
            is_same = known is not None and (known[0] is each or _says_the_same(known[0], each))
            made[key] = (each, known[1]) if known is not None and is_same else (each, decode_object(each))
            yield
        self._policies = made
        return [each for _, each in made.values()]

    def routes(self, store: Mapping[str, Object], listed: Mapping[PolicyName, Object | None]) -> Steps[tuple[Route, ...]]:
        """Return the HTTPRoutes with their attachments to the listed Gateways.

        Of one that was changed and is not accepted as it is now, the version before is still among them.
        """
        same_gateways = listed.keys() == self._listed.keys() and all(each is self._listed[name] for name, each in listed.items())
        made: dict[str, tuple[Object, Route]] = {}
        for key, each in list(store.items()):
            known = self._routes.get(key)
            if known is not None and known[0] is each and same_gateways:
                made[key] = known
            else:
                route = _route(key, each, listed, known)
                made[key] = each, known[1] if known is not None and known[1] == route else route
            yield
        self._routes, self._listed = made, dict(listed)
        before = {key: each for key, each in self._settled.items() if key in made and not made[key][1].is_settled}
        self._settled = {key: before.get(key, each) for key, (_, each) in made.items() if each.is_settled or key in before}
        return (*before.values(), *(each for _, each in made.values()))

    def grants(self, store: Mapping[str, Object]) -> frozenset[Grant]:
        """Return what the ReferenceGrants permit."""
        return frozenset(grant for each in store.values() for grant in _grants(each))


def _route(key: str, each: Object, listed: Mapping[PolicyName, Object | None], known: tuple[Object, Route] | None) -> Route:
    """Return a route; one that cannot be read stays what it was, or may be anything at any listed Gateway."""
    try:
        return _of_its_types(objects.route(each, listed))
    except Exception:  # noqa: BLE001 - one odd object must not stop the others
        if known is not None:
            return known[1]
        namespace, _, name = key.partition("/")
        anywhere = tuple(Attachment(gateway, "", (EVERY_HOST,), is_sure=False) for gateway in listed)
        return Route(PolicyName(namespace, name), "", (RouteRule(is_sure=False),), anywhere)


def _grants(each: Object) -> list[Grant]:
    """Return what a ReferenceGrant permits: nothing where it cannot be read."""
    try:
        return [_of_its_types(grant) for grant in objects.grants(each)]
    except Exception:  # noqa: BLE001 - as above
        return []


def _of_its_types(value: V) -> V:
    """Return the value. Raises TypeError where a part of it is of no type that it may have: a schema with holes lets such through."""
    _check(value)
    return value


def _check(value: Any) -> None:  # noqa: ANN401 - any value of the model: texts, truth values and tuples of values
    for each in fields(value):
        held = getattr(value, each.name)
        for part in held if isinstance(held, tuple) else (held,):
            if is_dataclass(part):
                _check(part)
            elif not isinstance(part, bool if each.type is bool else str):
                raise TypeError(f"{type(value).__name__}.{each.name} is of type {type(part).__name__}")


def _says_the_same(one: Object, other: Object) -> bool:
    of_one, of_other = one["metadata"], other["metadata"]
    keys = ("uid", "generation", "creationTimestamp")
    return all(of_one.get(key) == of_other.get(key) for key in keys) and one.get("spec") == other.get("spec")
