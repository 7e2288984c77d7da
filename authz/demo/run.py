"""Runs the demo: every part on loopback, in this process but for Envoy."""

import asyncio
import io
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authz.admin.server import HttpServer
from authz.app import Running, Service
from authz.demo.attempts import ATTEMPTS, Outcome, tried
from authz.demo.bootstrap import Topology, bootstrap_json
from authz.demo.issuer import NOTICE, DemoIssuer
from authz.demo.policies import OtherIssuerError, write
from authz.demo.proxy import Proxy
from authz.demo.upstream import upstream_app
from authz.fetch.client import FetchLimits, origin_of
from authz.model.operator import ClientAddress, Operator
from authz.settings import Address, Settings
from authz.telemetry.terminal import plain

LOOPBACK = "127.0.0.1"
Say = Callable[[str], None]


class DemoError(Exception):
    """The demo cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen; 0 takes any free port."""

    gateway: int = 8080
    issuer: int = 8124
    upstream: int = 0
    checks: int = 0
    admin: int = 8125


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that runs."""

    gateway: str
    issuer: str
    admin: str
    policies: Path


class Narrator(io.StringIO):
    """Turns the service's structured lines into words for somebody who watches."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._loaded = False

    def write(self, text: str) -> int:
        """Tell one line."""
        for line in text.splitlines():
            told = self._told(json.loads(line))
            if told:
                self._say(plain(told))
        return len(text)

    def _told(self, fields: dict[str, Any]) -> str:
        if "decision" in fields:
            return _decision_words(fields)
        match fields.get("event"):
            case "policies.loaded" if self._loaded:
                return _loaded_words(fields)
            case "policies.loaded":
                self._loaded = True
            case "policy.problem":
                return f"  {fields['at']} {fields['code']} {fields['what']}"
            case "keys.fetch_failed":
                return f"keys of {fields['issuer']} could not be fetched: {fields['why']}"
            case "policies.unreadable":
                return f"policies cannot be read: {fields['why']}; what was loaded last stays in force"
            case "fault":
                return f"a fault of ours: {fields['kind']} in {fields['where']}"
        return ""


def _loaded_words(fields: dict[str, Any]) -> str:
    told = f"policies read anew: {fields['in_force']} in force"
    if fields["stale"]:
        told += f"; of {', '.join(fields['stale'])} an earlier version, until its mistakes are mended"
    if fields["unusable"]:
        told += f"; {', '.join(fields['unusable'])} cannot be used and answers 503"
    if fields["level"] == "error" and not fields["stale"] and not fields["unusable"]:
        told += "; a file that cannot be read stays as it was"
    return told


def _decision_words(fields: dict[str, Any]) -> str:
    asked = f"{fields.get('method', '?')} {fields.get('path', '?')} from {fields.get('client_ip', '?')}"
    where = "/".join(filter(None, (fields.get("policy"), fields.get("rule"), fields.get("alternative"))))
    if fields["decision"] == "allow":
        return f"ALLOW      {fields['reason']:<20} {asked}  by {where or 'no policy'}"
    why = f"; wanted {fields['want']}" if fields.get("want") else ""
    why += f"; got {fields['got']}" if fields.get("got") else ""
    return f"DENY {fields['status']}   {fields['reason']:<20} {asked}  by {where or 'no policy'}{why}"


async def run(binary: Path, ports: Ports, folder: Path, say: Say, act: Callable[[Demo], Any]) -> None:
    """Start everything, then await `act(demo)`, then stop everything. Raises DemoError, ProxyError, StartError."""
    async with AsyncExitStack() as stack:
        issuer = DemoIssuer()
        issuer.url = f"http://{LOOPBACK}:{await _serve(stack, HttpServer(issuer.app()), ports.issuer, '--issuer-port')}"
        upstream = await _serve(stack, HttpServer(upstream_app()), ports.upstream, "the upstream")
        try:
            if not write(folder, issuer.url):
                say(f"kept the policies in {folder} as they are")
        except OtherIssuerError as fault:
            raise DemoError(str(fault)) from fault
        checks = await _service(stack, folder, issuer.url, ports, say)
        await _free(ports.gateway)
        topology = Topology(ports.gateway, (LOOPBACK, checks.checks.port), (LOOPBACK, upstream))
        proxy = await stack.enter_async_context(Proxy(binary, bootstrap_json(topology)))
        await act(Demo(f"http://{LOOPBACK}:{proxy.port}", issuer.url, f"http://{checks.admin}", folder))


async def _serve(stack: AsyncExitStack, server: HttpServer, port: int, flag: str) -> int:
    try:
        taken = await server.start(LOOPBACK, port)
    except OSError as fault:
        raise DemoError(f"port {port} is taken; choose another with {flag} (0 takes any free one)") from fault
    stack.push_async_callback(server.stop)
    return taken


async def _free(port: int) -> None:
    """Raise DemoError where the gateway's port is taken: Envoy itself would only write it to its log."""
    try:
        server = await asyncio.start_server(lambda reader, writer: None, LOOPBACK, port)
    except OSError as fault:
        raise DemoError(f"port {port} is taken; choose another with --port (0 takes any free one)") from fault
    server.close()
    await server.wait_closed()


async def _service(stack: AsyncExitStack, folder: Path, issuer: str, ports: Ports, say: Say) -> Running:
    settings = Settings(
        policies=folder,
        listen=Address(LOOPBACK, ports.checks),
        admin_listen=Address(LOOPBACK, ports.admin),
        operator=Operator(ClientAddress()),
        fetch=FetchLimits(insecure_origins=frozenset({origin_of(issuer)})),
        drain_seconds=0,
        grace_seconds=1,
        allow_sample=1,
    )
    service = Service(settings, stream=Narrator(say))
    stopped = asyncio.Event()
    up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(service.run(stopped, up.set_result))

    async def stop() -> None:
        stopped.set()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(stop)
    await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    return await up


def told(demo: Demo) -> list[str]:
    """Return what to print once the demo runs: addresses, and six lines to try."""
    lines = [
        f"gateway   {demo.gateway}   a real Envoy; it asks the service about every request",
        f"issuer    {demo.issuer}   {NOTICE}",
        f"metrics   {demo.admin}/metrics",
        f"policies  {demo.policies}   edit them: each change is in force at once",
        "",
        "Try these in another terminal:",
    ]
    for number, attempt in enumerate(ATTEMPTS, 1):
        expected = f"{attempt.status} {attempt.reason}".strip()
        lines += ["", f"{number}. {attempt.title}: expect {expected}; {attempt.why}", f"   {attempt.curl(demo.gateway, demo.issuer)}"]
    return lines


async def checked(demo: Demo) -> list[Outcome]:
    """Return what came of the six attempts."""
    return [await tried(attempt, demo.gateway, demo.issuer) for attempt in ATTEMPTS]
