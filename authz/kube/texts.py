"""Texts in Secrets and ConfigMaps that policies refer to. Each object or choice is followed by itself, and only while it is asked for."""

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from authz.kube.api import Api
from authz.kube.chosen import Chosen
from authz.kube.reflector import Pace, Reflector
from authz.model.reference import Missing, Reference, Selection, Text
from authz.service.ports import Clock
from authz.service.slices import Steps
from authz.service.standing import WatchState

_PLURALS: Final = {"Secret": "secrets", "ConfigMap": "configmaps"}
_Named = tuple[str, str, str]
_UNLABELLED: Final = Missing("without a label every Secret of the namespace would be chosen; name one")


class Texts:
    """Follows what is referred to. `took_up_more`: whether the last call of `follow` began to follow something."""

    def __init__(self, api: Api, clock: Clock, changed: Callable[[], None], pace: Pace | None = None) -> None:
        self._api = api
        self._clock = clock
        self._changed = changed
        self._pace = pace
        self.took_up_more = False
        self._followed: dict[_Named | Selection, tuple[Reflector, asyncio.Task[None]]] = {}
        self._chosen: dict[Selection, Chosen] = {}

    def follow(self, references: Iterable[Reference], selections: Iterable[Selection] = ()) -> None:
        """Follow the objects of these references and these choices of Secrets from now on, and no others. No cluster holds files."""
        chosen = {each for each in selections if each.labels}
        wanted: set[_Named | Selection] = {
            *chosen,
            *((each.kind, each.namespace, each.name) for each in references if each.kind in _PLURALS),
        }
        self.took_up_more = not wanted <= self._followed.keys()
        for each in list(self._followed):
            if each not in wanted:
                self._followed.pop(each)[1].cancel()
        self._chosen = {each: self._chosen.get(each) or Chosen(each) for each in chosen}
        for each in wanted - self._followed.keys():
            reflector = self._reflector(each)
            self._followed[each] = reflector, asyncio.create_task(reflector.run())

    def _reflector(self, each: _Named | Selection) -> Reflector:
        if isinstance(each, Selection):
            kind, namespace = "Secret", each.namespace
            narrow = self._api.narrowed(labelSelector=",".join(f"{key}={value}" for key, value in each.labels))
        else:
            kind, namespace, name = each
            narrow = self._api.narrowed(fieldSelector=f"metadata.name={name}")
        return Reflector(narrow, f"/api/v1/namespaces/{namespace}/{_PLURALS[kind]}", self._clock, self._changed, self._pace)

    @property
    def are_answered(self) -> bool:
        """Whether it is known of each object whether it is there, and of each choice what it comes to."""
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

    def selected(self, selections: Iterable[Selection]) -> Steps[Mapping[Selection, tuple[Text, ...] | Missing]]:
        """Return the steps that come to what is known of these choices: their texts, or why there are none."""
        found: dict[Selection, tuple[Text, ...] | Missing] = {}
        for each in selections:
            followed = self._followed.get(each)
            if not each.labels:
                found[each] = _UNLABELLED
            elif followed is not None and followed[0].is_synced:
                found[each] = yield from self._chosen[each].texts(followed[0].store)
            elif followed is not None and followed[0].refusal == 403:
                what = f"the service may not read {each}"
                found[each] = Missing(f"{what}: the operator grants get, list and watch on secrets there (chart: keySecrets.namespaces)")
        return found

    def states(self) -> list[WatchState]:
        """Return how well each object and each choice is followed."""
        return [reflector.state() for reflector, _ in self._followed.values()]

    def public(self) -> dict[str, dict[str, Any]]:
        """Return the ConfigMaps, by namespace/name: what a snapshot on disk may hold. Secrets are never among them."""
        found = {}
        for key, reflector in self._config_maps():
            if key in reflector.store:
                found[key] = reflector.store[key]
        return found

    def restore(self, config_maps: Mapping[str, dict[str, Any]]) -> None:
        """Begin with ConfigMaps that were known at an earlier time."""
        for key, reflector in self._config_maps():
            if key in config_maps:
                reflector.restore({key: config_maps[key]})

    def _config_maps(self) -> list[tuple[str, Reflector]]:
        named = [(each, reflector) for each, (reflector, _) in self._followed.items() if not isinstance(each, Selection)]
        return [(f"{namespace}/{name}", reflector) for (kind, namespace, name), reflector in named if kind == "ConfigMap"]

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
