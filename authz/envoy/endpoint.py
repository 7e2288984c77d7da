"""The seam between transport and service: CheckRequest bytes in, CheckResponse bytes out, whatever happens."""

from collections.abc import Awaitable
from contextlib import suppress
from time import perf_counter
from typing import Protocol

from authz.envoy.codec import request_of, response_of
from authz.model.decision import Decision
from authz.model.request import Request
from authz.policy.answers import INTERNAL_ERROR, MALFORMED
from authz.service.ports import Audit


class Checks(Protocol):
    """Decides a request."""

    def check(self, request: Request, budget: float) -> Decision | Awaitable[Decision]:
        """Return the decision, or an awaitable of it. Must not raise."""


class Endpoint:
    """Answers checks. An exception would be an RPC error, which a proxy may be told to take for an allow."""

    def __init__(self, checks: Checks, audit: Audit) -> None:
        self._checks = checks
        self._audit = audit

    def __call__(self, data: bytes, budget: float) -> bytes | Awaitable[bytes]:
        """Return the CheckResponse, or an awaitable of it."""
        began = perf_counter()
        request: Request | None = None
        try:
            request = request_of(data)
            if request is None:
                return self._answered(None, MALFORMED, began)
            decision = self._checks.check(request, budget)
            if isinstance(decision, Awaitable):
                return self._later(request, decision, began)
            return self._answered(request, decision, began)
        except Exception as fault:  # noqa: BLE001 - the border to the transport
            return self._failed(fault)

    async def _later(self, request: Request, pending: Awaitable[Decision], began: float) -> bytes:
        try:
            return self._answered(request, await pending, began)
        except Exception as fault:  # noqa: BLE001 - the border to the transport
            return self._failed(fault)

    def _failed(self, fault: Exception) -> bytes:
        with suppress(Exception):
            self._audit.failed(fault)
        return response_of(INTERNAL_ERROR, None)

    def _answered(self, request: Request | None, decision: Decision, began: float) -> bytes:
        answer = response_of(decision, request)
        self._audit.decided(request, decision, perf_counter() - began)
        return answer
