"""Objects of Gateway API as the API server holds them → the model's values. Pure; whatever is not understood narrows nothing."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from authz.api.v1alpha1 import GROUP, KIND
from authz.kube.resources import GATEWAY_GROUP
from authz.model.cluster import EVERY_HOST, Attachment, Grant, NamedMatch, Route, RouteMatch, RouteRule
from authz.model.policy import PathKind, PathMatch, PolicyName
from authz.policy import hosts

Object = Mapping[str, Any]
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
    parents = [found for found in _parents(each) if _gateway(found["parentRef"], name.namespace) in gateways]
    attachments = tuple(attached for parent in parents for attached in _attachments(each, parent, gateways))
    generation = each["metadata"].get("generation", 0)
    is_settled = all(_is_seen(parent, generation) for parent in parents)
    return Route(name, each["metadata"].get("creationTimestamp", ""), rules, attachments, is_settled)


def _rule(written: Object) -> RouteRule:
    kinds = {found.get("type") for found in written.get("filters") or ()}
    matches = tuple(_match(match) for match in written.get("matches") or [{}])
    return RouteRule(matches, "RequestRedirect" in kinds, "ExtensionRef" not in kinds)


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


def _parents(each: Object) -> list[Object]:
    """Return the statuses of a route that speak of a Gateway."""
    found = [parent for parent in (each.get("status") or {}).get("parents") or () if parent.get("parentRef")]
    refs = ((parent["parentRef"].get("kind", "Gateway"), parent["parentRef"].get("group", GATEWAY_GROUP)) for parent in found)
    return [parent for parent, ref in zip(found, refs, strict=True) if ref == ("Gateway", GATEWAY_GROUP)]


def _gateway(ref: Object, namespace: str) -> PolicyName:
    return PolicyName(ref.get("namespace") or namespace, ref.get("name", ""))


def _attachments(each: Object, parent: Object, gateways: Mapping[PolicyName, Object | None]) -> Iterator[Attachment]:
    namespace = name_of(each).namespace
    ref, gateway = parent["parentRef"], _gateway(parent["parentRef"], namespace)
    if _condition(parent, "Accepted") != "True":
        return
    wanted = tuple((each.get("spec") or {}).get("hostnames") or ())
    whole = _condition(parent, "PartiallyInvalid") != "True" and _is_seen(parent, each["metadata"].get("generation", 0))
    taking = [listener for listener in _listeners(gateways[gateway], ref) if _takes(listener, namespace, gateway) != "no"]
    # It was accepted, so where all listeners choose in the same way each of them took it.
    is_one = len({str(listener.get("allowedRoutes")) for listener in taking}) == 1
    served = [(listener, found) for listener in taking if (found := _common(listener.get("hostname", ""), wanted))]
    if not served:
        # Accepted, though nothing takes it now: the Gateway was edited, and may serve it as before.
        yield Attachment(gateway, "", wanted or (EVERY_HOST,), wanted, is_sure=False)
    for listener, found in served:
        is_sure = whole and (is_one or _takes(listener, namespace, gateway) == "yes")
        named = tuple(host for host in found if host in wanted)
        yield Attachment(gateway, listener.get("name", ""), found, named, is_sure)


def _condition(parent: Object, kind: str) -> str:
    return next((each.get("status", "") for each in parent.get("conditions") or () if each.get("type") == kind), "")


def _is_seen(parent: Object, generation: int) -> bool:
    """Return whether the Gateway's word is about this version of the route."""
    accepted = [each for each in parent.get("conditions") or () if each.get("type") == "Accepted"]
    return all(each.get("observedGeneration", generation) >= generation for each in accepted)


def _takes(listener: Object, namespace: str, gateway: PolicyName) -> str:
    """Return whether a listener takes routes of a namespace: yes, no, or perhaps, where labels of namespaces decide."""
    if not listener.get("protocol") and "allowedRoutes" not in listener:
        return "yes"  # Nothing is known of it.
    how = ((listener.get("allowedRoutes") or {}).get("namespaces") or {}).get("from", "Same")
    if how == "Same":
        return "yes" if namespace == gateway.namespace else "no"
    return {"All": "yes", "None": "no"}.get(how, "perhaps")


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
    from_namespaces = [one.get("namespace", "") for one in spec.get("from") or () if (one.get("group"), one.get("kind")) == (GROUP, KIND)]
    for to in spec.get("to") or ():
        kind, group = to.get("kind", ""), to.get("group", "")
        if (kind in ("Secret", "ConfigMap") and group == "") or (kind, group) == (KIND, GROUP):
            for from_namespace in from_namespaces:
                yield Grant(from_namespace, namespace, kind, to.get("name") or "")
