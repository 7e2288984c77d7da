"""What the operator says for the whole installation, read from flags. Every function raises ValueError with the remedy."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, HostGrant, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.policy import addresses, hosts

_HEADER_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE: Final = re.compile(_LABEL)
_OBJECT: Final = re.compile(rf"({_LABEL})/([a-z0-9](?:[-a-z0-9.]{{0,251}}[a-z0-9])?)")
_GATEWAY: Final = "gateway:"
_HOPS: Final = re.compile(r"[0-9]{1,4}")


def client_address(how: str | None, trusted: Sequence[str], hops: int | None, *, appended: bool) -> ClientAddress | None:
    """Return how the client's address is found. Raises ValueError."""
    if how is None:
        if trusted or hops is not None:
            raise ValueError("--trusted-proxy and --trusted-hops say how a header counts; say which with --client-address")
        return None
    wrong = [why for cidr in trusted if (why := addresses.cidr_problem(cidr))]
    if wrong:
        raise ValueError("--trusted-proxy: " + "; ".join(wrong))
    if how == "peer":
        if trusted or hops is not None:
            raise ValueError("peer takes no --trusted-proxy and no --trusted-hops: the peer is the client")
        return ClientAddress()
    if how == "x-forwarded-for":
        return _forwarded_for(tuple(trusted), hops, appended=appended)
    return _single_header(how, tuple(trusted))


def _single_header(how: str, trusted: tuple[str, ...]) -> ClientAddress:
    kind, _, name = how.lower().partition(":")
    if kind != "header" or not _HEADER_NAME.fullmatch(name) or name == "x-forwarded-for":
        raise ValueError(f"{how!r} is none of peer, x-forwarded-for, header:NAME")
    if not trusted:
        raise ValueError(f"{how} needs --trusted-proxy CIDR: anybody can send a header")
    return ClientAddress(name, trusted=trusted)


def _forwarded_for(trusted: tuple[str, ...], hops: int | None, *, appended: bool) -> ClientAddress:
    if hops is None or not 0 <= hops <= 16:
        raise ValueError("x-forwarded-for needs --trusted-hops N: how many proxies of yours stand before Envoy (0 to 16)")
    if not trusted:
        raise ValueError("x-forwarded-for needs --trusted-proxy CIDR: the addresses from which those proxies connect")
    if hops == 0 and not appended:
        raise ValueError("with no proxy before Envoy and no entry of Envoy's own there is nothing to trust; use peer")
    return ClientAddress("x-forwarded-for", hops, appended, trusted)


def host_grants(written: Sequence[str], own: str) -> tuple[HostGrant, ...]:
    """Return which namespaces may decide for which hosts: `NAMESPACE` or `NAMESPACE=HOST,…`; without any, `own` for all.

    Raises ValueError.
    """
    grants, wrong = [], []
    for each in written:
        namespace, equals, listed = each.partition("=")
        patterns = tuple(listed.split(",")) if equals else ()
        if not _NAMESPACE.fullmatch(namespace) or not all(map(hosts.is_pattern, patterns)):
            wrong.append(f"{each} is not NAMESPACE or NAMESPACE=HOST,…")
        grants.append(HostGrant(namespace, patterns))
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(grants) if written or not own else (HostGrant(own),)


def namespaces(written: Sequence[str]) -> tuple[str, ...]:
    """Return names of namespaces, each once. Raises ValueError."""
    wrong = [each for each in written if not _NAMESPACE.fullmatch(each)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} is no name of a namespace")
    return tuple(dict.fromkeys(written))


def listed_gateways(names: Sequence[str], addressed: Sequence[str], certified: Sequence[str] = ()) -> tuple[ListedGateway, ...]:
    """Return the Gateways that ask us: `NAMESPACE/NAME` each, and for some of them `NAMESPACE/NAME=HOW`.

    `addressed` say how the client's address is found: peer, or x-forwarded-for or header:NAME followed by `;trusted=CIDR,…`, `;hops=N`,
    `;appends=no`. `certified` say where the client's certificate is told, as `client_certificate` takes it. Raises ValueError.
    """
    found = {object_name(name): ListedGateway(object_name(name)) for name in names}
    for each in (*addressed, *certified):
        gateway = object_name(each.partition("=")[0])
        if gateway not in found:
            raise ValueError(f"{gateway} is not listed; add --gateway {gateway}")
    for each in addressed:
        gateway, how = object_name(each.partition("=")[0]), each.partition("=")[2]
        try:
            found[gateway] = replace(found[gateway], client_address=_address_of_gateway(how))
        except ValueError as fault:
            raise ValueError(f"{each}: {_in_terms_of_gateway(str(fault))}") from fault
    for each in certified:
        gateway, how = object_name(each.partition("=")[0]), each.partition("=")[2]
        found[gateway] = replace(found[gateway], client_certificate=client_certificate(how))
    return tuple(found.values())


