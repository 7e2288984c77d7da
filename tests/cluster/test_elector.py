"""Three processes want to lead, on a real API server, with the rights to one Lease and no others."""

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.accounts import account, rule
from tests.cluster.contender import PACE
from tests.cluster.control_plane import ControlPlane, _wait

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
# A busy machine may take as long to start three processes, and to let them have their turn.
START, SLACK = 20.0, 2.0


class Contenders:
    def __init__(self, cluster: ControlPlane, namespace: str, kubeconfig: Path, folder: Path) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._files = {name: folder / name for name in "abc"}
        self.processes = {
            name: subprocess.Popen([sys.executable, "-m", "tests.cluster.contender", kubeconfig, namespace, name, file], cwd=ROOT)
            for name, file in self._files.items()
        }

    @property
    def lease(self) -> dict[str, object]:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases/ingress-authz"
        return self._cluster.ask("GET", path).body.get("spec", {})  # type: ignore[no-any-return]

    @property
    def holder(self) -> str:
        return str(self.lease.get("holderIdentity") or "")

    def until(self, holds: Callable[[], bool], seconds: float) -> float:
        """How long it took until this held."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < seconds, self.lease
            _wait(0.02)
        return time.monotonic() - began

    def is_noted(self, name: str) -> bool:
        return self._files[name].exists() and self._files[name].stat().st_size > 0

    def moments(self) -> list[tuple[float, str]]:
        """Each moment at which one took itself for the leader, in order."""
        lines = [line.split() for file in self._files.values() for line in file.read_text().splitlines()]
        return sorted((float(when), name) for when, name, leads in (line for line in lines if len(line) == 3) if leads == "1")


@contextmanager
def contending(*arguments: object) -> Iterator[Contenders]:
    scene = Contenders(*arguments)  # type: ignore[arg-type]
    try:
        yield scene
    finally:
        for process in scene.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


def test_a_leader_that_is_stopped_and_continued_never_shares_and_one_that_ends_hands_over_at_once(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    rights = rule("coordination.k8s.io", "leases", "get", "create", "update")
    kubeconfig = account(cluster, namespace, "authz", tmp_path, rights)
    with contending(cluster, namespace, kubeconfig, tmp_path) as scene:
        scene.until(lambda: bool(scene.holder) and all(map(scene.is_noted, "abc")), START)
        first = scene.holder
        # It has the Lease; that it knows is a moment later.
        scene.until(lambda: any(name == first for _, name in scene.moments()), SLACK)
        scene.processes[first].send_signal(signal.SIGSTOP)
        stalled = scene.until(lambda: scene.holder not in ("", first), PACE.lease + PACE.retry * 2.2 + SLACK)
        assert stalled > PACE.lease - PACE.retry * 2, "its time was not left to it"
        second = scene.holder
        scene.processes[first].send_signal(signal.SIGCONT)
        scene.until(lambda: sum(name == second for _, name in scene.moments()) > 50, SLACK + 2)
        scene.processes[second].send_signal(signal.SIGTERM)
        handed = scene.until(lambda: scene.holder not in ("", second), PACE.retry * 2.2 + SLACK)
        assert handed < PACE.lease, "the Lease was not freed"
        assert scene.processes[second].wait(5) == 0
        third = scene.holder
        scene.until(lambda: scene.moments()[-1][1] == third, SLACK)
        assert scene.lease["leaseTransitions"] == 2
        # Had two led at one moment, their moments would alternate.
        assert [name for name, _ in itertools.groupby(name for _, name in scene.moments())] == [first, second, third]
