"""Objects of Gateway API as the API server holds them → the model's values. Pure; whatever is not understood narrows nothing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from authz.model.cluster import EVERY_HOST, Attachment, Grant, NamedMatch, Route, RouteMatch, RouteRule
from authz.model.policy import PathKind, PathMatch, PolicyName
from authz.policy import hosts

Object = Mapping[str, Any]
GROUP: Final = "gateway.networking.k8s.io"
_OURS: Final = "ingress-authz.dev"
_PATHS: Final = {"Exact": PathKind.EXACT, "PathPrefix": PathKind.PREFIX, "RegularExpression": PathKind.REGEX}


def name_of(each: Object) -> PolicyName:
    """Return namespace and name of an object."""
    metadata = each["metadata"]
    return PolicyName(metadata.get("namespace", ""), metadata["name"])


def route(each: Object, gateways: Mapping[PolicyName, Object | None]) -> Route:
    """Return an HTTPRoute with its attachments to the listed Gateways (None: one that is not there, or cannot be read)."""
    spec = each.get("spec") or {}
    name = name_of(each)
    rules = tuple(_rule(rule) for rule in spec.get("rules") or [{}])
    attachments = tuple(_attachments(name.namespace, each, gateways))
    return Route(name, each["metadata"].get("creationTimestamp", ""), rules, attachments)


def _rule(written: Object) -> RouteRule:
    redirects = any(found.get("type") == "RequestRedirect" for found in written.get("filters") or ())
    matches = tuple(_match(match) for match in written.get("matches") or [{}])
    return RouteRule(matches, redirects)


def _match(written: Object) -> RouteMatch:
    path = written.get("path") or {}
    # A kind of match that is not known here may match anything, as an expression may.
    kind = _PATHS.get(path.get("type", "PathPrefix"), PathKind.REGEX)
    return RouteMatch(
        PathMatch(kind, path.get("value", "/")),
        written.get("method", ""),
        tuple(_named(each) for each in written.get("headers") or ()),
        tuple(_named(each) for each in written.get("queryParams") or ()),
    )


def _named(written: Object) -> NamedMatch:
    return NamedMatch(written["name"], written.get("value", ""), written.get("type", "Exact") == "Exact")


def _attachments(namespace: str, each: Object, gateways: Mapping[PolicyName, Object | None]) -> Iterator[Attachment]:
    wanted = tuple((each.get("spec") or {}).get("hostnames") or ())
    for parent in (each.get("status") or {}).get("parents") or ():
        ref = parent.get("parentRef") or {}
        if ref.get("kind", "Gateway") != "Gateway" or ref.get("group", GROUP) != GROUP:
            continue
        gateway = PolicyName(ref.get("namespace", namespace), ref.get("name", ""))
        if gateway in gateways and _is_accepted(parent.get("conditions") or ()):
            for listener in _listeners(gateways[gateway], ref):
                if found := _common(listener.get("hostname", ""), wanted):
                    yield Attachment(gateway, listener.get("name", ""), found)


def _is_accepted(conditions: Iterable[Object]) -> bool:
    return any(each.get("type") == "Accepted" and each.get("status") == "True" for each in conditions)


def _listeners(gateway: Object | None, ref: Object) -> list[Object]:
    found: list[Object] = list((gateway or {}).get("spec", {}).get("listeners") or ())
    section, port = ref.get("sectionName"), ref.get("port")
    chosen = [each for each in found if (not section or each.get("name") == section) and (not port or each.get("port") == port)]
    # A listener that is not known has no host of its own that could narrow the route's.
    return chosen or [{"name": section or ""}]


def _common(listener: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the hosts that a listener and a route have in common."""
    if not wanted:
        return (listener or EVERY_HOST,)
    if not listener:
        return wanted
    common = [
        one if hosts.covers(listener, one) else listener for one in wanted if hosts.covers(listener, one) or hosts.covers(one, listener)
    ]
    return tuple(dict.fromkeys(common))


def grants(each: Object) -> Iterator[Grant]:
    """Yield what a ReferenceGrant permits AuthPolicies to refer to."""
    spec, namespace = each.get("spec") or {}, each["metadata"].get("namespace", "")
    from_namespaces = [
        one.get("namespace", "") for one in spec.get("from") or () if (one.get("group"), one.get("kind")) == (_OURS, "AuthPolicy")
    ]
    for to in spec.get("to") or ():
        kind, group = to.get("kind", ""), to.get("group", "")
        if (kind in ("Secret", "ConfigMap") and group == "") or (kind, group) == ("AuthPolicy", _OURS):
            for from_namespace in from_namespaces:
                yield Grant(from_namespace, namespace, kind, to.get("name") or "")
