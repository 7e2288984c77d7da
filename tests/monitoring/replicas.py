"""What is scraped: the service itself, and two replicas of a cluster whose faults are scripted. Each acts a step before a scrape."""

import asyncio
import io
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import grpc
import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from authz.admin.server import HttpServer, admin_app
from authz.envoy.server import SERVICE
from authz.model.decision import Allow, Deny
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.model.policy import PolicyName
from authz.model.reason import Reason
from authz.service.keyring import IssuerKeys
from authz.service.standing import ClusterState, WatchState
from authz.service.states import State
from authz.telemetry.audit import Auditor
from authz.telemetry.lines import Lines
from authz.telemetry.metrics import CONTENT_TYPE, Metrics
from authz.telemetry.stalls import Stalls
from tests.builders import ISSUER, a_jwks, a_manifest, a_token, issuer_yaml
from tests.certificates import an_authority
from tests.envoy.messages import check_request, reason_of
from tests.fetch.hosts import Host, https, says

STEPS = 60
STEP_SECONDS = 15.0


class Replica(Protocol):
    """Something that has metrics."""

    async def act(self, step: int, now: float) -> None:
        """Do what happens in these seconds of the quarter of an hour."""

    async def page(self) -> bytes:
        """What it tells Prometheus."""


class Target:
    """A replica as Prometheus meets it: each scrape is 15 seconds after the one before, until the quarter of an hour is over.

    Prometheus keeps the time that stands beside a sample (`honor_timestamps`), so that it sees 15 minutes within seconds. On a
    busy machine it gives up on some scrapes: the next one then gets what that one should have.
    """

    def __init__(self, replica: Replica, began: float) -> None:
        self._replica = replica
        self._began = began
        self._waiting = ""
        self._one_at_a_time = asyncio.Lock()
        self.step = 0
        self.is_gone = False
        self.app = Starlette(routes=[Route("/metrics", self._scraped)])

    async def _scraped(self, request: Request) -> Response:
        if self.is_gone:
            return Response("gone", 500)
        async with self._one_at_a_time:
            if self.step > STEPS:
                return Response(await self._replica.page(), media_type=CONTENT_TYPE)
            self._waiting = self._waiting or await self._acted(self._began + self.step * STEP_SECONDS)
            if await request.is_disconnected():
                return Response("nobody waits for it", 503)
            text, self._waiting = self._waiting, ""
            self.step += 1
            return Response(text, media_type=CONTENT_TYPE)

    async def _acted(self, now: float) -> str:
        await self._replica.act(self.step, now)
        text = (await self._replica.page()).decode()
        return "\n".join(f"{line} {round(now * 1000)}" if line and line[0] != "#" else line for line in text.split("\n"))


# -- the service itself, by files -----------------------------------------------------------------------------------------------

