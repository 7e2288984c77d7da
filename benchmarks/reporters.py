"""Fifty replicas that tell by Lease what they have loaded, on a real API server: what they write, and what that costs their leader.

Usage: `python -m benchmarks.reporters [POLICIES]` (after `make control-plane`). Minutes; processor times are true of this machine only.

The leader is this process: the parts that `authz serve --kube` has for it, without the election and without anything that compiles or
answers. The others are one process more, and only report. "Specs change" means that these say a later resourceVersion twenty times a
second; "every status is due", that the leader is told of each policy anew. The leader's share of a processor contains the looks at it.
"""

import asyncio
import itertools
import multiprocessing
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from authz.kube.api import connect
from authz.kube.events import Events
from authz.kube.reflector import Reflector
from authz.kube.replicas import Replicas
from authz.kube.writer import StatusWriter
from authz.model.policy import PolicyName
from authz.service.garbage import Garbage
from authz.service.standing import Standing
from tests.cluster.contender import WallClock
from tests.cluster.control_plane import ControlPlane, assets
from tests.cluster.objects import POLICIES
from tests.cluster.test_replicas import NOTHING, reporters, until, written_leases
from tests.cluster.test_status import ACCEPTED, INVALID, put

NAMESPACE = "bench"
OTHERS = 49
SPAN, SETTLED = 10, 3
# Ten statuses a second must not run out within two spans.
FEWEST = 300
CHANGE, LOOK = 0.05, 0.004
# Beyond every resourceVersion of a fresh control plane.
FIRST = 10**9
ROOT = Path(__file__).parents[1]


def main(count):
    """Print the report."""
    tools = assets()
    if tools is None:
        raise SystemExit("a control plane is needed: build it once with `make control-plane`")
    if count < FEWEST:
        raise SystemExit(f"take {FEWEST} policies or more: the statuses of fewer are all written before the last row is measured")
    with tempfile.TemporaryDirectory() as folder, ControlPlane(tools, Path(folder)) as plane:
        plane.define(ROOT / "crds" / "authpolicies.yaml")
        assert plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}).status == 201
        for number in range(count):
            put(plane, NAMESPACE, f"p{number}", f"h{number}.example")
        with _others(plane.kubeconfig) as are_changing:
            asyncio.run(_measured(plane, count, are_changing))


async def _measured(plane, count, are_changing):
    async with _leading(plane.kubeconfig) as leader:
        began = time.monotonic()
        await until(lambda: leader.policies.is_synced and len(leader.replicas.known() or ()) == OTHERS + 1, 60)
        leader.tell(ACCEPTED)
        await until(lambda: leader.writer.counts["success"] >= count and leader.is_all_programmed(), 600)
        print(f"{OTHERS + 1} replicas, {count} policies; the first statuses, unpaced, after {time.monotonic() - began:.0f} s\n")
        await asyncio.sleep(SETTLED)
        leader.clock.is_hurried = False
        leader.garbage.start()
        print("|                           | Leases written a second | statuses a second | leader's processor | longest slice |")
        print("|---------------------------|-------------------------|-------------------|--------------------|---------------|")
        await _row("at rest", plane, leader)
        are_changing(True)
        await _row("specs change all the time", plane, leader)
        are_changing(False)
        await asyncio.sleep(SETTLED)
        leader.tell(INVALID)
        await _row("every status is due", plane, leader)
        are_changing(True)
        await _row("both", plane, leader)


async def _row(name, plane, leader):
    began, leases = await asyncio.to_thread(_leases, plane)
    statuses, used, since = leader.writer.counts["success"], time.process_time(), time.monotonic()
    leader.slices.longest = 0.0
    await asyncio.sleep(SPAN)
    longest, used, took = leader.slices.longest, time.process_time() - used, time.monotonic() - since
    statuses = leader.writer.counts["success"] - statuses
    ended, then = await asyncio.to_thread(_leases, plane)
    leader.check()
    print(
        f"| {name:<25} | {(then - leases) / (ended - began):>23.1f} | {statuses / took:>17.1f} | {used / took * 100:>16.1f} % "
        f"| {longest * 1000:>10.0f} ms |",
        flush=True,
    )


