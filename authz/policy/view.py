"""One check as the compiled policies see it: the request, the time, and what was found out on the way."""

from typing import Protocol

from authz.model.certificate import CertificateIdentity
from authz.model.definitions import ApiKeySet, CertificateAuthority
from authz.model.issuer import Issuer
from authz.model.operator import ClientCertificate
from authz.model.principal import Caller, Failure
from authz.model.request import Request
from authz.model.trace import Step, Trace
from authz.policy.addresses import AddressOf


class Reader(Protocol):
    """Finds and verifies the credential that some alternatives of a policy read."""

    def identify(self, view: "View") -> Caller | Failure:
        """Return who the request's credential speaks of. Must not raise, wait or do I/O."""


class Readers(Protocol):
    """Makes the readers of one policy."""

    def tokens(self, issuers: tuple[Issuer, ...], audiences: tuple[str, ...]) -> Reader:
        """Return the reader of the tokens of some issuers for some audiences."""

    def api_keys(self, key_set: ApiKeySet) -> Reader:
        """Return the reader of the keys of a set."""

    def certificates(self, authority: CertificateAuthority, identities: tuple[CertificateIdentity, ...]) -> Reader:
        """Return the reader of the client certificates of an authority that have one of the identities, where there are any."""


class View:
    """Made once per check, so a plain slotted class.

    Attributes:
        path: the canonical path.
        now: Unix time in seconds, the same for the whole check.
        address_of: finds the client's address, where it is asked for.
        certificate_from: where the client's certificate is told; None: nobody said, or it cannot be known which way counts.
        trace: where steps are written down, or None.
        unasked: whether the credential that was last asked for stood in cookies only, which browsers send by themselves.
        wanted: what a caller may wait for (keys that are being fetched) before asking once more.
    """

    __slots__ = (
        "_address",
        "_identity",
        "_others",
        "_reader",
        "address_of",
        "certificate_from",
        "now",
        "path",
        "request",
        "trace",
        "unasked",
        "wanted",
    )

    def __init__(
        self,
        request: Request,
        path: str,
        now: float,
        address_of: AddressOf,
        trace: Trace | None,
        certificate_from: ClientCertificate | None = None,
    ) -> None:
        self.request = request
        self.path = path
        self.now = now
        self.trace = trace
        self.unasked = False
        self.wanted: list[object] = []
        self.address_of = address_of
        self.certificate_from = certificate_from
        self._address: int | None = None
        self._reader: Reader | None = None
        self._identity: Caller | Failure | None = None
        self._others: dict[Reader, tuple[Caller | Failure, bool]] | None = None

    @property
    def address(self) -> int:
        """The client's address (see addresses.parse), found once."""
        if self._address is None:
            self._address = self.address_of(self.request)
        return self._address

    def identity(self, reader: Reader) -> Caller | Failure:
        """Return what `reader` finds. Asked again, as alternatives of one rule do, it does not look again."""
        if self._identity is None:
            self._identity = reader.identify(self)
            self._reader = reader
            return self._identity
        return self._identity if self._reader is reader else self._found_by(reader, self._identity)

    def _found_by(self, reader: Reader, last: Caller | Failure) -> Caller | Failure:
        """Return what another reader than the last one finds. Several are rare: most rules have one."""
        if self._others is None:
            self._others = {}
        if self._reader is not None:
            self._others[self._reader] = last, self.unasked
        known = self._others.get(reader)
        if known is not None:
            self._reader, (self._identity, self.unasked) = reader, known
            return known[0]
        # What raises leaves nothing behind that could be taken for what another reader found.
        self._reader, self.unasked = None, False
        self._identity = found = reader.identify(self)
        self._reader = reader
        return found

    def note(self, step: Step) -> None:
        """Record a step where steps are recorded."""
        if self.trace is not None:
            self.trace.note(step)
