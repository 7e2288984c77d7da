"""Accepted routes and whether a policy decides for them: a route without one is seen, reported and, unless said otherwise, denied."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from authz.model.cluster import EVERY_HOST, Attachment, Route
from authz.model.policy import PathKind, PolicyName
from authz.policy import paths
from authz.policy.snapshot import Snapshot, find
from authz.service.slices import Steps


class Cover(StrEnum):
    """What becomes of a route's requests."""

    POLICY = "policy"
    UNPROTECTED = "unprotected"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class CoveredRoute:
    """A route at one Gateway. `policy`: the attached policy that decides, or "" where policies of its hosts do, or none."""

    route: PolicyName
    gateway: PolicyName
    hosts: tuple[str, ...]
    cover: Cover
    policy: str = ""


def coverage(snapshot: Snapshot, routes: Iterable[Route]) -> Steps[tuple[CoveredRoute, ...]]:
    """Return the steps, one for each route, that come to how every accepted route is covered."""
    found: dict[tuple[PolicyName, PolicyName], CoveredRoute] = {}
    for route in routes:
        for gateway in route.gateways:
            at = [each for each in route.attachments if each.gateway == gateway]
            found[route.name, gateway] = _covered(snapshot, route, gateway, at)
        yield
    return tuple(found.values())


def _covered(snapshot: Snapshot, route: Route, gateway: PolicyName, at: list[Attachment]) -> CoveredRoute:
    hosts = tuple(dict.fromkeys(host for each in at for host in each.hosts))
    decider = snapshot.attachments.of(route.name, gateway).decider
    if decider is not None:
        return CoveredRoute(route.name, gateway, hosts, Cover.POLICY, decider.name)
    if all(_by_host(snapshot, host, route) for host in hosts):
        return CoveredRoute(route.name, gateway, hosts, Cover.POLICY)
    passes = gateway in snapshot.unprotected_gateways or all(snapshot.lets_through(host) for host in hosts)
    return CoveredRoute(route.name, gateway, hosts, Cover.UNPROTECTED if passes else Cover.NONE)


def _by_host(snapshot: Snapshot, host: str, route: Route) -> bool:
    """Return whether policies of the host are for everything that a route takes there, as far as its paths tell."""
    if host == EVERY_HOST:
        return False
    tables = snapshot.covering(host)
    matches = [match for rule in route.rules for match in rule.matches]
    starts = ["" if match.path.kind is PathKind.REGEX else paths.bare_prefix(match.path.value) for match in matches]
    return all(find(tables, start) is not None for start in starts)
