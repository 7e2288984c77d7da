"""A key ring at work in virtual time, as the service runs it."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from authz.service.keyring import KeyRing
from tests.builders import Installation, a_request
from tests.fakes import settle


def in_time(story: Callable[[], Coroutine[Any, Any, None]], seconds: float = 60) -> None:
    """Run a story; one that hangs fails."""
    asyncio.run(asyncio.wait_for(story(), seconds))


@asynccontextmanager
async def background(ring: KeyRing) -> AsyncIterator[None]:
    """While the ring fetches what is due."""
    task = asyncio.create_task(ring.run())
    try:
        await settle()
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def asked(installation: Installation, token: str, budget: float = 1.0, **request: Any) -> Any:
    """The decision about a request with this token, waited for where it has to be."""
    decision = installation.checker.check(a_request(token=token, **request), budget)
    return await decision if inspect.isawaitable(decision) else decision


async def reason(installation: Installation, token: str, **request: Any) -> str:
    """The reason of that decision."""
    return str((await asked(installation, token, **request)).reason.value)
