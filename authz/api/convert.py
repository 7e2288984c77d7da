"""AuthPolicy as written → the model's values: every default filled in, every name in its canonical form."""

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from authz.api import definitions, v1alpha1
from authz.model.certificate import CertificateIdentity
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, token_type
from authz.model.policy import (
    AddressCondition,
    Answer,
    ApiKeyCondition,
    CertificateCondition,
    ClaimCondition,
    ClaimMatch,
    Denied,
    ForwardedHeader,
    HeaderCondition,
    Item,
    JwtCondition,
    Mode,
    PathKind,
    PathMatch,
    Policy,
    PolicyName,
    RequestMatch,
    Rule,
    Target,
    TargetKind,
)


def policy_of(name: PolicyName, generation: int, spec: v1alpha1.AuthPolicySpec, created: str = "", directory: str = "") -> Policy:
    """Return the policy that a valid spec declares. `directory`: of its file, where it stands in one."""
    is_apim = spec.compatibility == "APIM"
    return Policy(
        name=name,
        generation=generation,
        hosts=tuple(spec.hosts or ()),
        path_prefixes=tuple(spec.path_prefixes or ()),
        targets=_targets(spec.target_refs),
        override=spec.precedence == "Override",
        mode=Mode(spec.mode),
        preflight=spec.preflight == "Allow",
        definitions_from=tuple(PolicyName(ref.namespace, ref.name) for ref in spec.definitions_from or ()),
        audiences=tuple(spec.audiences or ()),
        issuers=tuple(_issuer(issuer, name.namespace, directory, 0 if is_apim else 30) for issuer in spec.issuers or ()),
        deny=tuple(_item(item, name) for item in spec.deny or ()),
        rules=tuple(_rule(rule, name) for rule in spec.rules or ()),
        denied=replace(_denied(spec.denied) if spec.denied else Denied(), is_apim=is_apim),
        created=created,
        api_keys=tuple(definitions.key_set(each, name.namespace, directory) for each in spec.api_keys or ()),
        certificate_authorities=tuple(
            definitions.authority(each, name.namespace, directory) for each in spec.certificate_authorities or ()
        ),
        ip_sets=tuple(definitions.ip_set(each) for each in spec.ip_sets or ()),
    )


def _targets(refs: list[v1alpha1.TargetRef] | None) -> tuple[Target, ...]:
    return tuple(Target(TargetKind(ref.kind), ref.name) for ref in refs or ())


class _Target(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)
    hosts: list[str] = []
    pathPrefixes: list[v1alpha1.Path] = []  # noqa: N815 - as written in the object
    targetRefs: list[v1alpha1.TargetRef] = []  # noqa: N815
    mode: v1alpha1.ModeName = "Enforce"


def target_of(name: PolicyName, spec: Any) -> Policy | None:  # noqa: ANN401 - arbitrary YAML
    """Return a policy with the hosts, path prefixes, targets and mode of a spec and nothing else, or None where they cannot be read."""
    try:
        target = _Target.model_validate(spec)
    except ValidationError:
        return None
    return Policy(
        name=name,
        generation=0,
        hosts=tuple(target.hosts),
        path_prefixes=tuple(target.pathPrefixes),
        targets=_targets(target.targetRefs),
        mode=Mode(target.mode),
        preflight=False,
        definitions_from=(),
        audiences=(),
        issuers=(),
        deny=(),
        rules=(),
    )


def _issuer(written: v1alpha1.Issuer, namespace: str, directory: str, skew: int) -> Issuer:
    usual = ("RS256", "ES256") if written.hmac_from is None else ("HS256",)
    return Issuer(
        name=written.name,
        issuer=written.issuer,
        keys=definitions.key_source(written, namespace, directory),
        algorithms=tuple(written.algorithms or usual),
        clock_skew=skew if written.clock_skew_seconds is None else written.clock_skew_seconds,
        token_types=frozenset(token_type(each) for each in written.token_types),
        max_lifetime=written.max_lifetime_seconds,
        max_age=written.max_age_seconds,
        places=tuple(definitions.place(each) for each in written.token_from) if written.token_from else (AUTHORIZATION_BEARER,),
        ca_from=definitions.named_text(written.ca_ref, namespace, directory),
    )


