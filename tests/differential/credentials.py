"""API keys and certificates that were made, so that all is known of them: what stands in requests and files, and what it means."""

import json
import re
from base64 import urlsafe_b64encode
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests import canaries
from tests.authn import pki
from tests.corpus_runner import NOW

Raw = dict[str, Any]

# Each has at most one fault of its own. One that is for some addresses only is for every scope: where the address is unknown the engine
# does not look at scopes, and refuses as it refuses where nothing is certain.
RECORDS: dict[str, Raw] = {
    "acme": {"scopes": ["x"], "labels": {"region": "eu"}},
    "second": {"scopes": ["x", "z"], "slot": "Secondary", "subscription": "acme"},
    "every": {"scopes": ["*"], "subscription": "a, b%", "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00+02:00"},
    "elsewhere": {"scopes": ["z"]},
    "nothing": {},
    "office": {"scopes": ["*"], "cidrs": ["203.0.113.0/24", "2001:db8::/32"], "labels": {"region": "us"}},
    "suspended": {"scopes": ["*"], "state": "Suspended"},
    "expired": {"scopes": ["*"], "notAfter": "2026-01-01T00:00:00Z"},
    "early": {"scopes": ["*"], "notBefore": "2027-01-01T00:00:00Z"},
    "other": {"scopes": ["x", "y"]},
}
FILES = {"one.jsonl": [name for name in RECORDS if name != "other"], "two.jsonl": ["other"]}
SENT_KEYS = [
    *["acme", "every"] * 4,
    "second",
    "other",
    *[name for name in RECORDS if name not in ("acme", "every")] * 2,
    "suspended",
    "stranger",
]


def key(name: str) -> str:
    """The text of a key; every other one is of the kind that another gateway made."""
    secret = sha256(f"key {name}".encode()).hexdigest()
    return canaries.note(f"{name}.{secret}" if len(name) % 2 else secret)


def records(file: str) -> dict[str, Raw]:
    """The records of a file, by key."""
    usual = {"subscription": "acme", "state": "Active", "labels": {}}
    return {key(name): {"id": name, **usual, **RECORDS[name]} for name in FILES.get(file, ())}


LEAVES: dict[str, Raw] = {
    "good": {"by": "one", "dnsNames": ["a.partner.example"], "uris": ["spiffe://partner/ns/shop"], "emails": ["a@partner.example"]},
    "other": {"by": "one", "dnsNames": ["b.a.partner.example", "c.example"]},
    "revoked": {"by": "one", "dnsNames": ["a.partner.example"]},
    "two": {"by": "two", "dnsNames": ["a.partner.example"], "uris": ["spiffe://partner/ns/shop/sa"]},
    "expired": {"by": "one", "days": (-10, 10)},
    "early": {"by": "one", "days": (300, 400)},
    "stranger": {"by": "stranger", "dnsNames": ["a.partner.example"]},
    "server": {"by": "one", "eku": x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])},
}
SENT_CERTIFICATES = [*["good"] * 6, *["other", "two", "revoked"] * 2, *LEAVES, "rubbish"]
_DAYS = (-1.0, 400.0)
# Whose lists they are, who is revoked in them, and until when they hold.
LISTS: dict[str, tuple[str, tuple[str, ...], float]] = {"one.crl": ("one", ("revoked",), 400), "old.crl": ("one", (), 10)}


@cache
def _authority(name: str) -> pki.Node:
    return pki.a_ca(name, days=_DAYS)


@cache
def _leaf(name: str) -> pki.Node:
    told = LEAVES[name]
    names = [x509.DNSName(each) for each in told.get("dnsNames", ())]
    names += [x509.UniformResourceIdentifier(each) for each in told.get("uris", ())]
    names += [x509.RFC822Name(each) for each in told.get("emails", ())]
    more = [pki.san(*names)] if names else []
    how = {"days": told.get("days", _DAYS), "eku": told.get("eku", pki.CLIENT)}
    return pki.a_leaf(_authority(told["by"]), *more, subject=pki.cn(name), serial=1000 + list(LEAVES).index(name), **how)


def certificate(name: str) -> str:
    """A certificate as URL-encoded PEM, or what is none."""
    return quote(_leaf(name).pem, safe="") if name in LEAVES else name


@cache
def facts() -> dict[str, Raw]:
    """What is known of each certificate, by its text."""
    return {certificate(name): _facts(name) for name in LEAVES}


def _facts(name: str) -> Raw:
    told, leaf = LEAVES[name], _leaf(name)
    first, last = (pki.NOW + each * pki.DAY for each in told.get("days", _DAYS))
    names = {kind: told.get(kind, []) for kind in ("dnsNames", "uris", "emails")}
    digest = leaf.certificate.fingerprint(SHA256())
    thumbprint = urlsafe_b64encode(digest).rstrip(b"=").decode()
    by = "" if "eku" in told else told["by"]
    said = {"commonName": name, "subject": f"CN={name}", "issuer": f"CN={told['by']}", "serial": f"{1000 + list(LEAVES).index(name):x}"}
    return {**names, **said, "sha256": digest.hex(), "x5t": thumbprint, "by": by, "begins": first, "ends": last}


def thumbprint(name: str) -> str:
    """What a token is bound to that is bound to this certificate."""
    return str(facts()[certificate(name)]["x5t"])


def _list(by: str, revoked: tuple[str, ...], until: float) -> str:
    der = pki.a_crl(_authority(by), *(_leaf(name).certificate.serial_number for name in revoked), days=(-1, until))
    # As PEM, which is what stands in files.
    return x509.load_der_x509_crl(der).public_bytes(pki.Encoding.PEM).decode()


@cache
def texts() -> dict[str, str]:
    """What stands in each file beside the policies."""
    found = {f"{name}.crt": _authority(name).pem for name in ("one", "two")}
    found |= {name: _list(*told) for name, told in LISTS.items()}
    for file in FILES:
        written = ({**record, "digest": f"sha256:{sha256(text.encode()).hexdigest()}"} for text, record in records(file).items())
        found[file] = "\n".join(json.dumps(each) for each in written)
    return found


def known() -> Raw:
    """The same for the plain reading."""
    lists = {
        file: {"by": by, "revoked": [facts()[certificate(name)]["serial"] for name in revoked], "ends": pki.NOW + until * pki.DAY}
        for file, (by, revoked, until) in LISTS.items()
    }
    authorities = {f"{name}.crt": name for name in ("one", "two")}
    return {"keys": {file: records(file) for file in FILES}, "certificates": facts(), "authorities": authorities, "lists": lists}


_PLACE = re.compile(r"@(KEY|CERTIFICATE):([a-z]+)@")


def filled(value: Any) -> Any:
    """A drawn request with the credentials that it names."""
    if isinstance(value, dict):
        return {name: filled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each) for each in value]
    return _PLACE.sub(lambda found: (key if found[1] == "KEY" else certificate)(found[2]), value) if isinstance(value, str) else value


assert pki.NOW < NOW < pki.NOW + 300 * pki.DAY, "a certificate is out of date where it should not be"
