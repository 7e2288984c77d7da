"""The spec: hosts, issuers, rules."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from authz.api.v1alpha1.answers import Denied, Forward
from authz.api.v1alpha1.callers import Allow, Deny, IpSet
from authz.api.v1alpha1.credentials import ApiKeySet, CertificateAuthority
from authz.api.v1alpha1.tokens import Issuer
from authz.api.v1alpha1.words import HOST, Method, ModeName, Name, Object, ObjectName, Path, PathValue, Text, every_item


class PathMatch(Object):
    """How the path is compared, in its canonical form (RFC 3986 §6.2.2) and without the query."""

    cel = (
        ("self.type == 'RegularExpression' || self.value.startsWith('/')", "a path begins with /"),
        (
            "self.type == 'RegularExpression' || !self.value.matches('[?#]')",
            "a path has no query or fragment; match the path alone",
        ),
        (
            "!(self.type in ['Exact', 'PathPrefix']) || !self.value.contains('//')",
            "requests with an empty segment (//) are refused, so this path would never match; write its plain form",
        ),
    )
    type: Literal["Exact", "PathPrefix", "Template", "RegularExpression"]
    """`Exact`: the path, with or without one trailing slash. `PathPrefix`: it and everything below, by whole segments.
    `Template`: `{name}` stands for one segment. `RegularExpression`: RE2, over the whole path."""
    value: PathValue
    """The path, template or expression."""


class RequestMatch(Object):
    """One kind of request: path and methods, both of which must fit."""

    cel = (("has(self.path) || has(self.methods)", "give path, methods or both"),)
    path: PathMatch | None = None
    """The path. Without it, every path."""
    methods: Annotated[list[Method], Field(min_length=1, max_length=16)] | None = None
    """The methods. Without them, every method."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.path is None and self.methods is None:
            raise ValueError("give path, methods or both")
        return self


class Rule(Object):
    """Which requests it is for, and who may make them. The first rule that matches decides."""

    list_keys = ("name",)
    name: Name
    """How logs, metrics and explanations call it."""
    mode: ModeName = "Enforce"
    """`Shadow`: the rule decides nothing; what it would have decided is logged and counted."""
    matches: Annotated[list[RequestMatch], Field(min_length=1, max_length=64)] | None = None
    """The requests that it is for, any of them. Without it, every request."""
    deny: Annotated[list[Deny], Field(min_length=1, max_length=32)] | None = None
    """Who may not, whatever `allow` says."""
    allow: Annotated[list[Allow], Field(max_length=32)]
    """Who may: the first alternative that holds. `[]` lets nobody in."""
    forward: Forward | None = None
    """What the upstream sees."""
    denied: Denied | None = None
    """Instead of the policy's `denied`."""


class DefinitionsRef(Object):
    """Another AuthPolicy whose definitions this one may use."""

    namespace: ObjectName
    """Its namespace."""
    name: ObjectName
    """Its name."""


class TargetRef(Object):
    """A Gateway or route, in the namespace of the policy."""

    list_keys = ("group", "kind", "name")
    group: Literal["gateway.networking.k8s.io"] = "gateway.networking.k8s.io"
    """The API group of Gateway API."""
    kind: Literal["Gateway", "HTTPRoute"]
    """`HTTPRoute`: requests that the route takes. `Gateway`: those of its routes that have no policy of their own."""
    name: ObjectName
    """Its name."""


