"""What the service needs from outside, each named by its role. Adapters satisfy these and are handed in by `app`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from authz.model.decision import Decision
from authz.model.declared import Contents
from authz.model.issuer import Issuer
from authz.model.reference import Reference, Selection
from authz.model.request import Request


class Clock(Protocol):
    """Tells the time and waits."""

    def time(self) -> float:
        """Return Unix time in seconds."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


@dataclass(frozen=True, slots=True)
class FetchedKeys:
    """The text of an issuer's JWKS, for how long its server lets it be kept (seconds), where it says so, and the URL that it is of."""

    text: bytes
    max_age: float | None = None
    url: str = ""


class FetchError(Exception):
    """An issuer's keys could not be fetched. The message names the URL and the remedy, never a secret."""


class KeyFetcher(Protocol):
    """The way out to issuers."""

    async def fetch(self, issuer: Issuer) -> FetchedKeys:
        """Return the issuer's JWKS. Raises FetchError, and nothing else, within a few seconds."""


class ListFetcher(Protocol):
    """The way out to what CAs publish."""

    async def fetch(self, url: str) -> bytes:
        """Return the revocation list at `url`. Raises FetchError, and nothing else, within a few seconds."""


class SourceError(Exception):
    """A source cannot be read now. The message says what, and what to do."""


class Source(Protocol):
    """Where AuthPolicies come from. `run` goes on while the others are asked."""

    async def run(self) -> None:
        """Follow the source, for ever."""

    async def close(self) -> None:
        """Let go of what the source holds open."""

    async def first(self) -> Contents:
        """Return what it holds at the start. Raises SourceError where that cannot be known at all."""

    def use(self, references: frozenset[Reference | Selection]) -> None:
        """Follow these too: versions of policies are in use that refer to them, though newer ones do not."""

    def changes(self) -> AsyncIterator[Contents | SourceError]:
        """Yield everything that it holds after each change since it was last read, or why it cannot be read now."""


class Audit(Protocol):
    """Hears every decision after the answer exists. Must not block and must not raise."""

    def decided(self, request: Request | None, decision: Decision, seconds: float) -> None:
        """Take note of a decision; `seconds` is what it took. `request` is None where it could not be read."""

    def failed(self, fault: BaseException) -> None:
        """Take note of an exception that was turned into a deny."""


class KeyJournal(Protocol):
    """Hears what happens to issuers' keys. Must not block and must not raise."""

    def fetched(self, issuer: str, kids: tuple[str, ...], dropped: tuple[str, ...]) -> None:
        """A fetch succeeded; `dropped` are members of the key set that were not used."""

    def fetch_failed(self, issuer: str, why: str, *, keeps: bool) -> None:
        """A fetch failed; `keeps` says whether earlier keys stay in use."""


class Journal(Protocol):
    """Hears of whatever else happens. Must not block and must not raise."""

    def event(self, level: str, message: str, **fields: object) -> None:
        """Take note of something that happened; `level` is `info`, `warning` or `error`."""
