"""What becomes of decisions, key fetches and reloads once they have happened: numbers and lines."""

import traceback
from collections.abc import Iterable

from authz.model.decision import Decision
from authz.model.problem import Problem
from authz.model.reason import Reason
from authz.model.request import Request
from authz.policy.paths import canonical
from authz.service.states import State
from authz.telemetry.lines import Lines
from authz.telemetry.metrics import Metrics


class Auditor:
    """Satisfies service.ports.Audit and service.ports.KeyJournal."""

    def __init__(self, metrics: Metrics, lines: Lines) -> None:
        self._metrics = metrics
        self._lines = lines
        self._failing: set[str] = set()
        self._told: dict[tuple[str, Problem], None] = {}

    def decided(self, request: Request | None, decision: Decision, seconds: float) -> None:
        """Count and write a decision."""
        self._metrics.decided(decision, seconds)
        if decision.reason is Reason.POLICY_UNPROTECTED and request is not None and not canonical(request.path):
            self._metrics.ambiguous += 1
        self._lines.decision(request, decision, seconds)

    def failed(self, fault: BaseException) -> None:
        """Count an exception and write where it arose; its message might hold what a client sent, so that is left out."""
        self._metrics.faults += 1
        while isinstance(fault, BaseExceptionGroup):
            fault = fault.exceptions[0]
        frames = traceback.extract_tb(fault.__traceback__)[-3:]
        where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
        self._lines.fault(kind=type(fault).__name__, where=where)

    def fetched(self, issuer: str, kids: tuple[str, ...], dropped: tuple[str, ...]) -> None:
        """Count a fetch; write it where it ends a failure or dropped keys."""
        self._metrics.fetched(issuer, ok=True)
        if issuer in self._failing or dropped:
            self._lines.event("warning" if dropped else "info", "keys.fetched", issuer=issuer, keys=len(kids), dropped=list(dropped[:8]))
        self._failing.discard(issuer)

    def fetch_failed(self, issuer: str, why: str, *, keeps: bool) -> None:
        """Count a failed fetch, and write it."""
        self._metrics.fetched(issuer, ok=False)
        self._failing.add(issuer)
        self._lines.event("warning", "keys.fetch_failed", issuer=issuer, why=why, keeps_earlier_keys=keeps)

    def reloaded(self, states: tuple[State, ...], strays: Iterable[Problem], now: float, *, ok: bool, seconds: float | None = None) -> None:
        """Count an update, and write what is wrong with policies, and with what is none (`strays`); `seconds` is what it took.

        What was wrong in the same way at the last update is not written again.
        """
        self._metrics.reloaded(states, now, ok=ok, seconds=seconds)
        self._lines.event(
            "info" if ok else "error",
            "policies.loaded",
            policies=len(states),
            in_force=sum(state.in_force for state in states),
            stale=[str(state.name) for state in states if state.in_use and not state.accepted][:32],
            unusable=[str(state.name) for state in states if not state.in_use][:32],
        )
        found = {("", problem): None for problem in strays}
        found |= {(str(state.name), problem): None for state in states for problem in state.problems}
        for name, problem in found:
            if (name, problem) not in self._told:
                at = f"{problem.file}:{problem.line}:{problem.column}" if problem.file else problem.where
                self._lines.event(problem.severity.value, "policy.problem", policy=name, code=problem.code, at=at, what=problem.what)
        self._told = found

    def event(self, level: str, message: str, **fields: object) -> None:
        """Write something else that happened."""
        self._lines.event(level, message, **fields)
