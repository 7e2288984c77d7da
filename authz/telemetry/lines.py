"""Structured lines on a stream: one JSON object each.

A credential is never among the fields; what a verified or refused token claims may be (`want`, `got`). Lines are collected and
written a few times a second, away from the loop that answers checks: a reader that does not keep up costs lines, which are
counted, and never a check.
"""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TextIO

from authz.model.decision import Allow, Decision
from authz.model.operator import ClientAddress
from authz.model.reason import Reason
from authz.model.request import Request
from authz.policy.addresses import finder, text
from authz.telemetry.quota import Quota

MAX_FIELD: Final = 512
MAX_WAITING: Final = 20_000
EVERY: Final = 0.1


class Lines:
    """Writes decisions and events."""

    def __init__(
        self, stream: TextIO, now: Callable[[], float], allow_sample: float, address: ClientAddress | None, rate: int = 20
    ) -> None:  # fmt: skip
        """`rate`: decisions that are written in each second for one policy and reason; of the others it is written how many they were."""
        self._stream = stream
        self._now = now
        self._allow_sample = allow_sample
        self._address_of = finder(address)
        self._quota = Quota(rate)
        self._waiting: list[str] = []
        self.dropped = 0
        self._address_source = "" if address is None else address.header or "peer"

    def decision(self, request: Request | None, decision: Decision, seconds: float) -> None:
        """Write a denial, an allow by chance, and what something in Shadow would have decided otherwise; within the quota."""
        for shadow in decision.shadows:
            if isinstance(shadow.decision, Allow) is not isinstance(decision, Allow):
                self._decision(request, shadow.decision, seconds, "shadow")
        if not isinstance(decision, Allow) or random.random() < self._allow_sample:  # noqa: S311 - a sample, no secret
            self._decision(request, decision, seconds, "enforce")

    def event(self, level: str, message: str, **fields: object) -> None:
        """Write something that happened."""
        self._write({"ts": self._time(), "level": level, "event": message, **fields})

    def _decision(self, request: Request | None, decision: Decision, seconds: float, mode: str) -> None:
        share = "allow" if isinstance(decision, Allow) else "deny"
        if not self._quota.takes(decision.policy, decision.reason.value, self._now(), share):
            return
        fields: dict[str, object] = {
            "ts": self._time(),
            "level": "info",
            "decision": "allow" if isinstance(decision, Allow) else "deny",
            "mode": mode,
            "reason": decision.reason.value,
            "policy": decision.policy,
            "rule": decision.rule,
            "alternative": decision.alternative,
        }
        if isinstance(decision, Allow):
            fields |= {"issuer": decision.issuer, "sub": decision.subject, **dict(decision.callers)}
        else:
            fields |= {"status": decision.status, "want": decision.want, "got": decision.got}
        if request is not None:
            fields |= {
                "method": request.method,
                "host": request.host,
                "path": request.path,
                "route": request.route,
                "gateway": request.gateway,
                "client_ip": text((request.address_of or self._address_of)(request)),
                "client_ip_source": "" if request.address_of else self._address_source,
                "request_id": request.headers.get("x-request-id", ""),
            }
        fields["duration_us"] = round(seconds * 1e6)
        self._write({name: value for name, value in fields.items() if value not in ("", None)})

    def _time(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _write(self, fields: dict[str, object]) -> None:
        short = {name: value[:MAX_FIELD] if isinstance(value, str) else value for name, value in fields.items()}
        # ASCII only: escapes keep control characters and lone surrogates from doing anything to a terminal or parser.
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(json.dumps(short, ensure_ascii=True, separators=(",", ":")) + "\n")

    def fault(self, **fields: object) -> None:
        """Write a fault of ours; a client may be able to provoke it again and again."""
        if self._quota.takes("", Reason.INTERNAL_ERROR.value, self._now(), "fault"):
            self.event("error", "fault", **fields)

    def flush(self) -> None:
        """Write what has been collected. May block: the stream is somebody else's. What it does not take is counted as dropped."""
        self._flush(self._taken())

    def _taken(self) -> list[str]:
        lines, self._waiting = self._waiting, []
        return lines

    def _flush(self, lines: list[str]) -> None:
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except OSError:
            self.dropped += len(lines)

    async def run(self) -> None:
        """Write what has been collected, for ever, in another thread."""
        while True:
            await asyncio.sleep(EVERY)
            self._tell_left_out(self._now())
            lines = self._taken()
            if lines:
                await asyncio.to_thread(self._flush, lines)

    def end(self) -> None:
        """Write what there is at the end, the last second's sum included."""
        self._tell_left_out(self._now() + 1)
        self.flush()

    def _tell_left_out(self, now: float) -> None:
        left_out = self._quota.left_out(now)
        if left_out:
            self.event("warning", "decisions.not_logged", **left_out)
