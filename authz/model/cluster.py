"""What an API server holds besides AuthPolicies, as far as decisions depend on it: Gateways, routes, grants, referenced texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from authz.model.policy import PathKind, PathMatch, PolicyName
from authz.model.reference import Missing, Reference, Selection, Text

EVERY_HOST = "*"


@dataclass(frozen=True, slots=True)
class NamedMatch:
    """A header or query parameter that a route matches on; `is_exact` is False for a regular expression."""

    name: str
    value: str
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """One item of `matches` of a route's rule: everything in it must fit. Exact paths are literal, unlike those of policies."""

    path: PathMatch = PathMatch(PathKind.PREFIX, "/")
    method: str = ""
    headers: tuple[NamedMatch, ...] = ()
    queries: tuple[NamedMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One rule of a route.

    Attributes:
        matches: what it is for, any of them.
        redirects: whether it answers by itself and leads to no backend.
        is_sure: whether its matches are all that it asks; filters of a gateway's own may ask for more.
    """

    matches: tuple[RouteMatch, ...] = (RouteMatch(),)
    redirects: bool = False
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Attachment:
    """A listener of a Gateway that accepted a route.

    Attributes:
        hosts: those that the route has there (`*`: every host).
        named: those of them that the route names itself; the others it has from the listener.
        is_sure: whether the listener is known to serve this very version of the route.
    """

    gateway: PolicyName
    listener: str
    hosts: tuple[str, ...]
    named: tuple[str, ...] = ()
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTPRoute.

    Attributes:
        attachments: those to listed Gateways; a route that none of them accepted has none.
        is_settled: whether every listed Gateway that took it has seen this version of it.
    """

    name: PolicyName
    created: str
    rules: tuple[RouteRule, ...]
    attachments: tuple[Attachment, ...] = ()
    is_settled: bool = True

    @property
    def gateways(self) -> tuple[PolicyName, ...]:
        """The listed Gateways that accepted it."""
        return tuple(dict.fromkeys(each.gateway for each in self.attachments))


@dataclass(frozen=True, slots=True)
class Grant:
    """One `from` and one `to` of a ReferenceGrant: `kind` in `namespace` may be referred to out of `from_namespace`."""

    from_namespace: str
    namespace: str
    kind: str
    name: str = ""

    def covers(self, out_of: str, kind: str, namespace: str, name: str) -> bool:
        """Return whether an AuthPolicy of `out_of` may refer to such an object."""
        return (self.from_namespace, self.kind, self.namespace) == (out_of, kind, namespace) and self.name in ("", name)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Everything around the policies.

    Attributes:
        routes: HTTPRoutes.
        gateways: the listed Gateways that there are.
        grants: who may refer to what in another namespace; None: everybody to everything, as for files.
        texts: what is referred to; what is not here has not been read yet.
        selected: of each choice every entry of every chosen Secret, sorted by origin; what is not here has not been read yet.
    """

    routes: tuple[Route, ...] = ()
    gateways: frozenset[PolicyName] = frozenset()
    grants: frozenset[Grant] | None = None
    texts: Mapping[Reference, str | Missing] = field(default_factory=dict, repr=False)
    selected: Mapping[Selection, tuple[Text, ...] | Missing] = field(default_factory=dict, repr=False)

    def permits(self, out_of: str, kind: str, namespace: str, name: str) -> bool:
        """Return whether an AuthPolicy of namespace `out_of` may refer to an object."""
        if out_of == namespace or self.grants is None:
            return True
        return any(grant.covers(out_of, kind, namespace, name) for grant in self.grants)


ALONE = Cluster()
