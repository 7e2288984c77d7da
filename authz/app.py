"""Composition root: builds every part from Settings, runs them together, stops them in the opposite order."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TextIO

from authz.admin.server import HttpServer, admin_app
from authz.envoy.endpoint import Endpoint
from authz.envoy.server import CheckServer
from authz.fetch.keys import HttpsKeys
from authz.fetch.lists import HttpsLists
from authz.files.source import DirectorySource
from authz.kube.api import ConnectError, connect
from authz.kube.controller import Controller, Identity
from authz.kube.last_known import LastKnown
from authz.kube.source import KubeSource
from authz.model.declared import Contents
from authz.service.api_keys import KeyRecords
from authz.service.check import Checker
from authz.service.coverage import CoveredRoute
from authz.service.garbage import Garbage
from authz.service.keyring import KeyRing
from authz.service.ports import Source, SourceError
from authz.service.readers import Sources
from authz.service.revocation_lists import RevocationLists
from authz.service.slices import in_slices
from authz.service.states import errors_in
from authz.service.targets import unknown_targets
from authz.service.tokens import TokenMemory
from authz.service.update import Updater
from authz.service.waiting import first_of
from authz.settings import Address, ClusterSettings, Settings, described
from authz.telemetry.audit import Auditor
from authz.telemetry.lines import Lines
from authz.telemetry.metrics import CONTENT_TYPE, Metrics
from authz.telemetry.stalls import Stalls

# Seconds that a start waits for issuers' keys; the fetches go on.
FIRST_TRIES: Final = 6.0


class StartError(Exception):
    """The service cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """Where the service listens once it is up."""

    checks: Address
    admin: Address


class SystemClock:
    """The machine's clock."""

    def time(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)


