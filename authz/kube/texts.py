"""Texts in Secrets and ConfigMaps that policies refer to. Each object is followed by itself, and only while somebody refers to it."""

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from authz.kube.api import Api
from authz.kube.reflector import Pace, Reflector
from authz.model.reference import Missing, Reference
from authz.service.ports import Clock
from authz.service.standing import WatchState

_PLURALS: Final = {"Secret": "secrets", "ConfigMap": "configmaps"}
_Named = tuple[str, str, str]


class Texts:
    """Follows what is referred to. `took_up_more`: whether the last call of `follow` began to follow something."""

    def __init__(self, api: Api, clock: Clock, changed: Callable[[], None], pace: Pace | None = None) -> None:
        self._api = api
        self._clock = clock
        self._changed = changed
        self._pace = pace
        self.took_up_more = False
        self._followed: dict[_Named, tuple[Reflector, asyncio.Task[None]]] = {}

    def follow(self, references: Iterable[Reference]) -> None:
        """Follow the objects of these references from now on, and no others."""
        wanted = {(each.kind, each.namespace, each.name) for each in references}
        self.took_up_more = not wanted <= self._followed.keys()
        for named in list(self._followed):
            if named not in wanted:
                self._followed.pop(named)[1].cancel()
        for kind, namespace, name in wanted - self._followed.keys():
            narrow, path = self._api.narrowed(fieldSelector=f"metadata.name={name}"), f"/api/v1/namespaces/{namespace}/{_PLURALS[kind]}"
            reflector = Reflector(narrow, path, self._clock, self._changed, self._pace)
            self._followed[kind, namespace, name] = reflector, asyncio.create_task(reflector.run())

    @property
    def are_answered(self) -> bool:
        """Whether it is known of each object whether it is there."""
        return all(reflector.is_answered for reflector, _ in self._followed.values())

    def of(self, references: Iterable[Reference]) -> Mapping[Reference, str | Missing]:
        """Return the texts that are known, or why they are not there."""
        return {each: text for each in references if (text := self._text(each)) is not None}

    def _text(self, reference: Reference) -> str | Missing | None:
        found = self._followed.get((reference.kind, reference.namespace, reference.name))
        if found is None:
            return None
        reflector = found[0]
        each = reflector.store.get(f"{reference.namespace}/{reference.name}")
        if each is not None:
            return _data(each, reference)
        if reflector.is_synced:
            return Missing(f"there is no {reference.kind} {reference.namespace}/{reference.name}; create it, or correct the name")
        if reflector.refusal == 403:
            plural = _PLURALS[reference.kind]
            what = f"the service may not read the {reference.kind} {reference.namespace}/{reference.name}"
            return Missing(f"{what}: the operator grants get, list and watch on {plural} {reference.name} there (chart: references)")
        return None

    def states(self) -> list[WatchState]:
        """Return how well each object is followed."""
        return [reflector.state() for reflector, _ in self._followed.values()]

    def public(self) -> dict[str, dict[str, Any]]:
        """Return the ConfigMaps, by namespace/name: what a snapshot on disk may hold. Secrets are never among them."""
        found = {}
        for (kind, namespace, name), (reflector, _) in self._followed.items():
            if kind == "ConfigMap" and f"{namespace}/{name}" in reflector.store:
                found[f"{namespace}/{name}"] = reflector.store[f"{namespace}/{name}"]
        return found

    def restore(self, config_maps: Mapping[str, dict[str, Any]]) -> None:
        """Begin with ConfigMaps that were known at an earlier time."""
        for (kind, namespace, name), (reflector, _) in self._followed.items():
            if kind == "ConfigMap" and f"{namespace}/{name}" in config_maps:
                reflector.restore({f"{namespace}/{name}": config_maps[f"{namespace}/{name}"]})

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = [task for _, task in self._followed.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._followed = {}


def _data(each: Mapping[str, Any], reference: Reference) -> str | Missing:
    data = each.get("data") or {}
    if reference.key not in data:
        # Keys of a Secret are named to nobody: one of them could be the answer to a question that was not asked.
        return Missing(f"{reference}: it has no such key; add it, or name another")
    if reference.kind != "Secret":
        return str(data[reference.key])
    try:
        return base64.b64decode(data[reference.key], validate=True).decode()
    except (ValueError, TypeError):
        return Missing(f"{reference}: it is no text; write PEM or JSON there")
