"""`authz serve --kube` on a real API server with 5,000 policies: start, memory, stalls of its event loop, and how soon a change counts.

Usage: `python -m benchmarks.cluster [POLICIES]` (after `make control-plane`). Minutes; absolute times are true of this machine only.
"""

import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx2

from authz.envoy.pb import ext_authz_pb2 as pb
from authz.envoy.server import SERVICE
from tests.cluster.control_plane import TOKEN, ControlPlane, assets
from tests.cluster.objects import EVERYONE, NOBODY, POLICIES, policy
from tests.envoy.messages import check_request

NAMESPACE = "bench"
CHANGES = 100
ROOT = Path(__file__).parents[1]


def main(count):
    """Print the report."""
    tools = assets()
    if tools is None:
        raise SystemExit("a control plane is needed: build it once with `make control-plane`")
    with tempfile.TemporaryDirectory() as folder, ControlPlane(tools, Path(folder)) as plane:
        applied = plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds" / "authpolicies.yaml"))
        assert applied.returncode == 0, applied.stderr
        assert plane.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}).status == 201
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        policy(plane, NAMESPACE, "changing", EVERYONE, hosts=["changing.example"])
        with _replica(plane) as one:
            print(f"{1:>6} policy    ready after {one.seconds:.2f} s, {one.told()['resident'] / 1e6:.0f} MB")
            _say_changes(plane, one, 1)
        began = time.monotonic()
        asyncio.run(_filled(plane, count))
        print(f"{count:>6} policies  created in {time.monotonic() - began:.0f} s")
        with _replica(plane) as one:
            told = one.told()
            print(f"{'':>16}  ready after {one.seconds:.2f} s, {told['resident'] / 1e6:.0f} MB")
            print(f"{'':>16}  longest stall while they were listed: {told['stall'] * 1000:.1f} ms")
            _listed_anew(plane, one)
            print(f"{'':>16}  longest stall while they were listed anew (410): {one.told()['stall'] * 1000:.1f} ms")
            _say_changes(plane, one, count)


class _One:
    """A running replica."""

    def __init__(self, process):
        self.process = process
        started = self._line()
        self.seconds, self.port, self.admin = started["seconds"], started["port"], started["admin"]

    def _line(self):
        return json.loads(self.process.stdout.readline())

    def told(self):
        self.process.send_signal(signal.SIGUSR1)
        return self._line()

    def lists(self):
        text = httpx2.get(f"http://{self.admin}/metrics", trust_env=False).text
        found = [line for line in text.splitlines() if line.startswith('authz_lists_total{mode="stream",resource="authpolicies"}')]
        found = found or [
            line for line in text.splitlines() if line.startswith("authz_lists_total") and "authpolicies" in line and "stream" in line
        ]
        return float(found[0].rpartition(" ")[2])


@contextmanager
def _replica(plane):
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.replica", str(plane.kubeconfig), NAMESPACE],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield _One(process)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


async def _filled(plane, count):
    client = httpx2.AsyncClient(
        verify=plane.trust, base_url=plane.url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=60
    )
    numbers = iter(range(count))

    async def create():
        for at in numbers:
            spec = {
                "hosts": [f"h{at}.example"],
                "rules": [
                    {"name": f"r{n}", "matches": [{"path": {"type": "PathPrefix", "value": f"/a{n}"}}], "allow": EVERYONE[0]["allow"]}
                    for n in range(3)
                ],
            }
            body = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"name": f"p{at}"}, "spec": spec}
            answer = await client.post(POLICIES.format(NAMESPACE), json=body)
            assert answer.status_code == 201, answer.text

    async with client:
        await asyncio.gather(*(create() for _ in range(16)))


def _listed_anew(plane, one):
    """Make the replica list everything again: the API server comes back with a history that begins after the replica's place."""
    before = one.lists()
    plane.stop("kube-apiserver", signal.SIGKILL)
    plane.forget_history()
    one.told()
    plane.start_api_server()
    until = time.monotonic() + 60
    while one.lists() == before:
        assert time.monotonic() < until, "nothing was listed anew"


def _say_changes(plane, one, count):
    took = sorted(asyncio.run(_changes(plane, one)))
    middle, worst = statistics.median(took) * 1000, took[-1] * 1000
    print(
        f"{'':>16}  from the API server's answer to the first changed decision: median {middle:.0f} ms, worst {worst:.0f} ms of {len(took)}"
    )


async def _changes(plane, one):
    took = []
    message = check_request(host="changing.example")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{one.port}") as channel:
        check = channel.unary_unary(f"/{SERVICE}/Check")
        for number in range(CHANGES):
            allows = bool(number % 2)
            await asyncio.to_thread(policy, plane, NAMESPACE, "changing", EVERYONE if allows else NOBODY, hosts=["changing.example"])
            began = time.monotonic()
            while (pb.CheckResponse.FromString(await check(message)).status.code == 0) is not allows:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.0005)
            took.append(time.monotonic() - began)
    return took


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
