"""Hand-written stand-ins for the service's ports. Each keeps to its port's contract and can be asked what it saw."""

import asyncio
from collections.abc import Iterable

from authz.model.decision import Decision
from authz.model.issuer import Issuer
from authz.model.request import Request
from authz.service.ports import FetchedKeys, FetchError

NOON = 1_800_000_000.0


class FakeClock:
    """A clock that moves only when it is told to. Sleepers wake when their time has come."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self.now + seconds, woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Move on, step by step, letting everything run that becomes due."""
        end = self.now + seconds
        await settle()
        while due := sorted((when, index) for index, (when, _) in enumerate(self._sleepers) if when <= end):
            when, index = due[0]
            self.now = max(self.now, when)
            self._sleepers.pop(index)[1].set()
            await settle()
        self.now = end
        await settle()


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


class FakeFetcher:
    """Gives out prepared answers, or raises prepared errors; counts what was asked. With `gate`, answers wait for it."""

    def __init__(self, answers: dict[str, FetchedKeys | FetchError] | None = None) -> None:
        self.answers: dict[str, FetchedKeys | FetchError] = answers or {}
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None

    async def fetch(self, issuer: Issuer) -> FetchedKeys:
        self.asked.append(issuer.issuer)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.get(issuer.issuer, FetchError(f"{issuer.issuer}: nobody answers"))
        if isinstance(answer, FetchError):
            raise answer
        return answer


class Journal:
    """Hears everything that Audit and KeyJournal hear, and keeps it."""

    def __init__(self) -> None:
        self.decisions: list[tuple[Request | None, Decision, float]] = []
        self.faults: list[BaseException] = []
        self.fetches: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        self.fetch_failures: list[tuple[str, str, bool]] = []

    def decided(self, request: Request | None, decision: Decision, seconds: float) -> None:
        self.decisions.append((request, decision, seconds))

    def failed(self, fault: BaseException) -> None:
        self.faults.append(fault)

    def fetched(self, issuer: str, kids: tuple[str, ...], dropped: tuple[str, ...]) -> None:
        self.fetches.append((issuer, kids, dropped))

    def fetch_failed(self, issuer: str, why: str, *, keeps: bool) -> None:
        self.fetch_failures.append((issuer, why, keeps))

    def reasons(self) -> list[str]:
        """The reasons of the decisions heard, in order."""
        return [decision.reason.value for _, decision, _ in self.decisions]


def only(items: Iterable[object]) -> object:
    """The single item of `items`; anything else fails the test."""
    (item,) = items
    return item
