"""What the operator says for the whole installation, and policies cannot change."""

from dataclasses import dataclass
from enum import StrEnum

from authz.model.policy import PolicyName


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """How the client's address is found.

    Attributes:
        header: "" for the peer of the proxy's connection, `x-forwarded-for` for the list that proxies append to,
            or the name of a header that holds one address.
        hops: for `x-forwarded-for`: how many trusted proxies stand before Envoy.
        appended: for `x-forwarded-for`: whether Envoy itself appends its peer (`use_remote_address: true`).
        trusted: CIDRs of the peers whose header counts; the peer's own address is the client's elsewhere.
    """

    header: str = ""
    hops: int = 0
    appended: bool = True
    trusted: tuple[str, ...] = ()


class CertificateSource(StrEnum):
    """Who tells us the client's certificate: Envoy itself, or a header."""

    PEER = "peer"
    XFCC = "x-forwarded-client-cert"
    CLIENT_CERT = "client-cert"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """How the client's certificate is found.

    Attributes:
        source: `peer`: what Envoy tells of its own connection (`include_peer_certificate`). `x-forwarded-client-cert`: that header.
            `client-cert`: the headers of RFC 9440. `header`: one with URL-encoded PEM.
        header: its name, for `header`; else "".
        trusted: CIDRs of the peers whose header counts; without any it is the Envoy that asks us who writes it.
    """

    source: CertificateSource
    header: str = ""
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostGrant:
    """Policies of `namespace` may decide for the hosts that `patterns` cover; without patterns, for every host."""

    namespace: str
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedGateway:
    """A Gateway that asks us.

    `client_address` and `client_certificate` are said for it alone; None: what is said for the installation.
    """

    name: PolicyName
    client_address: ClientAddress | None = None
    client_certificate: ClientCertificate | None = None


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's settings that take part in decisions.

    Attributes:
        client_address: None until the operator says how; policies with `clientIP` are refused until then.
        unprotected: canonical hosts where requests that no policy covers pass.
        unprotected_all: the same for every host.
        identity_headers: names, besides `x-auth-*`, that policies may forward.
        host_grants: which namespaces may decide for which hosts; None: all for all, as for files.
        gateways: the Gateways that ask us; only routes that they accepted count.
        unprotected_gateways: Gateways whose routes pass where no policy covers them.
        client_certificate: None until the operator says how; policies with `clientCertificate` are refused until then.
    """

    client_address: ClientAddress | None = None
    unprotected: frozenset[str] = frozenset()
    unprotected_all: bool = False
    identity_headers: frozenset[str] = frozenset()
    host_grants: tuple[HostGrant, ...] | None = None
    gateways: tuple[ListedGateway, ...] = ()
    unprotected_gateways: frozenset[PolicyName] = frozenset()
    client_certificate: ClientCertificate | None = None

    def address_through(self, gateway: PolicyName) -> ClientAddress | None:
        """Return how the client's address is found in requests that come through a listed Gateway."""
        own = next((each.client_address for each in self.gateways if each.name == gateway), None)
        return own or self.client_address

    @property
    def says_addresses(self) -> bool:
        """Whether it has been said for the installation, or for some Gateway, how the client's address is found."""
        return self.client_address is not None or any(each.client_address for each in self.gateways)

    def certificate_through(self, gateway: PolicyName) -> ClientCertificate | None:
        """Return how the client's certificate is found in requests that come through a listed Gateway."""
        own = next((each.client_certificate for each in self.gateways if each.name == gateway), None)
        return own or self.client_certificate

    @property
    def says_certificates(self) -> bool:
        """Whether it has been said for the installation, or for some Gateway, how the client's certificate is found."""
        return self.client_certificate is not None or any(each.client_certificate for each in self.gateways)
