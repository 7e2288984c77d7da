"""The targets: found by their modules, so that a new module is a new target."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

TARGETS = tuple(sorted(file.stem for file in (Path(__file__).parent / "targets").glob("[a-z]*.py")))


class Target(Protocol):
    """What a module in targets/ gives."""

    FOUND: Mapping[str, bytes]

    def fuzz(self, data: bytes) -> None: ...

    def seeds(self) -> Iterable[bytes]: ...


def target(name: str) -> Target:
    """The target of this name. Its module is imported here and not before: what it imports may have to be instrumented."""
    return cast(Target, import_module(f"tests.fuzz.targets.{name}"))
