"""One `authz serve --kube`, which tells on SIGUSR1 how long its event loop was stalled since the last time, and its memory."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

from authz.app import Service
from authz.model.operator import ClientAddress, HostGrant, Operator
from authz.settings import Address, ClusterSettings, Settings

TICK = 0.001


class Stalls:
    def __init__(self):
        self.longest = 0.0

    async def run(self):
        while True:
            due = time.monotonic() + TICK
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, time.monotonic() - due)

    def tell(self):
        print(json.dumps({"stall": self.longest, "resident": resident_now()}), flush=True)
        self.longest = 0.0


def resident_now():
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


async def main(kubeconfig, namespace):
    here = Address("127.0.0.1", 0)
    operator = Operator(ClientAddress(), host_grants=(HostGrant(namespace),))
    service = Service(Settings(None, here, here, operator, drain_seconds=0, cluster=ClusterSettings(kubeconfig)), sys.stderr)
    stopped, stalls, loop = asyncio.Event(), Stalls(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGUSR1, stalls.tell)
    watching = asyncio.create_task(stalls.run())
    before = time.monotonic()

    def ready(running):
        print(json.dumps({"port": running.checks.port, "admin": str(running.admin), "seconds": time.monotonic() - before}), flush=True)

    await service.run(stopped, ready)
    watching.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