def _address_of_gateway(written: str) -> ClientAddress | None:
    how, *parts = written.split(";")
    said = dict(part.partition("=")[::2] for part in parts)
    unknown = said.keys() - {"trusted", "hops", "appends"}
    if unknown or said.get("appends", "no") not in ("yes", "no"):
        raise ValueError("after the first ; there may be trusted=CIDR,…, hops=N and appends=yes or no")
    hops = said.get("hops")
    if hops is not None and not _HOPS.fullmatch(hops):
        raise ValueError("hops is a number")
    trusted = said["trusted"].split(",") if said.get("trusted") else []
    return client_address(how, trusted, int(hops) if hops is not None else None, appended=said.get("appends") != "no")


def _in_terms_of_gateway(text: str) -> str:
    return text.replace("--trusted-proxy CIDR", ";trusted=CIDR").replace("--trusted-hops N", ";hops=N")


def object_name(text: str) -> PolicyName:
    """Return the name that `NAMESPACE/NAME` is. Raises ValueError."""
    found = _OBJECT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is not NAMESPACE/NAME")
    return PolicyName(*found.groups())


def client_certificate(written: str | None) -> ClientCertificate | None:
    """Return where the client's certificate is told: peer, xfcc, client-cert or header:NAME, the last three with `;trusted=CIDR,…`.

    Without those addresses `xfcc` is the header that the Envoy writes which asks us. Raises ValueError.
    """
    if written is None:
        return None
    how, *parts = written.split(";")
    said = dict(part.partition("=")[::2] for part in parts)
    if said.keys() - {"trusted"} or not all(said.values()):
        raise ValueError(f"{written}: after the first ; there may be trusted=CIDR,…")
    trusted = tuple(said["trusted"].split(",")) if said else ()
    if wrong := [why for cidr in trusted if (why := addresses.cidr_problem(cidr))]:
        raise ValueError(f"{written}: {'; '.join(wrong)}")
    kind, _, name = how.lower().partition(":")
    if kind == "header" and _HEADER_NAME.fullmatch(name):
        found = ClientCertificate(CertificateSource.HEADER, name, trusted)
    elif how in _CERTIFICATE_WORDS:
        found = ClientCertificate(_CERTIFICATE_WORDS[how], trusted=trusted)
    else:
        raise ValueError(f"{how!r} is none of peer, xfcc, client-cert, header:NAME")
    if found.source is CertificateSource.PEER and trusted:
        raise ValueError("peer takes no trusted addresses: it is what Envoy says of its own connection")
    if found.source in (CertificateSource.HEADER, CertificateSource.CLIENT_CERT) and not trusted:
        raise ValueError(f"{how} needs ;trusted=CIDR: anybody can send a header, and a certificate is no secret")
    return found


_CERTIFICATE_WORDS: Final = {
    "peer": CertificateSource.PEER,
    "xfcc": CertificateSource.XFCC,
    "client-cert": CertificateSource.CLIENT_CERT,
}


def operator(client: ClientAddress | None, unprotected: Sequence[str], identity_headers: Sequence[str]) -> Operator:
    """Return the operator's settings. Raises ValueError."""
    gateways = frozenset(object_name(each.removeprefix(_GATEWAY)) for each in unprotected if each.startswith(_GATEWAY))
    named = [host for host in unprotected if host != "all" and not host.startswith(_GATEWAY)]
    wrong = [
        f"{host} is no host; write api.example.com, *.example.com, gateway:NAMESPACE/NAME or all"
        for host in named
        if not hosts.is_pattern(host)
    ]
    wrong += [f"{name} is no header name" for name in identity_headers if not _HEADER_NAME.fullmatch(name.lower())]
    if wrong:
        raise ValueError("; ".join(wrong))
    names = frozenset(name.lower() for name in identity_headers)
    return Operator(client, frozenset(named), "all" in unprotected, names, unprotected_gateways=gateways)
