"""Definitions as written → the model's: key sets, certificate authorities, sets of addresses, places, references."""

from authz.api import v1alpha1
from authz.model.definitions import AddressRange, ApiKeySet, CertificateAuthority, IpSet, Revocation
from authz.model.issuer import KeySource, Place, PlaceKind
from authz.model.reference import FILE, Reference, Selection


def key_set(written: v1alpha1.ApiKeySet, namespace: str, directory: str) -> ApiKeySet:
    """Return a set of API keys. `directory`: of the policy's file, where it stands in one."""
    source = written.from_
    found: Reference | Selection
    if source.secret_selector is not None:
        found = Selection(namespace, tuple(sorted(source.secret_selector.match_labels.items())))
    elif source.secret_ref is not None:
        found = _object("Secret", source.secret_ref, namespace, "keys.jsonl")
    else:
        found = Reference(FILE, "", source.file or "", directory)
    return ApiKeySet(written.name, (found,), tuple(place(each) for each in written.in_))


def authority(written: v1alpha1.CertificateAuthority, namespace: str, directory: str) -> CertificateAuthority:
    """Return a certificate authority. `directory`: of the policy's file, where it stands in one."""
    return CertificateAuthority(
        name=written.name,
        ca_from=_text(written.from_, namespace, directory, "ca.crt"),
        revocation=Revocation(written.revocation),
        crls_from=tuple(_text(each, namespace, directory, "ca.crl") for each in written.crls or ()),
        crl_hosts=tuple(written.crl_hosts or ()),
    )


def key_source(written: v1alpha1.Issuer, namespace: str, directory: str) -> KeySource:
    """Return where an issuer's keys come from. `directory`: of the policy's file, where it stands in one."""
    secret = written.hmac_from
    return KeySource(
        written.discovery_url or "",
        written.jwks_url or "",
        written.jwks or "",
        named_text(written.jwks_from, namespace, directory),
        _shared_secret(secret, namespace, directory) if secret is not None else None,
    )


def named_text(written: v1alpha1.JwksRef | v1alpha1.CaRef | None, namespace: str, directory: str) -> Reference | None:
    """Return where a key set or CA certificates stand; None where nothing is written."""
    if written is None:
        return None
    if written.file is not None:
        return Reference(FILE, "", written.file, directory)
    return Reference(written.kind or "", written.namespace or namespace, written.name or "", written.key)


def _shared_secret(written: v1alpha1.HmacSource, namespace: str, directory: str) -> Reference:
    if written.secret_ref is not None:
        return _object("Secret", written.secret_ref, namespace, "hmac")
    return Reference(FILE, "", written.file or "", directory)


def ip_set(written: v1alpha1.IpSet) -> IpSet:
    """Return a set of addresses."""
    return IpSet(written.name, tuple(written.cidrs or ()), ranges(written.ranges))


def ranges(written: list[v1alpha1.AddressRange] | None) -> tuple[AddressRange, ...]:
    """Return ranges of addresses."""
    return tuple(AddressRange(each.from_, each.to) for each in written or ())


def place(written: v1alpha1.TokenPlace) -> Place:
    """Return a place where a token or key may stand."""
    if written.header is not None:
        return Place(PlaceKind.HEADER, written.header.lower(), written.scheme or "")
    if written.query is not None:
        return Place(PlaceKind.QUERY, written.query)
    return Place(PlaceKind.COOKIE, written.cookie or "")


def _text(written: v1alpha1.TextSource, namespace: str, directory: str, key: str) -> Reference:
    if written.secret_ref is not None:
        return _object("Secret", written.secret_ref, namespace, key)
    if written.config_map_ref is not None:
        return _object("ConfigMap", written.config_map_ref, namespace, key)
    return Reference(FILE, "", written.file or "", directory)


def _object(kind: str, written: v1alpha1.ObjectRef, namespace: str, key: str) -> Reference:
    return Reference(kind, written.namespace or namespace, written.name, written.key or key)
