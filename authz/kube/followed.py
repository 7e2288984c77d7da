"""One kind of object, followed in all namespaces, or in some."""

import asyncio
from collections import ChainMap
from collections.abc import Mapping, Sequence

from authz.kube.api import Object
from authz.kube.contents import by_kind
from authz.kube.programmed import version_of
from authz.kube.reflector import Reflector
from authz.service.standing import WatchState


class Followed:
    """Several watches of one kind, as if they were one: each knows other objects."""

    def __init__(self, reflectors: Sequence[Reflector]) -> None:
        self._reflectors = reflectors

    async def run(self) -> None:
        """Follow, for ever."""
        async with asyncio.TaskGroup() as group:
            for each in self._reflectors:
                group.create_task(each.run())

    @property
    def resource(self) -> str:
        """Their plural name."""
        return self._reflectors[0].resource

    @property
    def store(self) -> Mapping[str, Object]:
        """The objects, by `namespace/name`."""
        stores = [each.store for each in self._reflectors]
        return stores[0] if len(stores) == 1 else ChainMap(*stores)

    @property
    def version(self) -> str:
        """The resourceVersion up to which all are current; "" where one is not."""
        return min((each.version for each in self._reflectors), key=version_of)

    @property
    def is_synced(self) -> bool:
        """Whether everything has been told once."""
        return all(each.is_synced for each in self._reflectors)

    @property
    def is_answered(self) -> bool:
        """Whether it is known of each what there is, or that it may not be known."""
        return all(each.is_answered for each in self._reflectors)

    @property
    def refusal(self) -> int:
        """The status with which the server refused one of them; 0 where it did not."""
        return max(each.refusal for each in self._reflectors)

    @property
    def failure(self) -> str:
        """Why one of them cannot be followed now; "" where all can."""
        return next((each.failure for each in self._reflectors if each.failure), "")

    def state(self) -> WatchState:
        """Return how well all are followed, taken together."""
        (found,) = by_kind(each.state() for each in self._reflectors)
        return found

    def restore(self, objects: Mapping[str, Object]) -> None:
        """Begin with what was known at an earlier time."""
        for each in self._reflectors:
            each.restore({key: one for key, one in objects.items() if each.covers(key)})