class Service:
    """Every part of `authz serve`, in one process."""

    def __init__(self, settings: Settings, stream: TextIO = sys.stdout) -> None:
        clock, memory = SystemClock(), TokenMemory()
        said = settings.operator
        self._lines = Lines(stream, clock.time, settings.allow_sample, said.client_address, settings.log_rate)
        self.stalls = Stalls()
        self.metrics = Metrics(
            lambda: ring.all(),  # noqa: PLW0108 - made below
            lambda: len(memory),
            lambda: self._lines.dropped,
            lambda: self._controller.state() if self._controller is not None else None,
            self.stalls.take,
        )
        self.audit = Auditor(self.metrics, self._lines)
        ring = KeyRing(HttpsKeys(settings.fetch), clock, self.audit, settings.key_times)
        self._ring = ring
        self._clock = clock
        self._settings = settings
        self._lists = RevocationLists(HttpsLists(settings.fetch), clock, self.audit, settings.key_times)
        self._updater = Updater(said, ring, memory, self.audit.failed, Sources(KeyRecords(settings.digest_key), self._lists))
        self._checker = Checker(self._updater.store, ring, clock, self.audit)
        self._server = CheckServer(Endpoint(self._checker, self.audit, settings.room), settings.limits, settings.tls)
        self._routes: tuple[CoveredRoute, ...] = ()
        self._controller: Controller | None = None
        self._admin = HttpServer(admin_app(self._why_not_ready, self.metrics.text, CONTENT_TYPE, lambda: self._routes))
        self._garbage = Garbage(lambda: self.metrics.answered)
        self._not_ready = "policies are being loaded"

    async def run(self, stopped: asyncio.Event, on_ready: Callable[[Running], None] = lambda running: None) -> None:
        """Serve until `stopped` is set, then drain. Raises StartError."""
        background: list[asyncio.Task[None]] = []
        closing = AsyncExitStack()
        self._garbage.start()
        closing.callback(self._garbage.stop)
        try:
            source = await self._source()
            closing.push_async_callback(source.close)
            admin = await self._start_admin()
            background += self._begun(source.run, self._lists.run, self._lines.run, self.stalls.run, self._garbage.run)
            if self._controller is not None:
                background += self._begun(self._controller.run)
            if not await self._loaded_first(source, stopped):
                return
            running = Running(await self._start(), admin)
            background += self._begun(self._ring.run, lambda: self._follow(source))
            await self._tried_first(stopped)
            await self._server.ready()
            self._not_ready = ""
            self._announce(running)
            on_ready(running)
            await stopped.wait()
        finally:
            await self._stop(background)
            await closing.aclose()

    async def _source(self) -> Source:
        """Return where policies come from; with an API server, make the controller, too."""
        settings = self._settings
        if settings.policies is not None:
            return DirectorySource(settings.policies)
        how = settings.cluster or ClusterSettings()
        try:
            api = await connect(how.kubeconfig, lenient_ca=how.lenient_ca)
        except ConnectError as fault:
            raise StartError(str(fault)) from fault
        gateways = [each.name for each in settings.operator.gateways]
        source = KubeSource(
            api, self._clock, gateways, LastKnown(how.snapshot) if how.snapshot is not None else None, None, how.watch_namespaces
        )
        identity = Identity(how.namespace, how.replica, how.replica_uid) if how.namespace else None
        self._controller = Controller(api, source, identity, self._clock, self.audit)
        return source

    async def _kept_up(self, part: Callable[[], Awaitable[None]]) -> None:
        """Run a part for ever: a fault in it is told, and must not end the checks."""
        while True:
            try:
                await part()
            except Exception as fault:  # noqa: BLE001 - the supervisor of the parts
                self.audit.failed(fault)
            await self._clock.sleep(1)

    def _begun(self, *parts: Callable[[], Awaitable[None]]) -> "list[asyncio.Task[None]]":
        return [asyncio.create_task(self._kept_up(part)) for part in parts]

    async def _loaded_first(self, source: Source, stopped: asyncio.Event) -> bool:
        """Load what the source holds. A cluster may have to be waited for: return False where a stop was asked for meanwhile."""
        if self._controller is None:
            await self._load_first(source)
            return True
        loading = asyncio.ensure_future(self._load_first(source))
        await first_of(loading, stopped.wait())
        if loading.done():
            loading.result()
        return loading.done()

    async def _tried_first(self, stopped: asyncio.Event) -> None:
        """Wait until keys have been tried for, but no longer than a few seconds: issuers may be silent."""
        await first_of(self._ring.first_tries(), stopped.wait(), seconds=FIRST_TRIES)

    async def _load_first(self, source: Source) -> None:
        try:
            contents = await source.first()
        except SourceError as fault:
            raise StartError(f"{fault}; --policies names the directory of AuthPolicies") from fault
        # The API server has held its objects against the schema; a file may say anything.
        unknown = unknown_targets(contents, self._settings.operator) if self._settings.cluster is None else []
        if unknown:
            # What such a file should protect cannot be told, so nothing could be denied for it.
            told = "\n".join(f"  {p.file}:{p.line}:{p.column} {p.code} {p.what}" for p in unknown)
            raise StartError(f"it cannot be read what these are for, so starting could leave it open:\n{told}")
        if contents.is_restored:
            self.audit.event("warning", "policies.restored", why="no API server answers; policies are those that were last known here")
        await self._apply(source, contents)

    async def _apply(self, source: Source, contents: Contents) -> None:
        began = time.perf_counter()
        self._garbage.collect()
        report = await in_slices(self._updater.steps(contents.declared, contents.cluster))
        self._garbage.set_apart()
        self._routes = report.routes
        source.use(frozenset(each for state in report.states for each in state.wanted))
        if self._controller is not None:
            self._controller.told(report)
        strays = [problem for stray in contents.strays for problem in stray.problems]
        ok = not errors_in(strays) and not any(errors_in(state.problems) for state in report.states)
        self.audit.reloaded(report.states, strays, self._clock.time(), ok=ok, seconds=time.perf_counter() - began)

    async def _follow(self, source: Source) -> None:
        async for contents in source.changes():
            if isinstance(contents, SourceError):
                self.audit.event("error", "policies.unreadable", why=str(contents), keeps="what was loaded last")
            else:
                await self._apply(source, contents)

    async def _start_admin(self) -> Address:
        where = self._settings.admin_listen
        try:
            return Address(where.host, await self._admin.start(where.host, where.port))
        except OSError as fault:
            raise StartError(f"{fault}; choose another with --admin-listen (port 0 takes any free one)") from fault

    async def _start(self) -> Address:
        where = self._settings.listen
        try:
            return Address(where.host, await self._server.start(str(where)))
        except OSError as fault:
            raise StartError(f"{fault}; choose another with --listen (port 0 takes any free one)") from fault

    def _why_not_ready(self) -> str:
        """Return why checks cannot be answered yet, or not any more; "" where they can."""
        if not self._not_ready or self._controller is None:
            return self._not_ready
        return "; ".join([self._not_ready, *(f"{what}: {why}" for what, why in self._controller.troubles() if why)])

    def _announce(self, running: Running) -> None:
        self.audit.event("info", "ready", listen=str(running.checks), admin=str(running.admin), **described(self._settings))
        if self._settings.ready_file is not None:
            text = json.dumps({"listen": str(running.checks), "admin": str(running.admin)})
            try:
                self._settings.ready_file.write_text(text + "\n", encoding="utf-8")
            except OSError as fault:
                raise StartError(f"--ready-file {self._settings.ready_file} cannot be written: {fault.strerror}") from fault

    async def _stop(self, background: list[asyncio.Task[None]]) -> None:
        was_ready, self._not_ready = not self._not_ready, "stopping"
        # At once, so that another replica leads while this one still answers.
        leaving = asyncio.create_task(self._controller.close()) if self._controller is not None and background else None
        if was_ready:
            self.audit.event("info", "stopping", drain_seconds=self._settings.drain_seconds)
            await self._server.drain()
            await self._clock.sleep(self._settings.drain_seconds)
        await self._server.stop(self._settings.grace_seconds)
        await self._admin.stop()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, *([leaving] if leaving is not None else ()), return_exceptions=True)
        self._lines.end()
