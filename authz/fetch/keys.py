"""Issuers' key sets over HTTPS: by discovery, or straight from a URL."""

import asyncio

from authz.authn.discovery import DiscoveryError, default_url, jwks_uri
from authz.fetch.client import FetchLimits, HttpsClient
from authz.model.issuer import Issuer
from authz.service.ports import FetchedKeys, FetchError


class HttpsKeys:
    """Satisfies service.ports.KeyFetcher."""

    def __init__(self, limits: FetchLimits) -> None:
        self._client = HttpsClient(limits)
        self._seconds = limits.seconds

    async def fetch(self, issuer: Issuer) -> FetchedKeys:
        """Return the issuer's JWKS. Raises FetchError."""
        if issuer.ca_from is not None:
            raise FetchError(f"{issuer.issuer}: its CA is in the {issuer.ca_from}, which nobody has read; only a cluster has it")
        try:
            async with asyncio.timeout(self._seconds):
                url = issuer.keys.jwks_url or await self._discovered(issuer)
                fetched = await self._client.get(url, issuer.ca)
        except FetchError:
            raise
        except TimeoutError as fault:
            raise FetchError(f"{issuer.issuer}: its keys were not there within {self._seconds:g} s") from fault
        except Exception as fault:
            raise FetchError(f"{issuer.issuer}: {type(fault).__name__}") from fault
        return FetchedKeys(fetched.body, fetched.max_age)

    async def _discovered(self, issuer: Issuer) -> str:
        url = issuer.keys.discovery_url or default_url(issuer.issuer)
        try:
            return jwks_uri((await self._client.get(url, issuer.ca)).body, issuer.issuer)
        except DiscoveryError as fault:
            raise FetchError(f"{url}: {fault}") from fault
