"""What is wrong with a declared policy that its types alone do not show: every mistake, each with its place."""

from collections.abc import Iterator
from typing import Final

from authz.model.definitions import IpSet
from authz.model.issuer import PlaceKind
from authz.model.operator import Operator
from authz.model.policy import AddressCondition, Answer, Denied, ForwardedHeader, Item, Policy, Rule, TargetKind
from authz.model.problem import Problem, Severity
from authz.policy import addresses, forwarding, hosts, paths
from authz.policy.expression_problems import UNSETTLED_ADDRESS, expression_problems
from authz.policy.reachability import unreachable

Path = tuple[str | int, ...]
_UNSETTLED_CERTIFICATE: Final = (
    "where the client's certificate is told has not been said, and a header that anybody can send would open this: "
    "start with --client-certificate peer (or xfcc, client-cert, header:NAME; chart: clientCertificate), or say it for one Gateway"
)
_MEMBERS: Final = {
    "apiKey": frozenset({"id", "subscription", "labels"}),
    "clientCertificate": frozenset({"subject", "commonName", "issuer", "serial", "sha256", "dnsNames", "uris", "emails"}),
}
# Of all rules together: each costs time when the policy is loaded, while checks wait.
MAX_MATCHES: Final = 512


def problems(policy: Policy, operator: Operator) -> list[Problem]:
    """Return every mistake in `policy` itself; what it refers to is for `dangling`."""
    if (matches := sum(len(rule.matches) for rule in policy.rules)) > MAX_MATCHES:
        what = f"{matches} matches are more than the {MAX_MATCHES} that a policy may have; use prefixes and templates, or several policies"
        return [Problem("AZ324", what, ("spec", "rules"))]
    return [
        *_target(policy),
        *_attachment(policy),
        *_grants(policy, operator),
        *_places(policy),
        *_audiences(policy),
        *_ip_sets(policy),
        *(found for path, item in policy.placed_items for found in _item(item, path, policy, operator)),
        *(found for path, item in policy.placed_items for found in _around(item, path, policy, operator)),
        *(found for at, rule in enumerate(policy.rules) for found in _rule(rule, ("spec", "rules", at), operator)),
        *_forwarded_names(policy),
        *_answers(policy),
        *unreachable(policy),
    ]


def _target(policy: Policy) -> Iterator[Problem]:
    for at, host in enumerate(policy.hosts):
        if not hosts.is_pattern(host):
            yield Problem("AZ301", f"{host} is no host: write it in lower case without port, or *. before it", ("spec", "hosts", at))
    for at, prefix in enumerate(policy.path_prefixes):
        if why := _prefix_problem(prefix):
            yield Problem("AZ302", f"{prefix} is no path prefix: {why}", ("spec", "pathPrefixes", at))


def _attachment(policy: Policy) -> Iterator[Problem]:
    if policy.hosts and policy.targets:
        yield Problem("AZ322", "a policy has hosts or targetRefs, not both; write two policies", ("spec", "targetRefs"))
    has_target = policy.hosts or policy.targets
    for name, given in (("rules", policy.rules), ("deny", policy.deny)):
        if given and not has_target:
            what = f"the policy has {name} but no hosts, so it would never decide; add spec.hosts or spec.targetRefs"
            yield Problem("AZ303", what, ("spec", name))
    if policy.path_prefixes and not policy.hosts:
        what = "pathPrefixes narrow hosts, and the policy has none; add spec.hosts, or match paths in the rules"
        yield Problem("AZ303", what, ("spec", "pathPrefixes"))
    if has_target and not policy.rules:
        place = "hosts" if policy.hosts else "targetRefs"
        yield Problem(
            "AZ304", "the policy has hosts or targetRefs but no rules, so it would deny everything; add spec.rules", ("spec", place)
        )
    if policy.override and {target.kind for target in policy.targets} != {TargetKind.GATEWAY}:
        yield Problem("AZ323", "precedence: Override is for policies of Gateways alone; leave it out", ("spec", "precedence"))


def _grants(policy: Policy, operator: Operator) -> Iterator[Problem]:
    namespace = policy.name.namespace
    for at, host in enumerate(policy.hosts):
        if not hosts.granted(operator, namespace, host):
            what = f"policies of the namespace {namespace} may not decide for {host}; the operator can allow it"
            yield Problem("AZ207", f"{what}: --hosts-from {namespace}={host} (chart: hostsFrom)", ("spec", "hosts", at))


def _prefix_problem(prefix: str) -> str:
    if not prefix.startswith("/"):
        return "a path begins with /"
    if "?" in prefix:
        return "a path has no query"
    return paths.ambiguity(prefix) if prefix != "/" else ""


def _places(policy: Policy) -> Iterator[Problem]:
    holders = [(("spec", "issuers", at, "tokenFrom"), issuer.places) for at, issuer in enumerate(policy.issuers)]
    holders += [(("spec", "apiKeys", at, "in"), keys.places) for at, keys in enumerate(policy.api_keys)]
    for path, places in holders:
        if any(place.kind is PlaceKind.COOKIE for place in places):
            yield Problem(
                "AZ310",
                "a token or key in a cookie is sent by browsers unasked: make sure that the API is safe from cross-site "
                "requests (SameSite cookies, an anti-forgery token)",
                path,
                severity=Severity.WARNING,
            )
        if any(place.kind is PlaceKind.QUERY for place in places):
            yield Problem(
                "AZ311",
                "a token or key in a query parameter ends up in logs and browser histories (RFC 9700 §4.3.2); prefer a header",
                path,
                severity=Severity.WARNING,
            )


