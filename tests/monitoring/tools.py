"""Prometheus' own programs."""

import shutil

from tests.conftest import unavailable


def prometheus() -> str:
    """The server's path; without it the test is skipped, or fails where nothing may be skipped."""
    return _program("prometheus")


def promtool() -> str:
    """The path of the program that checks rules and names."""
    return _program("promtool")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        unavailable(name, "apt-get install --no-install-recommends prometheus, or its release on PATH")
    assert found is not None
    return found