ORDERS = f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{issuer_yaml()}]
deny: [{{name: blocked, clientIP: {{cidrs: [192.0.2.0/24]}}}}]
rules:
- {{name: health, matches: [{{path: {{type: Exact, value: /healthz}}}}], allow: [{{name: anyone, anonymous: {{}}}}]}}
- {{name: read, matches: [{{methods: [GET]}}], allow: [{{name: staff, jwt: {{issuers: [idp]}}}}]}}
"""
FETCHED = """
hosts: [HOST]
audiences: [orders]
issuers: [{name: idp, issuer: "ORIGIN", jwksURL: "ORIGIN/keys"}]
rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]
"""
TRIAL = "mode: Shadow\nhosts: [api.example.com]\nrules: [{name: all, allow: []}]"
SHADOW_FROM, BROKEN_FROM, MENDED_FROM, AWAY_FROM = 12, 16, 44, 20


class Served:
    """`authz serve` as a process, with clients of its own."""

    def __init__(self, folder: Path, client: httpx2.AsyncClient, channel: grpc.aio.Channel, host: Host) -> None:
        self._folder = folder
        self._client = client
        self._call = channel.unary_unary(f"/{SERVICE}/Check")
        now = int(time.time())
        times = {"iat": now - 60, "exp": now + 3600}
        self._good = {"authorization": f"Bearer {a_token(**times)}"}
        self._old = {"authorization": f"Bearer {a_token(iat=now - 7200, exp=now - 3600)}"}
        self._foreign = {"authorization": f"Bearer {a_token(aud='carts', **times)}"}
        self._away = {"authorization": f"Bearer {a_token(iss=NOWHERE, **times)}"}
        self._fetched = {"authorization": f"Bearer {a_token(iss=f'http://127.0.0.1:{host.port}', **times)}"}
        self.reasons: dict[str, int] = {}

    async def act(self, step: int, now: float) -> None:
        if step == SHADOW_FROM:
            self._write("trial", TRIAL)
        if step == BROKEN_FROM:
            self._write("orders", ORDERS.replace("audiences", "audience"))
            self._write("bad", ORDERS.replace("allow", "alow").replace("api.", "bad."))
        if step == MENDED_FROM:
            self._write("orders", ORDERS)
        if step == AWAY_FROM:
            self._write("away", FETCHED.replace("HOST", "away.example.com").replace("ORIGIN", NOWHERE))
        asked: list[dict[str, Any]] = [
            *({"path": "/healthz"},) * 3,
            *({"headers": self._good},) * 3,
            {"headers": self._old},
            {"headers": self._foreign},
            {},
            {"peer": "192.0.2.7"},
            {"host": "unknown.example.com"},
            {"host": "open.example.com", "path": "/a/..%2fb"},
            {"host": "fetched.example.com", "headers": self._fetched},
            *([{"host": "bad.example.com"}] if BROKEN_FROM < step < MENDED_FROM else []),
            *([{"host": "away.example.com", "headers": self._away}] * 2 if step >= AWAY_FROM else []),
        ]
        for answer in await asyncio.gather(*(self._call(check_request(**each), timeout=5) for each in asked)):
            self.reasons[reason_of(answer)] = self.reasons.get(reason_of(answer), 0) + 1

    async def page(self) -> bytes:
        return (await self._client.get("/metrics")).content

    def _write(self, name: str, spec: str) -> None:
        write(self._folder, name, spec)


# Nobody listens on the port for discarding.
NOWHERE = "http://127.0.0.1:9"


def write(folder: Path, name: str, spec: str) -> None:
    """Put a policy into the directory, whole at once."""
    (folder / f".{name}").write_text(a_manifest(spec, name), encoding="utf-8")
    (folder / f".{name}").rename(folder / f"{name}.yaml")


@asynccontextmanager
async def served(place: Path) -> AsyncIterator[Served]:
    """The service, until the block ends."""
    folder, ready = place / "policies", place / "ready.json"
    folder.mkdir()
    async with AsyncExitStack() as open_:
        host = await open_.enter_async_context(https(an_authority(place), place, tls=False))
        host.pages["/keys"] = says(a_jwks().encode())
        origin = f"http://127.0.0.1:{host.port}"
        write(folder, "orders", ORDERS)
        write(folder, "fetched", FETCHED.replace("HOST", "fetched.example.com").replace("ORIGIN", origin))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "authz", "serve", "--policies", folder, "--ready-file", ready, "--drain", "0"),
            *("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--client-address", "peer"),
            *("--unprotected", "open.example.com", "--fetch-insecure", origin, "--fetch-insecure", NOWHERE),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ,
        )
        try:
            assert process.stderr is not None
            told = await asyncio.wait_for(process.stderr.readline(), 20)
            assert ready.exists(), told.decode()
            addresses = json.loads(ready.read_text(encoding="utf-8"))
            client = httpx2.AsyncClient(base_url=f"http://{addresses['admin']}", trust_env=False)
            async with client, grpc.aio.insecure_channel(addresses["listen"]) as channel:
                yield Served(folder, client, channel, host)
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), 15)


# -- replicas of a cluster, by script -------------------------------------------------------------------------------------------

CUT_OFF, BACK = 24, 44
NO_LEADER, TWO_LEADERS = range(24, 36), range(36, 48)
SLOW_FROM, FAULT_AT, STALLS_AT, UNREADABLE_FROM, UNDECIDED = 30, 35, range(36, 41), 50, range(32, 36)


class Scripted:
    """The real metrics, on the real admin page, of a replica whose cluster does what the script says."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known = IssuerKeys(Issuer("idp", ISSUER, KeySource(jwks=a_jwks()), ("RS256",), 30, (AUTHORIZATION_BEARER,)))
        self._known.is_fetched = True
        self._lost = 0
        self._state = ClusterState()
        self.stalls = Stalls()
        self._metrics = Metrics(lambda: [self._known], lambda: 7, lambda: self._lost, lambda: self._state, self.stalls.take)
        self._audit = Auditor(self._metrics, Lines(io.StringIO(), time.time, 0, None))
        self._client = httpx2.AsyncClient(trust_env=False)
        self._restarts = {"closed": 0, "silent": 0, "gone": 0, "error": 0}
        self._lists = {"stream": 1, "paged": 0}
        self._writes = {"success": 0, "conflict": 0, "failure": 0}
        self._contact = 0.0
        self.server = HttpServer(admin_app(lambda: "", self._metrics.text, CONTENT_TYPE))
        self.url = ""

    async def page(self) -> bytes:
        return (await self._client.get(self.url)).content

    async def close(self) -> None:
        await self._client.aclose()
        await self.server.stop()

    async def act(self, step: int, now: float) -> None:
        for at in range(20):
            self._audit.decided(None, ALLOW, 0.2 if at < 6 and step >= SLOW_FROM else 0.0004)
        if step in UNDECIDED:
            self._audit.decided(None, FAILED, 0.0004)
            self._audit.decided(None, UNKNOWN, 0.0004)
        if step % 10 == 0:
            self._audit.reloaded(STATES, (), now, ok=True, seconds=0.02 + step / 1000)
        if step == FAULT_AT:
            self._audit.failed(RuntimeError())
            self._lost += 3
        if step in STALLS_AT and self._name == "one":
            asyncio.get_running_loop().call_later(0.01, busy, 0.13)
        self._keys(step, now)
        self._cluster(step, now)

    def _keys(self, step: int, now: float) -> None:
        self._metrics.fetched(ISSUER, ok=step < SLOW_FROM)
        self._known.fetched_at = now - (600 if step < SLOW_FROM else 3 * 3600)
        self._known.failures = max(step - SLOW_FROM, 0)
        if step >= UNREADABLE_FROM:
            self._known.keys = None

    def _cluster(self, step: int, now: float) -> None:
        is_up = not CUT_OFF <= step < BACK
        if is_up:
            self._contact = now - 5
            self._lists["paged"] += step == BACK
            self._restarts["closed"] += step % 20 == 0
        else:
            self._restarts["error" if step % 2 else "silent"] += 1
        self._writes["success" if is_up else "failure"] += 1
        is_leader = step in TWO_LEADERS or (self._name == "one" and step not in NO_LEADER)
        self._state = ClusterState(
            (WatchState("authpolicies", is_up, self._contact, 5, dict(self._restarts), dict(self._lists)),),
            is_leader,
            dict(self._writes),
            is_restored=self._name == "two" and step >= BACK,
            routes={"policy": 4, "unprotected": 1, "none": 2 if step >= CUT_OFF else 0},
        )


ALLOW = Allow(Reason.RULE_ALLOW, "shop/orders", "read", "any")
FAILED = Deny(Reason.EXPRESSION_ERROR, 403, "shop/orders", "read", "any")
UNKNOWN = Deny(Reason.CERT_REVOCATION_UNKNOWN, 503, "shop/orders")
STATES = (State(PolicyName("shop", "orders"), accepted=True, in_use=True, in_force=True, is_shadow=False, problems=()),)


def busy(seconds: float) -> None:
    """Keep the event loop from everything else."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


@asynccontextmanager
async def scripted(name: str) -> AsyncIterator[Scripted]:
    """A replica of a cluster, until the block ends."""
    found = Scripted(name)
    found.url = f"http://127.0.0.1:{await found.server.start('127.0.0.1', 0)}/metrics"
    watching = asyncio.create_task(found.stalls.run())
    try:
        yield found
    finally:
        watching.cancel()
        await found.close()
