"""Namespaces of the tests' own in which a gateway, its Envoy, an API server and our service run, and end when the tests do."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx2

HERE = Path(__file__).parent
LAN = "198.18.0.1"
# Stands in for the cluster's DNS. Envoy's bootstrap spells the name with a final dot, and its resolver compares letter by letter.
NAMES = ("envoy-gateway.envoy-gateway-system.svc.cluster.local", "envoy-gateway.envoy-gateway-system.svc.cluster.local.")


class NoSandboxError(Exception):
    """Namespaces cannot be made here; the message is what the system said."""


class Program:
    """One program in the sandbox; the part of subprocess.Popen that the control plane's class uses."""

    def __init__(self, sandbox: "Sandbox", pid: int, log: Path) -> None:
        self._sandbox = sandbox
        self.pid = pid
        self.log = log

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        code = self._sandbox.ask(do="poll", pid=self.pid)["code"]
        return None if code is None else int(code)

    def send_signal(self, number: int) -> None:
        """Signal it."""
        self._sandbox.ask(do="signal", pid=self.pid, number=int(number))

    def kill(self) -> None:
        """End it without asking it."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = 10) -> None:
        """Wait for its end."""
        try:
            until(lambda: self.poll() is not None, within=timeout)
        except AssertionError:
            raise subprocess.TimeoutExpired(str(self.log), timeout) from None

    def end(self) -> None:
        """End it, kindly first."""
        self.send_signal(signal.SIGTERM)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()

    def said(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


class Sandbox:
    """Use as a context manager. Raises NoSandboxError where the system does not let us."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gw-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        (self.folder / "certs").mkdir()
        lines = ["127.0.0.1 localhost", *(f"127.0.0.1 {name}" for name in NAMES)]
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")
        self._doors: dict[tuple[str, int], Path] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Make the namespaces."""
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        program = ["/bin/sh", HERE / "enter.sh", self.folder, sys.executable, "-I", HERE / "inside.py"]
        try:
            with (self.folder / "sandbox.log").open("wb") as log:
                self._process = subprocess.Popen(
                    ["unshare", *user, *namespaces, *program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
                )
        except FileNotFoundError as error:
            raise NoSandboxError("the program unshare (of util-linux) is not here") from error
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            said = (self.folder / "sandbox.log").read_text(errors="replace").strip()
            self.__exit__()
            raise NoSandboxError(said)
        return self

    def __exit__(self, *exception: object) -> None:
        """End everything in it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def ask(self, **request: Any) -> dict[str, Any]:
        """What the sandbox's first process answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, (request, answer)
        return answer

    def start(self, name: str, *argv: object, **environment: str) -> Program:
        """Start a program. Of our own environment it gets PATH alone: no proxy, no credential."""
        log = self.folder / f"{name}.log"
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment}
        return Program(self, self.ask(do="start", argv=[str(word) for word in argv], log=str(log), env=env)["pid"], log)

    def run(self, name: str, *argv: object, **environment: str) -> str:
        """Run a program to its end; its output. It must succeed."""
        program = self.start(name, *argv, **environment)
        program.wait(60)
        assert program.poll() == 0, program.said()
        return program.log.read_text(errors="replace")

    def client(self, port: int, host: str = LAN, **options: Any) -> httpx2.Client:
        """A client whose connections end at host:port inside, whatever its URLs say; a new connection for each request."""
        path = self._doors.get((host, port))
        if path is None:
            path = self._doors[host, port] = self.folder / f"door-{len(self._doors)}"
            self.ask(do="door", path=str(path), host=host, port=port)
        limits = httpx2.Limits(max_keepalive_connections=0)
        verify = options.pop("verify", True)
        transport = httpx2.HTTPTransport(uds=str(path), verify=verify, limits=limits)
        return httpx2.Client(transport=transport, trust_env=False, timeout=10, **options)


def until(condition: Callable[[], object], within: float = 20, pause: float = 0.02) -> float:
    """Seconds until the condition holds; what it last said is in the failure."""
    began = time.monotonic()
    nothing = threading.Event()
    while not (last := condition()):
        assert time.monotonic() - began < within, f"not within {within} s: {condition.__name__}, last {last!r}"
        nothing.wait(pause)
    return time.monotonic() - began


def answers(client: httpx2.Client, url: str) -> int:
    """The status of an answer; 0 where there is none."""
    try:
        return client.get(url).status_code
    except httpx2.HTTPError:
        return 0
