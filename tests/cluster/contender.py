"""One contender for a Lease, as a process of its own: notes on a file at which moments it takes itself for the leader.

    python -m tests.cluster.contender KUBECONFIG NAMESPACE NAME FILE

On SIGTERM it frees the Lease and ends.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path

from authz.kube.api import connect
from authz.kube.elector import Elector, LeasePace
from authz.kube.pacing import since_boot

PACE = LeasePace(lease=2, deadline=1.4, retry=0.3, request=1.0)


class WallClock:
    """The machine's clock."""

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def contend(kubeconfig: Path, namespace: str, name: str, file: Path) -> None:
    """Take part until SIGTERM."""
    api = await connect(kubeconfig)
    elector = Elector(api, namespace, "ingress-authz", name, WallClock(), PACE)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    running = asyncio.create_task(elector.run())
    with file.open("w", buffering=1) as notes:
        while not stopped.is_set():
            before = since_boot()
            leads = elector.is_leader
            # Where the process was stopped between the two, it is not known at which moment it looked.
            if since_boot() - before < 0.002:
                notes.write(f"{before} {name} {int(leads)}\n")
            await asyncio.sleep(0.01)
        await elector.close()
        notes.write(f"{since_boot()} {name} 0\n")
    await running
    await api.close()


if __name__ == "__main__":
    asyncio.run(contend(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])))
