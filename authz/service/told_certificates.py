"""Where the client's certificate is told: by Envoy itself, or in a header of those who may tell one, as the operator says."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from authz.authn.forwarded_certificate import from_client_cert, from_peer, from_pem_header, from_xfcc
from authz.model.certificate import Chain
from authz.model.operator import CertificateSource, ClientCertificate
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.request import Request
from authz.policy.addresses import of_cidrs, parse
from authz.policy.view import View

# How many told chains are remembered.
MOST_REMEMBERED: Final = 4096
# Of chains that nobody has verified yet: all that are remembered, of 2 KiB each.
MOST_OCTETS: Final = 8 * 1024 * 1024

_WANT: Final = "a client certificate"


def chain_of(view: View) -> Chain | Failure:
    """Return the certificate that the client presented, as it is told where the operator says, or why there is none."""
    setting = view.certificate_from
    if setting is None:
        # It may well be there, where the Gateways that may have been chosen tell it in different ways.
        return Failure(Reason.CERT_MISSING, Rank.NOT_PRESENTED, _WANT, "it cannot be told where it would be", undecided=True)
    if setting.trusted and parse(view.request.peer) not in of_cidrs(setting.trusted):
        # What somebody else than those proxies says of a certificate is not heard.
        return Failure(Reason.CERT_MISSING, Rank.NOT_PRESENTED, _WANT, "none from a proxy that may tell it")
    return _READ[setting.source](view.request, setting) or Failure(Reason.CERT_MISSING, Rank.NOT_PRESENTED, _WANT, "none")


def leaf_of(view: View) -> bytes | None:
    """Return the certificate that the client presented, DER, for tokens that are bound to one (RFC 8705); None: there is none."""
    chain = chain_of(view)
    return chain.leaf if isinstance(chain, Chain) else None


Read = Callable[[Request, ClientCertificate], Chain | Failure | None]


def _of_peer(request: Request, setting: ClientCertificate) -> Chain | Failure | None:
    return _remembered(from_peer, request.certificate)


def _of_xfcc(request: Request, setting: ClientCertificate) -> Chain | Failure | None:
    return _remembered(from_xfcc, request.headers.get(setting.source.value, ""))


def _of_header(request: Request, setting: ClientCertificate) -> Chain | Failure | None:
    return _remembered(from_pem_header, request.headers.get(setting.header, ""))


def _of_client_cert(request: Request, setting: ClientCertificate) -> Chain | Failure | None:
    value = request.headers.get("client-cert", "")
    return from_client_cert(value, request.headers.get("client-cert-chain", "")) if value else None


_READ: Final[dict[CertificateSource, Read]] = {
    CertificateSource.PEER: _of_peer,
    CertificateSource.XFCC: _of_xfcc,
    CertificateSource.CLIENT_CERT: _of_client_cert,
    CertificateSource.HEADER: _of_header,
}


class Chains:
    """Chains by the digest of the text that told them. Nobody is verified yet, so that all of them together are bounded in octets, too."""

    __slots__ = ("_known", "_octets")

    def __init__(self) -> None:
        self._known: dict[bytes, Chain] = {}
        self._octets = 0

    def get(self, digest: bytes) -> Chain | None:
        """Return what a text told, or None."""
        return self._known.get(digest)

    def put(self, digest: bytes, chain: Chain) -> None:
        """Remember what a text told; where that would be too much, of it alone."""
        octets = len(chain.leaf) + sum(map(len, chain.intermediates))
        if len(self._known) >= MOST_REMEMBERED or self._octets + octets > MOST_OCTETS:
            self.clear()
        self._known[digest] = chain
        self._octets += octets

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._octets = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._known)


_chains: Final = Chains()


def _remembered(read: Callable[[str], Chain | Failure | None], text: str) -> Chain | Failure | None:
    """Return what a text tells. One connection's requests tell the same again and again, and reading costs more than finding."""
    if not text:
        return None
    digest = sha256(text.encode("utf-8", "surrogatepass") + read.__name__.encode()).digest()
    known = _chains.get(digest)
    if known is not None:
        return known
    found = read(text)
    if isinstance(found, Chain):
        _chains.put(digest, found)
    return found
