"""AuthPolicy as immutable values: what was declared, before it is compiled. Field by field docs/reference/authpolicy.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from authz.model.certificate import CertificateIdentity
from authz.model.definitions import AddressRange, ApiKeySet, CertificateAuthority, IpSet
from authz.model.issuer import Issuer
from authz.model.reference import Reference, Selection


class Mode(StrEnum):
    """Whether a policy or rule decides, or only says what it would have decided."""

    ENFORCE = "Enforce"
    SHADOW = "Shadow"


class PathKind(StrEnum):
    """How a path is compared."""

    EXACT = "Exact"
    PREFIX = "PathPrefix"
    TEMPLATE = "Template"
    REGEX = "RegularExpression"


class ClaimMatch(StrEnum):
    """How many of the listed values a claim must have."""

    ANY = "Any"
    ALL = "All"
    NONE = "None"


@dataclass(frozen=True, slots=True, order=True)
class PolicyName:
    """Namespace and name of a policy."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


class TargetKind(StrEnum):
    """What a policy can be attached to (gateway.networking.k8s.io)."""

    GATEWAY = "Gateway"
    HTTP_ROUTE = "HTTPRoute"


@dataclass(frozen=True, slots=True)
class Target:
    """A Gateway or route of the policy's own namespace that it is attached to."""

    kind: TargetKind
    name: str


@dataclass(frozen=True, slots=True)
class PathMatch:
    """How a rule compares the path."""

    kind: PathKind
    value: str


@dataclass(frozen=True, slots=True)
class RequestMatch:
    """One item of `matches`: path and methods, both of which must fit; a member that is not given fits all."""

    path: PathMatch | None = None
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimCondition:
    """What a claim must say. `path` leads into nested objects; `separator` splits a string into several values."""

    path: tuple[str, ...]
    match: ClaimMatch
    values: tuple[str, ...]
    separator: str = ""


@dataclass(frozen=True, slots=True)
class JwtCondition:
    """What a token must be: from one of the named issuers, with all the scopes, for one of the audiences."""

    issuers: tuple[str, ...]
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: tuple[ClaimCondition, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiKeyCondition:
    """What an API key must be: one of the named set, with one of the scopes."""

    key_set: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificateCondition:
    """What a client certificate must be: issued by the authority, and one of the identities where there are any."""

    authority: str
    identities: tuple[CertificateIdentity, ...] = ()


@dataclass(frozen=True, slots=True)
class AddressCondition:
    """Which client addresses are meant: any of the CIDRs, ranges and named sets."""

    cidrs: tuple[str, ...] = ()
    ranges: tuple[AddressRange, ...] = ()
    sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeaderCondition:
    """A header that must be there, with one of the values where values are given."""

    name: str
    values: tuple[str, ...] = ()
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One item of `allow` or `deny`. Its members must all hold; `anonymous` names no caller; `when` is an expression (CEL), or ""."""

    name: str
    anonymous: bool = False
    jwt: JwtCondition | None = None
    addresses: AddressCondition | None = None
    headers: tuple[HeaderCondition, ...] = ()
    api_key: ApiKeyCondition | None = None
    certificate: CertificateCondition | None = None
    when: str = ""


@dataclass(frozen=True, slots=True)
class ForwardedHeader:
    """A header for the upstream: a fixed value, or what `credential` (`jwt`, `apiKey`, `clientCertificate`) says at the path `claim`."""

    name: str
    value: str = ""
    claim: tuple[str, ...] = ()
    credential: str = "jwt"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a denial looks to the client: status, message and further headers; 0 and "" keep the usual ones."""

    status: int = 0
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """The policy's own words for an unknown and for a known caller, in APIM's shape or in ours. A 503 is never rewritten."""

    unauthenticated: Answer = Answer()
    forbidden: Answer = Answer()
    is_apim: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Which requests it is for, and who may make them."""

    name: str
    mode: Mode
    matches: tuple[RequestMatch, ...]
    deny: tuple[Item, ...]
    allow: tuple[Item, ...]
    forward: tuple[ForwardedHeader, ...] = ()
    keep_credentials: bool = False
    denied: Denied | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One AuthPolicy, as declared.

    Attributes:
        created: when, RFC 3339: of two that claim the same, the older decides; "" for files.
        targets: what it is attached to, instead of having hosts.
        override: for Gateways: whether its rules count even where a route has a policy of its own.
    """

    name: PolicyName
    generation: int
    hosts: tuple[str, ...]
    path_prefixes: tuple[str, ...]
    mode: Mode
    preflight: bool
    definitions_from: tuple[PolicyName, ...]
    audiences: tuple[str, ...]
    issuers: tuple[Issuer, ...]
    deny: tuple[Item, ...]
    rules: tuple[Rule, ...]
    denied: Denied = Denied()
    created: str = ""
    targets: tuple[Target, ...] = ()
    override: bool = False
    api_keys: tuple[ApiKeySet, ...] = ()
    certificate_authorities: tuple[CertificateAuthority, ...] = ()
    ip_sets: tuple[IpSet, ...] = ()

    @property
    def references(self) -> tuple[Reference, ...]:
        """The texts elsewhere that its definitions need."""
        needing: list[Issuer | ApiKeySet | CertificateAuthority] = [*self.issuers, *self.api_keys, *self.certificate_authorities]
        return tuple(reference for each in needing for reference in each.references)

    @property
    def selections(self) -> tuple[Selection, ...]:
        """The choices of Secrets that its definitions need."""
        return tuple(selection for each in self.api_keys for selection in each.selections)

    @property
    def refers(self) -> bool:
        """Whether it depends on what stands elsewhere."""
        return bool(self.definitions_from or self.references or self.selections)

    @property
    def placed_items(self) -> Iterator[tuple[tuple[str | int, ...], Item]]:
        """Every item of `allow` and `deny`, of the policy and its rules, each with its path."""
        for at, item in enumerate(self.deny):
            yield ("spec", "deny", at), item
        for number, rule in enumerate(self.rules):
            for at, item in enumerate(rule.deny):
                yield ("spec", "rules", number, "deny", at), item
            for at, item in enumerate(rule.allow):
                yield ("spec", "rules", number, "allow", at), item

    @property
    def only_defines(self) -> bool:
        """Whether this policy decides nothing and only holds definitions for others."""
        return not self.hosts and not self.targets and not self.rules
