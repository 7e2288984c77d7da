"""AuthPolicies of an API server as a source. Satisfies service.ports.Source."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from authz.api.decode import decode_object
from authz.kube.api import Api
from authz.kube.reflector import Pace, Reflector
from authz.model.declared import Contents, Declared, Stray
from authz.service.ports import Clock, SourceError
from authz.service.slices import Steps, in_slices

PATH: Final = "/apis/ingress-authz.dev/v1alpha1/authpolicies"
# A burst of changes becomes one update.
QUIET: Final = 0.05


class KubeSource:
    """Follows the AuthPolicies of all namespaces."""

    def __init__(self, api: Api, clock: Clock, pace: Pace | None = None) -> None:
        self._api = api
        self._clock = clock
        self._dirty = asyncio.Event()
        self._decoded: dict[str, tuple[dict[str, Any], Declared | Stray]] = {}
        self.reflector = Reflector(api, PATH, clock, self._dirty.set, pace)

    async def run(self) -> None:
        """Follow the server, for ever."""
        await self.reflector.run()

    async def close(self) -> None:
        """Close the connection."""
        await self._api.close()

    async def first(self) -> Contents:
        """Return everything that the server holds, once it has told. Its silence is waited out: it is no empty cluster."""
        while not self.reflector.is_synced:
            await self._dirty.wait()
            self._dirty.clear()
        return await in_slices(self._contents())

    async def changes(self) -> AsyncIterator[Contents | SourceError]:
        """Yield everything after each change."""
        while True:
            await self._dirty.wait()
            await self._clock.sleep(QUIET)
            self._dirty.clear()
            yield await in_slices(self._contents())

    def _contents(self) -> Steps[Contents]:
        decoded: dict[str, tuple[dict[str, Any], Declared | Stray]] = {}
        for key, each in list(self.reflector.store.items()):
            known = self._decoded.get(key)
            decoded[key] = known if known is not None and known[0] is each else (each, decode_object(each))
            yield
        self._decoded = decoded
        found = [each for _, each in decoded.values()]
        declared = tuple(each for each in found if isinstance(each, Declared))
        return Contents(declared, tuple(each for each in found if isinstance(each, Stray)))
