"""`authz serve` as a process: flags, signals, exit codes."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.builders import a_manifest
from tests.cli.command import authz

OPEN = a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]")
FREE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop_and_ends_well(tmp_path: Path, number: signal.Signals) -> None:
    folder, ready = tmp_path / "policies", tmp_path / "ready.json"
    folder.mkdir()
    (folder / "orders.yaml").write_text(OPEN)

    async def story() -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "authz", "serve", "--policies", str(folder), *FREE, "--drain", "0", "--ready-file", str(ready)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "AUTHZ_SERVE_UNPROTECTED": "open.example.com"},
        )
        try:
            assert process.stderr is not None
            told = (await asyncio.wait_for(process.stderr.readline(), 15)).decode()
            addresses = json.loads(ready.read_text())
            assert told == f"checks on {addresses['listen']} (gRPC), health and metrics on http://{addresses['admin']}\n"
            process.send_signal(number)
            stdout, stderr = await asyncio.wait_for(process.communicate(), 15)
        finally:
            if process.returncode is None:
                process.kill()
        assert (process.returncode, stderr) == (0, b"")
        events = [json.loads(line) for line in stdout.decode().splitlines()]
        assert [event["event"] for event in events] == ["policies.loaded", "ready", "stopping"]
        assert events[1]["unprotected"] == "open.example.com"

    asyncio.run(story())


def test_mistakes_are_all_told_at_once(tmp_path: Path) -> None:
    words = (
        "--listen",
        "nowhere",
        "--admin-listen",
        "127.0.0.1:port",
        "--client-address",
        "guess",
        "--tls-cert",
        "x",
        "--unprotected",
        "A b",
    )
    result = authz("serve", "--policies", tmp_path, *words, "--fetch-insecure", "no origin")
    assert (result.exit_code, result.stdout) == (2, "")
    for flag in ("--listen: ", "--admin-listen: ", "--client-address: ", "--tls-cert", "--unprotected", "--fetch-insecure"):
        assert flag in result.stderr
    assert result.stderr.startswith("authz: ")


@pytest.mark.parametrize(
    "words",
    [("--max-message-bytes", "1"), ("--max-deadline", "0"), ("--drain", "-1"), ("--allow-sample", "2"), ("--connection-age", "0")],
)
def test_numbers_have_their_bounds(tmp_path: Path, words: tuple[str, str]) -> None:
    result = authz("serve", "--policies", tmp_path, *words)
    assert result.exit_code == 2
    assert words[0] in result.stderr


def test_what_keeps_it_from_starting_is_told(tmp_path: Path) -> None:
    result = authz("serve", "--policies", tmp_path / "none", *FREE)
    assert result.exit_code == 3
    assert "none: no such file or directory; --policies names the directory" in result.stderr
    (tmp_path / "bad.yaml").write_text("{")
    result = authz("serve", "--policies", tmp_path, *FREE)
    assert result.exit_code == 3
    assert "it cannot be read what these are for" in result.stderr


def test_a_demo_without_envoy_is_told(tmp_path: Path) -> None:
    result = authz("demo", "--envoy", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "none" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give one of --policies DIR and --kube"),
        (("--policies", ".", "--kube"), "give one of --policies DIR and --kube"),
        (("--policies", ".", "--kubeconfig", "x"), "--kubeconfig goes with --kube"),
        (("--kube", "--kubeconfig", "/nowhere"), "--kubeconfig /nowhere: no such file"),
        (("--policies", ".", "--gateway", "a/b", "--snapshot", "x"), "--gateway, --snapshot go with --kube"),
        (("--kube", "--gateway", "b"), "b is not NAMESPACE/NAME"),
        (("--kube", "--watch-namespace", "UP"), "UP is no name of a namespace"),
        (("--kube", "--hosts-from", "UP"), "UP is not NAMESPACE or NAMESPACE=HOST,…"),
        (("--kube", "--hosts-from", "shop=*"), "shop=* is not NAMESPACE or NAMESPACE=HOST,…"),
    ],
)
def test_the_source_must_be_named_once_and_well(words: tuple[str, ...], told: str) -> None:
    result = authz("serve", *words)
    assert result.exit_code == 2
    assert told in result.stderr


def test_outside_a_pod_an_api_server_must_be_named() -> None:
    result = authz("serve", "--kube", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    assert result.exit_code == 3
    assert "name a kubeconfig with --kubeconfig FILE" in result.stderr