def _audiences(policy: Policy) -> Iterator[Problem]:
    if any(item.jwt for _, item in policy.placed_items) and not policy.audiences:
        yield Problem("AZ305", "the policy takes tokens but does not say for whom they must be: add spec.audiences", ("spec",))


def _item(item: Item, path: Path, policy: Policy, operator: Operator) -> Iterator[Problem]:
    if item.jwt is not None:
        for at, audience in enumerate(item.jwt.audiences):
            if audience not in policy.audiences:
                what = f"{audience} is not among spec.audiences, so this narrows to nothing"
                yield Problem("AZ306", what, (*path, "jwt", "audiences", at))
    for at, header in enumerate(item.headers):
        if header.name.lower() == "host":
            what = "the host is not among the headers that Envoy tells, so this would never hold; use spec.hosts"
            yield Problem("AZ320", what, (*path, "headers", at, "name"))
    attached = bool(policy.targets)
    if item.certificate is not None and not (operator.says_certificates if attached else operator.client_certificate):
        yield Problem("AZ326", _UNSETTLED_CERTIFICATE, (*path, "clientCertificate"))


def _around(item: Item, path: Path, policy: Policy, operator: Operator) -> Iterator[Problem]:
    """Yield what is wrong with what an item asks of the address and of the request as a whole."""
    attached = bool(policy.targets)
    if item.addresses is not None:
        yield from _addresses(item.addresses, (*path, "clientIP"), operator, attached=attached)
    if item.when:
        yield from expression_problems(item, (*path, "when"), operator, attached=attached)


def _addresses(condition: AddressCondition, path: Path, operator: Operator, *, attached: bool) -> Iterator[Problem]:
    if not (operator.says_addresses if attached else operator.client_address):
        yield Problem("AZ307", UNSETTLED_ADDRESS, path)
    yield from _ranges(condition, path)


def _ip_sets(policy: Policy) -> Iterator[Problem]:
    for at, each in enumerate(policy.ip_sets):
        yield from _ranges(each, ("spec", "ipSets", at))


def _ranges(condition: AddressCondition | IpSet, path: Path) -> Iterator[Problem]:
    for at, cidr in enumerate(condition.cidrs):
        if why := addresses.cidr_problem(cidr):
            yield Problem("AZ308", why, (*path, "cidrs", at))
    for at, each in enumerate(condition.ranges):
        if why := addresses.range_problem(each):
            yield Problem("AZ308", why, (*path, "ranges", at))


def _rule(rule: Rule, path: Path, operator: Operator) -> Iterator[Problem]:
    for at, match in enumerate(rule.matches):
        if match.path is not None and (why := paths.problem_of(match.path)):
            yield Problem("AZ309", why, (*path, "matches", at, "path", "value"))
    seen: set[str] = set()
    for at, header in enumerate(rule.forward):
        here = (*path, "forward", "headers", at)
        yield from _forwarded(header, here, operator)
        folded = header.name.lower().replace("_", "-")
        if folded in seen:
            yield Problem("AZ314", f"{header.name} is forwarded twice (backends take - and _ for the same); keep one", (*here, "name"))
        seen.add(folded)


def _forwarded(header: ForwardedHeader, path: Path, operator: Operator) -> Iterator[Problem]:
    if why := forwarding.name_problem(header.name, operator.identity_headers):
        yield Problem("AZ312", why, (*path, "name"))
    known = _MEMBERS.get(header.credential)
    if known is not None and header.claim and header.claim[0] not in known:
        what = f"{header.credential} has no {header.claim[0]}; it has {', '.join(sorted(known))}"
        yield Problem("AZ330", what, (*path, "from", header.credential))
    if header.value and (why := forwarding.value_problem(header.value)):
        yield Problem("AZ313", why, (*path, "value"))


def _forwarded_names(policy: Policy) -> Iterator[Problem]:
    names = {header.name.lower() for rule in policy.rules for header in rule.forward}
    if len(names) > forwarding.MAX_NAMES:
        what = f"{len(names)} different headers are forwarded, and each is removed from every request in every spelling"
        yield Problem("AZ319", f"{what}; at most {forwarding.MAX_NAMES}", ("spec", "rules"))


def _answers(policy: Policy) -> Iterator[Problem]:
    places: list[tuple[Answer, Path]] = []
    owners: list[tuple[Denied, Path]] = [(policy.denied, ("spec", "denied"))]
    owners += [(rule.denied, ("spec", "rules", at, "denied")) for at, rule in enumerate(policy.rules) if rule.denied]
    for denied, path in owners:
        places += [(denied.unauthenticated, (*path, "unauthenticated")), (denied.forbidden, (*path, "forbidden"))]
    for answer, path in places:
        named = [name.lower() for name, _ in answer.headers]
        for at, (name, value) in enumerate(answer.headers):
            if name.lower() in _RESERVED:
                yield Problem("AZ315", f"{name} is not the policy's to set; leave it out", (*path, "headers", at, "name"))
            if name.lower() in named[:at]:
                yield Problem("AZ314", f"{name} is there twice; keep one", (*path, "headers", at, "name"))
            if why := forwarding.value_problem(value):
                yield Problem("AZ313", why, (*path, "headers", at, "value"))
        if 300 <= answer.status < 400 and "location" not in {name.lower() for name, _ in answer.headers}:
            yield Problem("AZ316", f"status {answer.status} needs a Location among the headers", (*path, "statusCode"))


# What the service says itself, and what frames the answer or belongs to the connection.
_RESERVED = forwarding.NEVER_ANSWERED | {"cache-control", "content-type", "retry-after", "www-authenticate", "x-request-id"}