class AuthPolicySpec(Object):
    """Who may make which requests to some hosts. Whatever no rule allows is denied."""

    cel = (
        ("!has(self.hosts) || !has(self.targetRefs)", "a policy has hosts or targetRefs, not both; write two policies"),
        (
            "!has(self.rules) || has(self.hosts) || has(self.targetRefs)",
            "the policy has rules but no hosts, so it would never decide; add spec.hosts or spec.targetRefs",
        ),
        (
            "!has(self.pathPrefixes) || has(self.hosts)",
            "pathPrefixes narrow hosts, and the policy has none; add spec.hosts, or match paths in the rules",
        ),
        (
            "!has(self.deny) || has(self.hosts) || has(self.targetRefs)",
            "the policy has deny but no hosts, so it would never decide; add spec.hosts or spec.targetRefs",
        ),
        (
            "has(self.rules) || !(has(self.hosts) || has(self.targetRefs))",
            "the policy has hosts or targetRefs but no rules, so it would deny everything; add spec.rules",
        ),
        (
            "!has(self.precedence) || self.precedence == 'Default'"
            " || (has(self.targetRefs) && self.targetRefs.all(target, target.kind == 'Gateway'))",
            "precedence: Override is for policies of Gateways alone; leave it out",
        ),
        (
            f"!has(self.hosts) || self.hosts.all(host, host.matches('{HOST}'))",
            "one of hosts is no host: write it in lower case without port, or *. before it",
        ),
        (
            "!has(self.pathPrefixes) || self.pathPrefixes.all(prefix, !prefix.contains('//'))",
            "one of pathPrefixes is no path prefix: an empty segment (//)",
        ),
        (
            "has(self.audiences) || (" + every_item("!has(item.jwt)") + ")",
            "the policy takes tokens but does not say for whom they must be: add spec.audiences",
        ),
        (
            "!has(self.audiences) || ("
            + every_item("!has(item.jwt) || !has(item.jwt.audiences) || item.jwt.audiences.all(audience, audience in self.audiences)")
            + ")",
            "an audience of jwt is not among spec.audiences, so this narrows to nothing",
        ),
    )
    hosts: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=253)]], Field(min_length=1, max_length=64)] | None = (
        None
    )
    """The hosts it is for: exact, or `*.` before a name. Without hosts, targetRefs and rules it only defines."""
    target_refs: Annotated[list[TargetRef], Field(min_length=1, max_length=16)] | None = Field(None, alias="targetRefs")
    """The Gateways and routes that it is for, instead of hosts. The operator must have listed the Gateway."""
    precedence: Literal["Default", "Override"] = "Default"
    """For Gateways. `Default`: a route's own policy replaces the rules. `Override`: these rules count for every route."""
    path_prefixes: Annotated[list[Path], Field(min_length=1, max_length=64)] | None = Field(None, alias="pathPrefixes")
    """The paths it is for, by whole segments, so that several APIs can share a host. The default is every path."""
    mode: ModeName = "Enforce"
    """`Shadow`: the policy decides nothing; what it would have decided is logged and counted."""
    preflight: Literal["Deny", "Allow"] = "Deny"
    """`Allow`: a CORS preflight passes after the path check and `deny`, without credentials."""
    definitions_from: Annotated[list[DefinitionsRef], Field(min_length=1, max_length=8)] | None = Field(None, alias="definitionsFrom")
    """AuthPolicies whose issuers, key sets, certificate authorities and sets of addresses may be named here; one level, and a local
    name wins."""
    audiences: Annotated[list[Text], Field(min_length=1, max_length=16)] | None = None
    """For whom a token must be: one of these must be in `aud`. Required where `jwt` is used. Not a client id: ID tokens name those."""
    issuers: Annotated[list[Issuer], Field(min_length=1, max_length=32)] | None = None
    """Who may vouch for a token."""
    api_keys: Annotated[list[ApiKeySet], Field(min_length=1, max_length=16)] | None = Field(None, alias="apiKeys")
    """Sets of API keys (subscription keys)."""
    certificate_authorities: Annotated[list[CertificateAuthority], Field(min_length=1, max_length=16)] | None = Field(
        None, alias="certificateAuthorities"
    )
    """Who may issue client certificates."""
    ip_sets: Annotated[list[IpSet], Field(min_length=1, max_length=16)] | None = Field(None, alias="ipSets")
    """Sets of addresses that `clientIP` may name."""
    deny: Annotated[list[Deny], Field(min_length=1, max_length=64)] | None = None
    """Who may not, before every rule."""
    rules: Annotated[list[Rule], Field(min_length=1, max_length=64)] | None = None
    """The rules; the first that matches a request decides it."""
    denied: Denied | None = None
    """How denials look to the client."""
    compatibility: Literal["None", "APIM"] = "None"
    """`APIM`: denials look as those of Azure API Management, for clients that read them: 401 for whatever is wrong with a
    credential, a body of `statusCode` and `message`; audiences may differ by one final slash, and `clockSkewSeconds` is 0
    where it is not written."""
