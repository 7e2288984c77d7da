"""The sandbox itself: nothing gets out of it, and nothing outlives the tests."""

import os
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.conftest import unavailable
from tests.gateways.sandbox import LAN, NoSandboxError, Sandbox, answers, until

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
KILLED = """
import sys, threading
from tests.gateways.sandbox import Sandbox
with Sandbox() as sandbox:
    sandbox.start("sleeper", "/bin/sh", "-c", "sleep 600; : " + sys.argv[1])
    print("started", flush=True)
    threading.Event().wait(600)
"""


def processes_with(word: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


@pytest.fixture
def sandbox():
    try:
        with Sandbox() as running:
            yield running
    except NoSandboxError as error:
        unavailable(f"a network namespace of the tests' own ({error})", "run as root, or where user namespaces are allowed")


def test_it_ends_with_the_tests_even_where_they_are_killed(sandbox: Sandbox, tmp_path: Path) -> None:
    word = f"sleeper-{uuid.uuid4()}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    tests = subprocess.Popen([sys.executable, "-c", KILLED, word], cwd=ROOT, stdout=subprocess.PIPE, env=env)
    with tests:
        assert tests.stdout is not None
        assert tests.stdout.readline() == b"started\n"
        assert processes_with(word)
        tests.send_signal(signal.SIGKILL)
    until(lambda: not processes_with(word), within=5)


def test_what_listens_in_it_is_reached_through_its_door_alone(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = sandbox.start("server", sys.executable, "-m", "http.server", str(port), "--bind", "0.0.0.0")
    with sandbox.client(port) as client:
        until(lambda: answers(client, "http://inside/"))
        assert client.get("http://inside/").status_code == 200
    for host in ("127.0.0.1", LAN):
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            socket.create_connection((host, port), timeout=0.5)
    server.end()


def test_its_programs_get_nothing_of_our_environment_but_the_path(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    names = {line.partition("=")[0] for line in sandbox.run("env", "env", SAID="yes").splitlines()}
    assert names == {"PATH", "HOME", "SAID"}
