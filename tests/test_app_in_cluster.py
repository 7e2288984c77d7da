"""The whole service with an API server that does as it is told: what a start says while it has to wait."""

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from authz.app import Running, Service
from authz.model.operator import ClientAddress, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.settings import Address, ClusterSettings, Settings
from tests.kube.scripted import Scripted, bookmark, event, policy, refusal, stream
from tests.kube.test_api import kubeconfig


def until(wanted: Callable[[], Any]) -> Any:
    async def wait() -> Any:
        async with asyncio.timeout(10):
            while not (found := wanted()):  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.01)
            return found

    return wait()


def test_a_start_that_waits_for_the_api_server_says_why_and_can_be_stopped(tmp_path: Path) -> None:
    async def story() -> None:
        policies = stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True))
        server = Scripted(
            apart={"authpolicies": [policies], "referencegrants": [refusal(404)], "httproutes": [refusal(404, "no such kind")]}
        )
        await server.start()
        operator = Operator(ClientAddress(), gateways=(ListedGateway(PolicyName("infra", "gw")),))
        how = ClusterSettings(kubeconfig(tmp_path, server.url, "t"))
        nowhere = Address("127.0.0.1", 0)
        stopped, log = asyncio.Event(), io.StringIO()
        service = Service(Settings(None, nowhere, nowhere, operator, drain_seconds=30, cluster=how), log)
        up: list[Running] = []
        task = asyncio.create_task(service.run(stopped, up.append))

        def lines() -> list[dict[str, Any]]:
            return [json.loads(line) for line in log.getvalue().splitlines()]

        trouble = await until(lambda: [each for each in lines() if each["event"] == "cluster.trouble"])
        assert trouble[0]["what"] == "httproutes"
        assert trouble[0]["why"] == "the API server does not know httproutes: install their CustomResourceDefinition"
        port = await until(lambda: service._admin.port)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert (await client.get("/livez")).status_code == 200
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.text) == (
                503,
                "policies are being loaded; httproutes: the API server does not know httproutes: install their CustomResourceDefinition\n",
            )
        stopped.set()
        await asyncio.wait_for(task, 5)
        assert up == []
        await server.stop()

    asyncio.run(story())
