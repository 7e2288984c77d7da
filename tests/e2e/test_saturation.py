"""A transport that is asked for more than it can carry: what is answered is right, and memory stays flat."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.instances import Instance
from tests.e2e.test_rolling_restart import POLICY

CLIENTS = 2
SECONDS = 30.0


def resident(process: asyncio.subprocess.Process) -> int:
    """KiB of memory that a process has now."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


async def saturated(instance: Instance, seconds: float, at_once: int) -> list[dict[str, Any]]:
    words = ("-m", "tests.e2e.saturating", str(instance.port), str(seconds), str(at_once))
    clients = [await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE) for _ in range(CLIENTS)]
    outputs = await asyncio.gather(*(client.communicate() for client in clients))
    return [json.loads(out) for out, _ in outputs]


@pytest.mark.nightly
def test_a_saturated_service_answers_nothing_wrongly_and_does_not_grow(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "policy.yaml").write_text(POLICY)
    instance = Instance(policies, tmp_path / "one", "--drain", "0")

    async def story() -> tuple[Counter[str], list[float], int]:
        try:
            await instance.start()
            assert instance.process is not None
            await saturated(instance, SECONDS / 3, 400)
            before = resident(instance.process)
            found = await saturated(instance, SECONDS, 400)
            grown = resident(instance.process) - before
            counts: Counter[str] = Counter()
            for each in found:
                counts.update(each["counts"])
            assert await instance.stop() == 0
            return counts, [each["p99"] for each in found], grown
        finally:
            await instance.kill()

    counts, p99, grown = asyncio.run(story())
    # Shown by `make nightly ARGS=-rP`.
    sys.stdout.write(f"{dict(counts)}, p99 {max(p99):.3f} s, {grown} KiB grown\n")
    assert counts["open denied"] == counts["closed allowed"] == 0
    assert min(counts["open allowed"], counts["closed denied"]) > 100 * SECONDS
    assert grown < 32 * 1024
