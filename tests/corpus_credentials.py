"""What settings of the golden corpus declare beside tokens: API keys, certificates, revocation lists. All are the same in each run."""

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha1, sha256
from typing import Final, Literal
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import BaseModel, ConfigDict

from authz.authn.api_keys import digest_of
from tests import canaries
from tests.authn import pki
from tests.authn.pki import Node

NOW: Final = 1_795_000_000.0
# The PKI of the tests counts days from a date of its own.
_LATER: Final = (NOW - pki.NOW) / pki.DAY
_USAGES: Final = {
    "client": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
    "server": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
    "none": None,
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class KeyOf(_Strict):
    text: str = ""
    keyed: bool = False


class CertificateOf(_Strict):
    ca: bool = False
    signedBy: str = ""  # noqa: N815 - as written in the files
    subject: str = ""
    days: list[float] | None = None
    serial: str = ""
    dns: list[str] = []
    uris: list[str] = []
    emails: list[str] = []
    usage: Literal["client", "server", "none"] = "client"
    raw: str | None = None


class CrlOf(_Strict):
    by: str
    revokes: list[str] = []
    days: list[float] = [-1, 1]


class Credentials(_Strict):
    """The keys, certificates and lists of one setting, by name."""

    keys: dict[str, KeyOf] = {}
    certificates: dict[str, CertificateOf] = {}
    crls: dict[str, CrlOf] = {}
    digestKey: str = ""  # noqa: N815

    def key(self, name: str) -> str:
        """The key itself: `name.secret`, unless it is written."""
        found = self.keys[name]
        return found.text or canaries.note(f"{name}.{sha256(f'key {name}'.encode()).hexdigest()}")

    def digest(self, name: str) -> str:
        """What a record has of a key."""
        digest = digest_of(self.key(name), self.digestKey.encode() if self.keys[name].keyed else b"")
        return f"{digest.kind.value}:{digest.value.hex()}"

    def certificate(self, name: str, form: str = "pem") -> str:
        """A certificate: PEM, or `url` (URL-encoded PEM), `der` (Base64), `sha256`, `sha1` (hexadecimal), `x5t` (RFC 8705)."""
        return _form(_pem_node(self.model_dump_json(include={"certificates"}), name), form)

    def told(self, names: str) -> str:
        """What Envoy tells of a client that presents these certificates: one, or one and its intermediates, or a literal text."""
        found = [self.certificates[name].raw for name in names.split()]
        return "".join(self.certificate(name, "url") if raw is None else raw for name, raw in zip(names.split(), found, strict=True))

    def crl(self, name: str) -> str:
        """A revocation list, in PEM."""
        return _crl(self.model_dump_json(include={"certificates", "crls"}), name)


@cache
def _pem_node(text: str, name: str) -> Node:
    return _node(Credentials.model_validate_json(text).certificates, name)


def _node(certificates: Mapping[str, CertificateOf], name: str) -> Node:
    given = certificates[name]
    by = _node(certificates, given.signedBy) if given.signedBy else None
    first, last = given.days or ([-30, 30] if given.ca else [-1, 1])
    number = int(given.serial, 16) if given.serial else int.from_bytes(sha256(f"serial {name}".encode()).digest()[:8], "big") >> 1
    subject = x509.Name.from_rfc4514_string(given.subject) if given.subject else pki.cn(name)
    if given.ca:
        key = _key(name)
        basic = (x509.BasicConstraints(ca=True, path_length=None), True)
        identifier = (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        extensions: list[pki.Extension] = [basic, (pki.usage(), True), identifier]
    else:
        names = [*map(x509.DNSName, given.dns), *map(x509.UniformResourceIdentifier, given.uris), *map(x509.RFC822Name, given.emails)]
        usage = _USAGES[given.usage]
        extensions = [*([(usage, False)] if usage else []), *([pki.san(*names)] if names else [])]
    return pki.issue(subject, by, extensions, key=_key(name), days=(_LATER + first, _LATER + last), serial=number)


def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(sha256(f"certificate {name}".encode()).digest()[:31], "big"), ec.SECP256R1())


def _form(node: Node, form: str) -> str:
    match form:
        case "pem":
            return node.pem
        case "url":
            return quote(node.pem, safe="")
        case "sha256":
            return sha256(node.der).hexdigest()
        case "sha1":
            return sha1(node.der, usedforsecurity=False).hexdigest()
        case "der":
            return _base64(node.der)
        case "x5t":
            return _base64(sha256(node.der).digest()).translate(str.maketrans("+/", "-_")).rstrip("=")
    raise ValueError(f"a certificate has no form {form}")


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode()


@cache
def _crl(text: str, name: str) -> str:
    given = Credentials.model_validate_json(text)
    wanted = given.crls[name]
    serials = [_node(given.certificates, each).certificate.serial_number for each in wanted.revokes]
    days = (_LATER + wanted.days[0], _LATER + wanted.days[1])
    der = _base64(pki.a_crl(_node(given.certificates, wanted.by), *serials, days=days))
    return f"-----BEGIN X509 CRL-----\n{der}\n-----END X509 CRL-----\n"
