"""What a policy defines beside its issuers, and may lend to others: key sets, certificate authorities, sets of addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from authz.model.issuer import Issuer, Place
from authz.model.reference import Reference, Selection, Text


@dataclass(frozen=True, slots=True)
class AddressRange:
    """From one address to another, both included."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class IpSet:
    """Addresses by name: any of the CIDRs and ranges."""

    name: str
    cidrs: tuple[str, ...] = ()
    ranges: tuple[AddressRange, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiKeySet:
    """API keys: where their records are, and where the keys are looked for.

    Attributes:
        sources: files, keys of Secrets, and Secrets chosen by label, that hold records.
        places: where a key is looked for, in this order.
        texts: the records as they were written, once they are there.
    """

    name: str
    sources: tuple[Reference | Selection, ...]
    places: tuple[Place, ...]
    texts: tuple[Text, ...] = field(default=(), repr=False)

    @property
    def references(self) -> tuple[Reference, ...]:
        """The texts elsewhere that it needs."""
        return tuple(each for each in self.sources if isinstance(each, Reference))

    @property
    def selections(self) -> tuple[Selection, ...]:
        """The choices of Secrets that it needs."""
        return tuple(each for each in self.sources if isinstance(each, Selection))


class Revocation(StrEnum):
    """Whether certificates are looked up in revocation lists.

    `Require`: what no valid list speaks of is refused. `Prefer`: it passes. `None`: no list is looked at.
    """

    REQUIRE = "Require"
    PREFER = "Prefer"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """Who may issue client certificates.

    Attributes:
        ca_from: where the CA certificates are, PEM.
        revocation: whether revocation lists count.
        crls_from: where revocation lists are.
        crl_hosts: hosts from which the lists that certificates name may be fetched.
        ca: the CA certificates, once they are there.
        crls: the revocation lists, likewise.
    """

    name: str
    ca_from: Reference
    revocation: Revocation
    crls_from: tuple[Reference, ...] = ()
    crl_hosts: tuple[str, ...] = ()
    ca: str = field(default="", repr=False)
    crls: tuple[Text, ...] = field(default=(), repr=False)

    @property
    def references(self) -> tuple[Reference, ...]:
        """The texts elsewhere that it needs."""
        return (self.ca_from, *self.crls_from)


@dataclass(frozen=True, slots=True)
class Definitions:
    """Everything that a policy may name, its own and what `definitionsFrom` lends it, by name."""

    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    api_keys: Mapping[str, ApiKeySet] = field(default_factory=dict)
    certificate_authorities: Mapping[str, CertificateAuthority] = field(default_factory=dict)
    ip_sets: Mapping[str, IpSet] = field(default_factory=dict)
