"""How long until a change shows in the answers."""

import statistics
import time
from collections.abc import Callable
from typing import Any, Protocol

import httpx2

from tests.gateways.sandbox import until


class Asked(Protocol):
    """A gateway as its clients see it."""

    def ask(self, url: str, **headers: str) -> httpx2.Response:
        """The answer to one request."""


def becomes(gateway: Asked, url: str, code: str, within: float = 20) -> float:
    """Seconds until a request meets this problem ("" for a request that reaches the backend)."""
    return until(lambda: code_of(gateway.ask(url)) == code, within)


def code_of(answer: httpx2.Response) -> str:
    """The problem in an answer of ours, "" in the backend's, and the status of anything else."""
    if "json" not in answer.headers.get("content-type", ""):
        return str(answer.status_code)
    return str(answer.json().get("code", ""))


class Edits:
    """Times from the API server's answer to the first changed answer through Envoy."""

    def __init__(self, status: Callable[[], int]) -> None:
        self._status = status
        self._seconds: list[float] = []

    def measure(self, edit: Callable[[], None], expected: int) -> None:
        """Make an edit, and wait for its first answer."""
        edit()
        self._seconds.append(until(lambda: self._status() == expected, within=5, pause=0))

    @property
    def worst(self) -> float:
        """In seconds."""
        return max(self._seconds)

    def report(self, gateway: str, record: Any) -> None:
        """Put median and worst into the report of the tests (--junitxml)."""
        median = statistics.median(self._seconds)
        record(f"{gateway}: edit to first changed answer", f"median {median * 1000:.0f} ms, worst {self.worst * 1000:.0f} ms")


def waited(ask: Callable[[], httpx2.Response]) -> tuple[float, httpx2.Response]:
    """The seconds that an answer took, and the answer."""
    began = time.monotonic()
    answer = ask()
    return time.monotonic() - began, answer
