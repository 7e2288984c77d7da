"""Issuers' key sets over HTTPS: by discovery, or straight from a URL."""

from typing import Final

from authz.authn.discovery import DiscoveryError, default_url, jwks_uri
from authz.fetch.addresses import Names
from authz.fetch.client import Fetched, FetchLimits, HttpsClient
from authz.model.issuer import Issuer
from authz.service.ports import FetchedKeys, FetchError

# Documents that are asked for on condition that they have changed; the others are asked for whole.
_REMEMBERED: Final = 256


class HttpsKeys:
    """Satisfies service.ports.KeyFetcher."""

    def __init__(self, limits: FetchLimits, names: Names | None = None, remembered: int = _REMEMBERED) -> None:
        self._client = HttpsClient(limits, names)
        self._remembered = remembered
        self._earlier: dict[tuple[str, str], Fetched] = {}

    async def fetch(self, issuer: Issuer) -> FetchedKeys:
        """Return the issuer's JWKS. Raises FetchError."""
        if issuer.ca_from is not None:
            raise FetchError(f"{issuer.issuer}: its CA is in the {issuer.ca_from}, which nobody has read; only a cluster has it")
        deadline = self._client.deadline()
        try:
            url = issuer.keys.jwks_url or await self._discovered(issuer, deadline)
            fetched = await self._get(url, issuer.ca, deadline)
        except FetchError:
            raise
        except Exception as fault:
            raise FetchError(f"{issuer.issuer}: {type(fault).__name__}") from fault
        return FetchedKeys(fetched.body, fetched.max_age, url)

    async def _discovered(self, issuer: Issuer, deadline: float) -> str:
        url = issuer.keys.discovery_url or default_url(issuer.issuer)
        try:
            return jwks_uri((await self._get(url, issuer.ca, deadline)).body, issuer.issuer)
        except DiscoveryError as fault:
            self._earlier.pop((url, issuer.ca), None)
            raise FetchError(f"{url}: {fault}") from fault

    async def _get(self, url: str, ca: str, deadline: float) -> Fetched:
        """Return a document; one that was there before may come from memory where its server says that it still holds."""
        fetched = await self._client.get(url, ca, self._earlier.pop((url, ca), None), deadline)
        if fetched.etag:
            self._earlier[url, ca] = fetched
            if len(self._earlier) > self._remembered:
                del self._earlier[next(iter(self._earlier))]
        return fetched
