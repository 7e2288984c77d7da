"""Several instances of the service as processes, behind one real Envoy that watches their health."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from authz.demo.bootstrap import Topology, bootstrap_json
from authz.demo.proxy import Proxy
from authz.envoy.server import SERVICE
from tests.e2e.stack import LOOPBACK, envoy


class Instance:
    """One `authz serve`, which can be stopped as a pod is and started again on the same port."""

    def __init__(self, policies: Path, folder: Path, *flags: str) -> None:
        folder.mkdir()
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            self.port = int(free.getsockname()[1])
        self._ready = folder / "ready.json"
        self._log = folder / "log"
        self._words = (
            *("serve", "--policies", str(policies), "--listen", f"{LOOPBACK}:{self.port}", "--admin-listen", f"{LOOPBACK}:0"),
            *("--ready-file", str(self._ready), *flags),
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return once it is ready."""
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(sys.executable, "-m", "authz", *self._words, stdout=log, stderr=log)
        async with asyncio.timeout(20):
            while not self._ready.exists():
                assert self.process.returncode is None, self._log.read_text()
                await asyncio.sleep(0.02)

    async def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)

    async def kill(self) -> None:
        """End it at once."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]


def behind_health_checks(ports: Sequence[int], upstream: int) -> str:
    """Envoy's configuration with these instances as the endpoints of one cluster, each watched by gRPC health checks."""
    config = json.loads(bootstrap_json(Topology(0, (LOOPBACK, ports[0]), (LOOPBACK, upstream))))
    (checks,) = (each for each in config["staticResources"]["clusters"] if each["name"] == "checks")
    (locality,) = checks["loadAssignment"]["endpoints"]
    (first,) = locality["lbEndpoints"]
    text = json.dumps(first)
    locality["lbEndpoints"] = [json.loads(text.replace(str(ports[0]), str(port))) for port in ports]
    # By default Envoy collects what changes for a second before its workers hear of it.
    checks["commonLbConfig"] = {"updateMergeWindow": "0s"}
    checks["healthChecks"] = [
        {
            "timeout": "0.5s",
            "interval": "0.1s",
            "noTrafficInterval": "0.1s",
            "unhealthyThreshold": 1,
            "healthyThreshold": 1,
            "grpcHealthCheck": {"serviceName": SERVICE},
        }
    ]
    return json.dumps(config)


async def healthy(proxy: Proxy) -> int:
    """Return how many instances Envoy takes for healthy."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        clusters = (await client.get(f"http://{proxy.admin}/clusters", params={"format": "json"})).json()["cluster_statuses"]
    (checks,) = (each for each in clusters if each["name"] == "checks")
    return sum(set(host["health_status"]) <= {"eds_health_status"} for host in checks["host_statuses"])


@asynccontextmanager
async def behind_envoy(instances: Sequence[Instance], upstream: int) -> AsyncIterator[Proxy]:
    """A proxy before the instances, all of them running; they are ended with it."""
    try:
        await asyncio.gather(*(each.start() for each in instances))
        async with Proxy(envoy(), behind_health_checks([each.port for each in instances], upstream)) as proxy:
            yield proxy
    finally:
        for each in instances:
            await each.kill()
