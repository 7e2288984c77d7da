"""Two instances behind a real Envoy, restarted one after the other under load: no check fails, and none is answered wrongly."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from authz.admin.server import HttpServer
from authz.demo.proxy import Proxy
from authz.demo.upstream import upstream_app
from tests.builders import a_manifest
from tests.e2e.instances import Instance, behind_envoy, healthy
from tests.e2e.stack import LOOPBACK
from tests.service.waiting import until

pytestmark = pytest.mark.envoy

POLICY = a_manifest(
    """
    hosts: [localhost]
    rules:
    - {name: closed, matches: [{path: {type: PathPrefix, value: /closed}}], allow: []}
    - {name: open, allow: [{name: anyone, anonymous: {}}]}
    """
)
CLIENTS = 8


class Load:
    """Clients that ask all the time, half of them for what is denied; counts what they are answered."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._stopped = asyncio.Event()
        self.answers: Counter[tuple[str, int, bool]] = Counter()

    async def run(self) -> None:
        async with httpx2.AsyncClient(trust_env=False, base_url=f"http://localhost:{self._proxy.port}") as client:
            await asyncio.gather(*(self._ask(client, "/open" if number % 2 else "/closed") for number in range(CLIENTS)))

    async def _ask(self, client: httpx2.AsyncClient, path: str) -> None:
        while not self._stopped.is_set():
            answer = await client.get(path)
            # Envoy's own refusals have no document of ours.
            self.answers[path, answer.status_code, "rule_deny" in answer.text] += 1

    def stop(self) -> None:
        self._stopped.set()

    @property
    def total(self) -> int:
        return self.answers.total()


async def restarted(instance: Instance, load: Load, proxy: Proxy) -> None:
    """Stop an instance as a pod is stopped, start it again, and wait until Envoy has seen it."""
    assert await instance.stop() == 0
    assert await healthy(proxy) == 1
    await instance.start()
    async with asyncio.timeout(10):
        while await healthy(proxy) < 2:  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.05)
    before = load.total
    await until(lambda: load.total > before + 20 * CLIENTS)


def test_instances_that_are_restarted_one_after_the_other_lose_no_check(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "policy.yaml").write_text(POLICY)
    pair = [Instance(policies, tmp_path / name, "--drain", "1", "--grace", "5") for name in ("one", "two")]

    async def story() -> Counter[tuple[str, int, bool]]:
        upstream = HttpServer(upstream_app())
        try:
            async with behind_envoy(pair, await upstream.start(LOOPBACK, 0)) as proxy:
                load = Load(proxy)
                running = asyncio.create_task(load.run())
                await until(lambda: load.total > 100)
                for instance in pair:
                    await restarted(instance, load, proxy)
                load.stop()
                await running
                return load.answers
        finally:
            await upstream.stop()

    answers = asyncio.run(story())
    assert set(answers) == {("/open", 200, False), ("/closed", 403, True)}, answers
    assert answers.total() > 1000
    for instance in pair:
        events = [line["event"] for line in instance.lines() if line.get("event") in ("ready", "stopping", "fault")]
        assert events == ["ready", "stopping", "ready"]
