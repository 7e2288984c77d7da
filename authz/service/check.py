"""Check one request. No exception crosses it: what is unforeseen becomes a deny, with a reason."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from authz.model.decision import Decision, Deny
from authz.model.request import Request
from authz.model.trace import Trace
from authz.policy.answers import INTERNAL_ERROR
from authz.policy.decide import decide, view_of
from authz.policy.shadows import shadows
from authz.policy.snapshot import Snapshot
from authz.policy.view import View
from authz.service.keyring import IssuerKeys, KeyRing
from authz.service.ports import Audit, Clock
from authz.service.revocation_lists import ListState


class SnapshotStore:
    """Holds the snapshot in force. Readers take one reference for a whole check; a swap is one assignment."""

    __slots__ = ("current",)

    def __init__(self, snapshot: Snapshot) -> None:
        self.current = snapshot


class Checker:
    """Answers checks from the snapshot in force."""

    def __init__(self, store: SnapshotStore, ring: KeyRing, clock: Clock, audit: Audit) -> None:
        self._store = store
        self._ring = ring
        self._clock = clock
        self._audit = audit

    def check(self, request: Request, budget: float) -> Decision | Coroutine[Any, Any, Decision]:
        """Return the decision, or a coroutine that does where keys or revocation lists are being fetched that could change a deny.

        Args:
            budget: how many seconds the caller can wait.
        """
        try:
            snapshot = self._store.current
            view = view_of(snapshot, request, self._clock.time())
            decision = decide(snapshot, view)
            if view.wanted and isinstance(decision, Deny):
                wanted = [each for each in dict.fromkeys(view.wanted) if isinstance(each, IssuerKeys | ListState)]
                # Begun at once: one that ended before somebody waits must not be followed by another.
                flights = [each.ask() if isinstance(each, ListState) else self._ring.ask(each) for each in wanted]
                return self._after(wanted, flights, request, budget)
            return self._with_shadows(snapshot, view, decision)
        except Exception as fault:  # noqa: BLE001 - the outermost frame of a check: whatever happened, deny
            self._audit.failed(fault)
            return INTERNAL_ERROR

    def explain(self, request: Request) -> tuple[Decision, Trace]:
        """Return the decision with the steps that led to it: the same evaluation, recorded."""
        snapshot, trace = self._store.current, Trace()
        view = view_of(snapshot, request, self._clock.time(), trace)
        decision = decide(snapshot, view)
        silent = view_of(snapshot, request, view.now)
        return self._with_shadows(snapshot, silent, decision), trace

    async def _after(
        self, wanted: list[IssuerKeys | ListState], fetches: "list[asyncio.Task[None]]", request: Request, budget: float
    ) -> Decision:  # fmt: skip
        for each in wanted:
            each.waiting += 1
        try:
            # Those that do not end in time go on; the request is decided with what is known then.
            ended, _ = await asyncio.wait(fetches, timeout=budget)
            for fetch in ended:
                fetch.result()  # A fetch ends well even where it failed; what it raises is a fault of ours.
            snapshot = self._store.current
            view = view_of(snapshot, request, self._clock.time())
            return self._with_shadows(snapshot, view, decide(snapshot, view))
        except Exception as fault:  # noqa: BLE001 - the outermost frame of a check that waited
            self._audit.failed(fault)
            return INTERNAL_ERROR
        finally:
            for each in wanted:
                each.waiting -= 1

    def _with_shadows(self, snapshot: Snapshot, view: View, decision: Decision) -> Decision:
        if not snapshot.has_shadows:
            return decision
        try:
            found = shadows(snapshot, view, decision)
        except Exception as fault:  # noqa: BLE001 - whatever a policy in Shadow does, the decision stands
            self._audit.failed(fault)
            return decision
        if not found:
            return decision
        return replace(decision, shadows=found) if isinstance(decision, Deny) else replace(decision, shadows=found, is_shared=False)
