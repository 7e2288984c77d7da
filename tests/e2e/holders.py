"""Holders of client certificates: authorities, what they issued, and connections of TLS that show it; valid around the present time."""

import ssl
import time
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.authn.pki import DAY, NOW, Extension, Node, a_ca, a_crl, a_leaf
from tests.e2e.gate import Shape
from tests.e2e.wire import Line

# Certificates of tests are dated by days from a fixed date.
_TODAY: Final = (time.time() - NOW) / DAY


def days(begins: float = -1, ends: float = 1) -> tuple[float, float]:
    """From when until when something is valid, in days from now, as tests.authn.pki dates it."""
    return _TODAY + begins, _TODAY + ends


def an_issuer(name: str = "root", by: Node | None = None, **how: Any) -> Node:
    """A certificate authority that is valid now."""
    return a_ca(name, by, **{"days": days(-2, 2), **how})


def a_list(by: Node, *revoked: int, **how: Any) -> str:
    """A revocation list that is current, as a file holds it: DER in Base64."""
    return b64encode(a_crl(by, *revoked, **{"days": days(-0.5, 0.5), **how})).decode()


@dataclass(frozen=True)
class Nobody:
    """A client without a certificate. `server`: the CA of the server's certificate."""

    server: Path

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """How this client speaks TLS."""
        return ssl.create_default_context(cafile=str(self.server))


@dataclass(frozen=True)
class Holder:
    """Who has a certificate and its key, and sends these intermediates with it. `server`: the CA of the server's certificate."""

    node: Node
    server: Path
    folder: Path
    intermediates: tuple[Node, ...] = ()

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """How this client speaks TLS."""
        context = ssl.create_default_context(cafile=str(self.server))
        key = self.node.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        file = self.folder / f"{self.node.certificate.serial_number:x}.pem"
        file.write_text("".join((self.node.pem, *(each.pem for each in self.intermediates), key)))
        context.load_cert_chain(file)
        return context

    @property
    def serial(self) -> int:
        """The serial number."""
        return self.node.certificate.serial_number

    @property
    def url_encoded(self) -> str:
        """The certificate as proxies write it into headers: PEM, URL-encoded."""
        return quote(self.node.pem, safe="")

    @property
    def element(self) -> Line:
        """An x-forwarded-client-cert that says that this certificate was shown; whoever has seen the certificate can write it."""
        return b"x-forwarded-client-cert", f'By=spiffe://forged;Cert="{self.url_encoded}"'.encode()

    @property
    def rfc_9440(self) -> tuple[Line, ...]:
        """The headers of RFC 9440."""
        chain = ", ".join(_byte_sequence(each) for each in self.intermediates)
        lines = ((b"client-cert", _byte_sequence(self.node).encode()),)
        return (*lines, (b"client-cert-chain", chain.encode())) if chain else lines


def _byte_sequence(node: Node) -> str:
    return f":{b64encode(node.der).decode()}:"


def holder(by: Node | None, server: Path, *more: Extension, intermediates: tuple[Node, ...] = (), **how: Any) -> Holder:
    """A new holder of a certificate by an authority; `server` is the CA of the server, beside which files are put."""
    return Holder(a_leaf(by, *more, **{"days": days(), **how}), server, server.parent, intermediates)


def asking_for_certificates(certificate: Path, key: Path, ca: Path) -> Shape:
    """A listener with TLS that asks clients for a certificate, and leaves it to the service what each is worth."""
    validation = {"trustedCa": {"filename": str(ca)}, "trustChainVerification": "ACCEPT_UNTRUSTED"}
    common = {
        "tlsCertificates": [{"certificateChain": {"filename": str(certificate)}, "privateKey": {"filename": str(key)}}],
        "validationContext": validation,
        "alpnProtocols": ["h2", "http/1.1"],
    }
    return {"tls": {"commonTlsContext": common, "requireClientCertificate": False}}