def _rule(written: v1alpha1.Rule, policy: PolicyName) -> Rule:
    forward = written.forward or v1alpha1.Forward()
    return Rule(
        name=written.name,
        mode=Mode(written.mode),
        matches=tuple(_match(match) for match in written.matches or ()),
        deny=tuple(_item(item, policy) for item in written.deny or ()),
        allow=tuple(_item(item, policy) for item in written.allow),
        forward=tuple(_forwarded(header) for header in forward.headers or ()),
        keep_credentials=forward.credentials == "Keep",
        denied=_denied(written.denied) if written.denied else None,
    )


def _match(written: v1alpha1.RequestMatch) -> RequestMatch:
    path = PathMatch(PathKind(written.path.type), written.path.value) if written.path else None
    return RequestMatch(path, tuple(written.methods or ()))


def _item(written: v1alpha1.Allow | v1alpha1.Deny, policy: PolicyName) -> Item:
    key, certificate = written.api_key, written.client_certificate
    return Item(
        name=written.name,
        anonymous=isinstance(written, v1alpha1.Allow) and written.anonymous is not None,
        jwt=_jwt(written.jwt) if written.jwt else None,
        addresses=_addresses(written.client_ip) if written.client_ip else None,
        headers=_headers(written.headers),
        # Without scopes of its own the item asks for a key that was made for this API.
        api_key=ApiKeyCondition(key.from_, tuple(key.scopes or (policy.name,))) if key else None,
        certificate=_certificate(certificate) if certificate else None,
        when=written.when or "",
    )


def _certificate(written: v1alpha1.ClientCertificate) -> CertificateCondition:
    return CertificateCondition(written.authority, tuple(_identity(each) for each in written.identities or ()))


def _identity(written: v1alpha1.Identity) -> CertificateIdentity:
    return CertificateIdentity(**{name: value or "" for name, value in written.model_dump().items()})


def _jwt(written: v1alpha1.Jwt) -> JwtCondition:
    return JwtCondition(
        issuers=tuple(written.issuers),
        audiences=tuple(written.audiences or ()),
        scopes=tuple(written.scopes or ()),
        claims=tuple(
            ClaimCondition(tuple(claim.path), ClaimMatch(claim.match), tuple(claim.values), claim.separator or "")
            for claim in written.claims or ()
        ),
    )


def _addresses(written: v1alpha1.ClientIP) -> AddressCondition:
    return AddressCondition(tuple(written.cidrs or ()), definitions.ranges(written.ranges), tuple(written.sets or ()))


def _headers(written: list[v1alpha1.HeaderMatch] | None) -> tuple[HeaderCondition, ...]:
    return tuple(HeaderCondition(each.name, tuple(each.values or ()), each.ignore_case) for each in written or ())


def _forwarded(written: v1alpha1.ForwardedHeader) -> ForwardedHeader:
    source = written.from_
    if source is None:
        return ForwardedHeader(written.name, written.value or "")
    if source.api_key is not None:
        return ForwardedHeader(written.name, claim=tuple(source.api_key), credential="apiKey")
    if source.client_certificate is not None:
        return ForwardedHeader(written.name, claim=tuple(source.client_certificate), credential="clientCertificate")
    return ForwardedHeader(written.name, claim=tuple(source.claim or ()))


def _denied(written: v1alpha1.Denied) -> Denied:
    return Denied(_answer(written.unauthenticated), _answer(written.forbidden))


def _answer(written: v1alpha1.Answer | None) -> Answer:
    if written is None:
        return Answer()
    headers = tuple((header.name.lower(), header.value) for header in written.headers or ())
    return Answer(written.status_code or 0, written.message or "", headers)
