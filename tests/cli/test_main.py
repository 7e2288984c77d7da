"""`authz` without anything, and what its subcommands have in common."""

import subprocess
import sys
from importlib import import_module

import pytest

from authz import __version__
from authz.cli import exits
from authz.cli.main import COMMANDS
from authz.settings import SettingsError
from tests.cli.command import authz

# `authz.cli` has a function of this name, too.
main_module = import_module("authz.cli.main")


def test_alone_it_says_what_it_is_and_where_to_begin() -> None:
    result = authz()
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "decides the requests that Envoy asks about" in lines[0]
    for command in ("demo", "validate", "explain"):
        assert any(line.strip().startswith(f"authz {command}") for line in lines)
    assert len([line for line in lines if line]) <= 6


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command(flag: str) -> None:
    result = authz(flag)
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = authz(command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: authz {command}")


def test_it_tells_its_version() -> None:
    assert authz("--version").stdout == f"authz, version {__version__}\n"


@pytest.mark.parametrize("words", [("nothing",), ("--nothing",), ("validate",), ("validate", "--nothing", ".")])
def test_what_it_does_not_understand_is_a_usage_mistake(words: tuple[str, ...]) -> None:
    result = authz(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage: authz" in result.stderr


def test_a_demo_without_its_packages_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name}", name="envoy_data_plane")

    monkeypatch.setattr(main_module, "import_module", missing)
    result = authz("demo")
    assert result.exit_code == 1
    assert "envoy_data_plane is missing: install ingress-authz[demo]" in result.stderr
    with pytest.raises(ModuleNotFoundError):
        raise authz("check").exception or AssertionError


def test_it_is_a_module_too() -> None:
    done = subprocess.run([sys.executable, "-m", "authz", "--version"], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, f"authz, version {__version__}\n")


def test_the_schema_for_kubernetes_is_printed() -> None:
    result = authz("crd")
    assert result.exit_code == 0
    assert "kind: CustomResourceDefinition" in result.stdout


def test_a_fault_of_ours_has_a_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    @exits.coded
    def broken() -> int:
        raise ZeroDivisionError("by zero")

    with pytest.raises(SystemExit) as code:
        broken()
    assert code.value.code == exits.FAULT == 5
    assert "a fault of ours (ZeroDivisionError: by zero); please report it" in capsys.readouterr().err


def test_mistakes_of_settings_are_all_told_with_the_code_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    @exits.coded
    def mistaken() -> int:
        raise SettingsError(["--a: one", "--b: two"])

    with pytest.raises(SystemExit) as code:
        mistaken()
    assert code.value.code == exits.USAGE == 2
    assert capsys.readouterr().err == "authz: --a: one\n       --b: two\n"


def test_an_interruption_is_not_a_fault() -> None:
    @exits.coded
    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
