"""One check as the compiled policies see it: the request, the time, and what was found out on the way."""

from typing import Protocol

from authz.model.principal import Failure, Principal
from authz.model.request import Request
from authz.model.trace import Step, Trace
from authz.policy.addresses import AddressOf


class Reader(Protocol):
    """Finds and verifies the token that some alternatives of a policy read."""

    def identify(self, view: "View") -> Principal | Failure:
        """Return who the request's token speaks of. Must not raise, wait or do I/O."""


class View:
    """Made once per check, so a plain slotted class.

    Attributes:
        path: the canonical path.
        now: Unix time in seconds, the same for the whole check.
        address_of: finds the client's address, where it is asked for.
        trace: where steps are written down, or None.
        unasked: whether the token that the last reader found stood in cookies only, which browsers send by themselves.
        wanted: what a caller may wait for (keys that are being fetched) before asking once more.
    """

    __slots__ = ("_address", "_identity", "_reader", "address_of", "now", "path", "request", "trace", "unasked", "wanted")

    def __init__(self, request: Request, path: str, now: float, address_of: AddressOf, trace: Trace | None) -> None:
        self.request = request
        self.path = path
        self.now = now
        self.trace = trace
        self.unasked = False
        self.wanted: list[object] = []
        self.address_of = address_of
        self._address: int | None = None
        self._reader: Reader | None = None
        self._identity: Principal | Failure | None = None

    @property
    def address(self) -> int:
        """The client's address (see addresses.parse), found once."""
        if self._address is None:
            self._address = self.address_of(self.request)
        return self._address

    def identity(self, reader: Reader) -> Principal | Failure:
        """Return what `reader` finds. Asked twice in a row, as alternatives of one rule do, it looks once."""
        if self._reader is not reader or self._identity is None:
            self._identity = reader.identify(self)
            self._reader = reader
        return self._identity

    def note(self, step: Step) -> None:
        """Record a step where steps are recorded."""
        if self.trace is not None:
            self.trace.note(step)
