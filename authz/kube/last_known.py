"""What was last known, on disk: for a start without an API server. Holds AuthPolicies, routes and ConfigMaps, never a Secret."""

import asyncio
import json
import os
from collections.abc import Mapping
from errno import EFBIG
from pathlib import Path
from typing import Final

from authz.kube.api import Object, key_of
from authz.service.slices import Steps, in_slices

Objects = Mapping[str, Mapping[str, Object]]
FORMAT: Final = 1
# Characters. Two of them have room in the chart's volume: the file, and the new one beside it.
MAX_SIZE: Final = 28 << 20


class LastKnown:
    """One file, replaced whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._one_at_a_time = asyncio.Lock()

    def read(self) -> Objects | None:
        """Return the objects, by resource and then by `namespace/name`; None where there is no such file, or it cannot be used."""
        try:
            found = json.loads(self.path.read_bytes())
            objects: Objects = found["objects"]
            sound = all(_is_held(key, each) for held in objects.values() for key, each in held.items())
            return objects if found["format"] == FORMAT and sound else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    async def write(self, objects: Objects) -> None:
        """Replace the file. Raises OSError; what was there before stays then."""
        async with self._one_at_a_time:
            text = await in_slices(_text(objects))
            if sum(map(len, text)) > MAX_SIZE:
                raise OSError(EFBIG, f"larger than {MAX_SIZE >> 20} MiB")
            await asyncio.to_thread(self._replace, text)

    def _replace(self, text: list[str]) -> None:
        beside = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(text)
        beside.replace(self.path)


def _is_held(key: str, each: Object) -> bool:
    """Return whether a server can hold an object under this key. What else is in it, its readers look at."""
    metadata = each["metadata"]
    is_named = isinstance(metadata["name"], str) and isinstance(metadata.get("namespace", ""), str)
    return is_named and key_of(each) == key and isinstance(each.get("data") or {}, dict)


def _text(objects: Objects) -> Steps[list[str]]:
    pieces = [f'{{"format":{FORMAT},"objects":{{']
    for number, (resource, found) in enumerate(objects.items()):
        pieces.append(f"{',' if number else ''}{json.dumps(resource)}:{{")
        for at, (key, each) in enumerate(list(found.items())):
            pieces.append(f"{',' if at else ''}{json.dumps(key)}:{json.dumps(each, separators=(',', ':'))}\n")
            yield
        pieces.append("}")
    pieces.append("}}\n")
    return pieces
