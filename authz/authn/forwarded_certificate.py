"""The client certificate that a proxy tells of: readers of what Envoy, RFC 9440 and other proxies write.

Each returns the chain, a failure, or None where no certificate is told. Headers are believed by whom the operator says; nothing here
knows who wrote one. `attributes.source.certificate` cannot be forged, so where Envoy sends it, it is the better source.
"""

import re
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from authz.authn import byte_sequence, pem
from authz.model.certificate import Chain
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason

MAX_TEXT: Final = 32 * 1024
MAX_CERTIFICATES: Final = 8
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
# One `Key=value` of x-forwarded-client-cert, and what ends it. In quotes a backslash stands before what is meant as it is.
_PAIR: Final = re.compile(r'[ \t]*([A-Za-z][A-Za-z0-9_-]*)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))[ \t]*([,;]|\Z)', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_ONCE: Final = frozenset({"hash", "cert", "chain"})


def from_peer(text: str) -> Chain | Failure | None:
    """Read `attributes.source.certificate` of a check: the peer's certificate as URL-encoded PEM."""
    return _pem_chain(text, "source.certificate")


def from_pem_header(value: str) -> Chain | Failure | None:
    """Read a header with URL-encoded PEM: one certificate, or the client's and its intermediates (`X-ARR-ClientCert`, nginx)."""
    return _pem_chain(value, "the header")


def from_xfcc(header: str) -> Chain | Failure | None:
    """Read `x-forwarded-client-cert`. The last element counts: the proxy next to us wrote it, others may be forged."""
    if not header:
        return None
    if len(header) > MAX_TEXT:
        return _unreadable("x-forwarded-client-cert", f"more than {MAX_TEXT // 1024} KiB")
    try:
        return _of_element(_last_element(header))
    except ValueError as why:
        return _unreadable("x-forwarded-client-cert", str(why))


def from_client_cert(cert: str, chain: str = "") -> Chain | Failure | None:
    """Read `Client-Cert` and `Client-Cert-Chain` (RFC 9440 §2), whose repeated lines are joined with commas."""
    if not cert and not chain:
        return None
    if max(len(cert), len(chain)) > MAX_TEXT:
        return _unreadable("Client-Cert", f"more than {MAX_TEXT // 1024} KiB")
    try:
        # A chain without the certificate that it belongs to is none (RFC 9440 §2.3).
        return _chain((byte_sequence.item(cert), *byte_sequence.items(chain)))
    except ValueError as why:
        return _unreadable("Client-Cert", str(why))


def _pem_chain(text: str, where: str) -> Chain | Failure | None:
    if not text:
        return None
    if len(text) > MAX_TEXT:
        return _unreadable(where, f"more than {MAX_TEXT // 1024} KiB")
    try:
        return _chain(_certificates(text))
    except ValueError as why:
        return _unreadable(where, str(why))


def _certificates(text: str) -> tuple[bytes, ...]:
    """Return the certificates of URL-encoded PEM. Raises ValueError. A plus sign is one: no proxy writes spaces so."""
    if not text.isascii() or _BAD_ESCAPE.search(text):
        raise ValueError("not URL-encoded PEM")
    found = pem.blocks(unquote(text), alone=True)
    if any(label != "CERTIFICATE" for label, _ in found):
        raise ValueError("PEM of something else than certificates")
    return tuple(octets for _, octets in found)


def _chain(certificates: tuple[bytes, ...]) -> Chain:
    if not certificates or not all(certificates):
        raise ValueError("no certificate")
    if len(certificates) > MAX_CERTIFICATES:
        raise ValueError(f"more than {MAX_CERTIFICATES} certificates")
    return Chain(certificates[0], certificates[1:])


def _last_element(header: str) -> dict[str, str]:
    """Return the last element's values by key in lower case. Raises ValueError where any element cannot be read."""
    element: dict[str, str] = {}
    at, separator = 0, ","
    while separator:
        pair = _PAIR.match(header, at)
        if pair is None:
            raise ValueError("not elements of Key=value")
        if separator == ",":
            element = {}
        name, quoted, bare, separator = pair[1].lower(), pair[2], pair[3], pair[4]
        if name in _ONCE and name in element:
            raise ValueError("a key that is given twice")
        element[name] = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
        at = pair.end()
    return element


def _of_element(element: dict[str, str]) -> Chain | Failure:
    """Return what one element tells. Raises ValueError where its members contradict each other."""
    own, whole, digest = (element.get(name, "") for name in ("cert", "chain", "hash"))
    if not own and not whole:
        want = "the certificate itself in x-forwarded-client-cert: set_current_client_cert_details {cert: true, chain: true} of the gateway"
        return Failure(Reason.CERT_MISSING, Rank.UNREADABLE, want, "its Hash only" if digest else "no Cert", undecided=True)
    leaf = _chain(_certificates(own)) if own else None
    chain = _chain(_certificates(whole)) if whole else leaf
    if chain is None or (leaf is not None and (leaf.intermediates or leaf.leaf != chain.leaf)):
        raise ValueError("a Cert that is not the first of Chain")
    if digest and digest.lower() != sha256(chain.leaf).hexdigest():
        raise ValueError("a Hash that is not the certificate's")
    return chain


def _unreadable(where: str, got: str) -> Failure:
    # Whose it is cannot be told, so that an item of `deny` must count it as the one that it asks for.
    return Failure(Reason.CERT_UNTRUSTED, Rank.UNREADABLE, f"a certificate in {where}", got, undecided=True)
