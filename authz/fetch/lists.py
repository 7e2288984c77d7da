"""Revocation lists from where certificates say that they are."""

from dataclasses import replace
from typing import Final

from authz.fetch.addresses import Names
from authz.fetch.client import LIST_TYPES, FetchLimits, HttpsClient
from authz.service.ports import FetchError

# Octets of a list: several hundred thousand certificates.
MAX_BYTES: Final = 16 * 1024 * 1024


class HttpsLists:
    """Satisfies service.ports.ListFetcher."""

    def __init__(self, limits: FetchLimits, names: Names | None = None) -> None:
        self._client = HttpsClient(replace(limits, max_bytes=MAX_BYTES), names, LIST_TYPES)

    async def fetch(self, url: str) -> bytes:
        """Return the list at `url`. Raises FetchError."""
        try:
            return (await self._client.get(url)).body
        except FetchError:
            raise
        except Exception as fault:
            raise FetchError(f"{url}: {type(fault).__name__}") from fault