def _leases(plane):
    return time.monotonic(), written_leases(plane)


class _Clock(WallClock):
    """The machine's clock; while `is_hurried`, next to nothing is waited for: 5,000 first statuses at ten a second take eight minutes."""

    is_hurried = True

    async def sleep(self, seconds):
        await super().sleep(min(seconds, 0.001) if self.is_hurried else seconds)


class _Slices:
    """The longest processor time of the event loop's thread between two looks: no piece of work in it was longer."""

    def __init__(self):
        self.longest = 0.0

    async def run(self):
        last = time.thread_time()
        while True:
            await asyncio.sleep(LOOK)
            now = time.thread_time()
            self.longest, last = max(self.longest, now - last), now


class _Leader:
    """The writing side of the replica that leads."""

    def __init__(self, api):
        wall, self.clock = WallClock(), _Clock()
        self.slices, self.garbage = _Slices(), Garbage()
        self.policies = Reflector(api, POLICIES.format(NAMESPACE), wall, self._loaded)
        self.replicas = Replicas(api, NAMESPACE, "leader", wall, lambda: True)
        self.events = Events(api, "leader", self.clock)
        self.writer = StatusWriter(api, self.clock, lambda: True, self.replicas.known, lambda: self.policies.store, self.events)
        self.parts = (self.policies, self.replicas, self.events, self.writer, self.slices, self.garbage)

    def _loaded(self):
        self.replicas.loaded(self.policies.version, NOTHING, soon=False)

    def tell(self, condition):
        """Tell the writer the same of every policy."""
        found = {PolicyName(*key.split("/")): each["metadata"]["generation"] for key, each in self.policies.store.items()}
        self.writer.told({name: Standing(name, generation, True, (condition,)) for name, generation in found.items()})

    def is_all_programmed(self):
        """Whether the API server holds of every policy that all replicas have loaded it."""
        message = f"loaded by {OTHERS + 1} of {OTHERS + 1} replicas"
        conditions = (each.get("status", {}).get("conditions", ()) for each in self.policies.store.values())
        return all(any(one["message"] == message for one in each) for each in conditions)

    def check(self):
        """Fail unless all replicas count and every write succeeded: else the figures are of something else."""
        live = self.replicas.known() or ()
        assert len(live) == OTHERS + 1, f"{len(live)} replicas count"
        assert self.writer.counts["conflict"] == self.writer.counts["failure"] == 0, f"{self.writer.counts} {self.writer.failure}"
        failures = [part.failure for part in (self.policies, self.replicas, self.events) if part.failure]
        assert not failures, failures


@asynccontextmanager
async def _leading(kubeconfig):
    api = await connect(kubeconfig)
    leader = _Leader(api)
    tasks = [asyncio.create_task(part.run()) for part in leader.parts]
    try:
        yield leader
        assert not any(task.done() for task in tasks), tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.close()


@contextmanager
def _others(kubeconfig):
    """Yield what tells the other replicas whether specs change."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_report, args=(kubeconfig, there))
    process.start()
    there.close()
    try:
        yield here.send
    finally:
        here.close()
        process.join(30)
    assert process.exitcode == 0, "the other replicas failed: see above"


def _report(kubeconfig, changing):
    asyncio.run(_reported(kubeconfig, changing))


async def _reported(kubeconfig, changing):
    """Report until the other end of `changing` is closed."""
    is_changing = False
    async with reporters(kubeconfig, NAMESPACE, OTHERS) as many:
        _say(many, FIRST)
        with suppress(EOFError):
            for version in itertools.count(FIRST):
                if changing.poll():
                    is_changing = changing.recv()
                if is_changing:
                    _say(many, version)
                await asyncio.sleep(CHANGE)


def _say(many, version):
    for each in many:
        each.loaded(str(version), NOTHING)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
