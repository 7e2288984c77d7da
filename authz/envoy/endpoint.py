"""The seam between transport and service: CheckRequest bytes in, CheckResponse bytes out, whatever happens."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Protocol

from authz.envoy.codec import request_of, response_of
from authz.model.decision import Allow, Decision
from authz.model.request import Request
from authz.policy.answers import INTERNAL_ERROR, MALFORMED, OVERLOADED
from authz.service.ports import Audit

Later = Coroutine[Any, Any, Decision]
# Of the time until the caller's deadline, what a check may wait. The rest is for deciding and for the way back.
_PATIENCE: Final = 0.8


class Checks(Protocol):
    """Decides a request."""

    def check(self, request: Request, budget: float) -> Decision | Later:
        """Return the decision, or a coroutine that does. Must not raise."""


@dataclass(frozen=True, slots=True)
class WaitingRoom:
    """How many checks may wait at once for what they need, an issuer's keys; those beyond are answered `overloaded` at once.

    Attributes:
        checks: how many.
        bytes: of their CheckRequests together; a proxy may send bodies along.
    """

    checks: int = 1024
    bytes: int = 64 * 1024 * 1024


class Endpoint:
    """Answers checks. An exception would be an RPC error, which a proxy may be told to take for an allow."""

    def __init__(
        self, checks: Checks, audit: Audit, room: WaitingRoom | None = None, now: Callable[[], float] = perf_counter
    ) -> None:  # fmt: skip
        self._checks = checks
        self._audit = audit
        self._room = room or WaitingRoom()
        self._now = now
        self._waiting = 0
        self._bytes = 0

    def __call__(self, data: bytes, deadline: float) -> bytes | Awaitable[bytes]:
        """Return the CheckResponse, or an awaitable of it. What could not be allowed within `deadline` seconds is denied."""
        began = self._now()
        request: Request | None = None
        try:
            request = request_of(data)
            if request is None:
                return self._answered(None, MALFORMED, began, deadline)
            decision = self._checks.check(request, deadline * _PATIENCE)
            if isinstance(decision, Coroutine):
                return self._waited(request, decision, len(data), (began, deadline))
            return self._answered(request, decision, began, deadline)
        except Exception as fault:  # noqa: BLE001 - the border to the transport
            return self._failed(fault)

    def _waited(self, request: Request, pending: Later, size: int, times: tuple[float, float]) -> bytes | Awaitable[bytes]:
        if self._waiting >= self._room.checks or self._bytes + size > self._room.bytes:
            pending.close()
            return self._answered(request, OVERLOADED, *times)
        return self._later(request, pending, size, times)

    async def _later(self, request: Request, pending: Later, size: int, times: tuple[float, float]) -> bytes:
        self._waiting += 1
        self._bytes += size
        try:
            return self._answered(request, await pending, *times)
        except Exception as fault:  # noqa: BLE001 - the border to the transport
            return self._failed(fault)
        finally:
            self._waiting -= 1
            self._bytes -= size

    def _failed(self, fault: Exception) -> bytes:
        with suppress(Exception):
            self._audit.failed(fault)
        return response_of(INTERNAL_ERROR, None)

    def _answered(self, request: Request | None, decision: Decision, began: float, deadline: float) -> bytes:
        answer = response_of(decision, request)
        seconds = self._now() - began
        if seconds > deadline and isinstance(decision, Allow):
            decision = OVERLOADED  # The caller has given up, and was told something else.
            answer = response_of(decision, request)
        self._audit.decided(request, decision, seconds)
        return answer
