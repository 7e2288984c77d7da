"""Events: what changed in how a policy stands, for `kubectl describe` and those who listen. They never hinder anything."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from authz.kube.api import Api, ApiError, Object
from authz.kube.pacing import micro_time
from authz.service.ports import Clock
from authz.service.standing import CONTROLLER

EVENTS: Final = "/apis/events.k8s.io/v1/namespaces/{}/events"
# Seconds between two, and how many may wait. Who changes hundreds of policies at once reads their status, not their Events.
_BETWEEN: Final = 0.2
_WAITING: Final = 100
# The server's bounds.
_MOST_NOTE: Final = 1024
_MOST_INSTANCE: Final = 128
_MOST_NAME: Final = 253


class Events:
    """Tells of transitions, one Event for each.

    Attributes:
        counts: how many, by result: `success`, `failure`, `dropped`.
        failure: why the last one failed, and what to do; "" where it did not.
    """

    def __init__(self, api: Api, instance: str, clock: Clock) -> None:
        self._api = api
        self._instance = instance[:_MOST_INSTANCE]
        self._clock = clock
        self._waiting: deque[Object] = deque()
        self._some = asyncio.Event()
        self._number = 0
        self.counts = {"success": 0, "failure": 0, "dropped": 0}
        self.failure = ""

    def tell(self, policy: Object, conditions: Iterable[Object]) -> None:
        """Have an Event written for each of these conditions of a policy, soon, and if that can be."""
        for condition in conditions:
            if len(self._waiting) >= _WAITING:
                self.counts["dropped"] += 1
                continue
            self._waiting.append(self._event(policy, condition))
            self._some.set()

    async def run(self) -> None:
        """Write what waits, for ever."""
        while True:
            while not self._waiting:
                self._some.clear()
                await self._some.wait()
            await self._write(self._waiting.popleft())
            await self._clock.sleep(_BETWEEN)

    async def _write(self, event: Object) -> None:
        namespace = event["metadata"]["namespace"]
        try:
            await self._api.create(EVENTS.format(namespace), event)
        except ApiError as fault:
            self.failure = f"Event in {namespace}: {fault.told('create on events of events.k8s.io')}"
            self.counts["failure"] += 1
        else:
            self.failure = ""
            self.counts["success"] += 1

    def _event(self, policy: Object, condition: Object) -> Object:
        metadata, now = policy["metadata"], self._clock.time()
        self._number += 1
        # No two of one policy may have one name: not of one moment, nor of two leaders.
        suffix = f".{int(now * 1000):x}{self._number % 4096:03x}"
        kind = {key: policy[key] for key in ("apiVersion", "kind") if key in policy}
        about = {key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion") if key in metadata}
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": metadata["namespace"], "name": metadata["name"][: _MOST_NAME - len(suffix)].rstrip("-.") + suffix},
            "eventTime": micro_time(now),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "type": "Normal" if condition["status"] == "True" else "Warning",
            "reason": condition["reason"],
            "regarding": {**kind, **about},
            "note": _cut(condition["message"] or condition["reason"]),
        }


def _cut(text: str) -> str:
    octets = text.encode()  # The server counts these, not letters.
    return text if len(octets) <= _MOST_NOTE else octets[: _MOST_NOTE - 3].decode(errors="ignore") + "…"
