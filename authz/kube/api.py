"""Requests to the API server over the official client's connection: credentials, trust and token reload are the library's."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config.config_exception import ConfigException

CONNECT_SECONDS: Final = 5.0
NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
# Who we are to server-side apply: the name beside the fields that are ours.
FIELD_MANAGER: Final = "ingress-authz"
# Watches that were cut short take a few turns of the loop to end their TLS.
_GOODBYE: Final = 0.02
_QUERY: Final = re.compile(r"\?\S*")
_JSON: Final = "application/json"
_APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML, too.

Object = dict[str, Any]


def key_of(each: Object) -> str:
    """Return `namespace/name` of an object."""
    metadata = each["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


class ApiError(Exception):
    """The API server refuses, or cannot be reached.

    Attributes:
        status: the HTTP status; 0 where there was no answer.
        retry_after: for how many seconds the server wants to be left alone; 0 where it does not say.
    """

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    def told(self, grant: str) -> str:
        """Return the message, and for one who may not (403) what to grant."""
        return f"{self}; grant {grant}" if self.status == 403 else str(self)


class ConnectError(Exception):
    """There is no way to an API server; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for an answer in all, and between two pieces of it, in seconds."""

    total: float
    between: float


READING: Final = Patience(60, 30)
WRITING: Final = Patience(10, 10)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Object | None = None
    content_type: str = _JSON


class Api:
    """One connection to an API server. `renew` gets fresh credentials where the server takes ours for none (401)."""

    def __init__(self, client: ApiClient, renew: Callable[[], Awaitable[None]] | None = None) -> None:
        self._client = client
        self._renew = renew
        self._always: dict[str, str] = {}

    def narrowed(self, **query: str) -> "Api":
        """Return the same connection, asking with this query each time: `labelSelector`, `fieldSelector`."""
        narrow = Api(self._client, self._renew)
        narrow._always = {**self._always, **query}
        return narrow

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()
        await asyncio.sleep(_GOODBYE)

    async def get(self, path: str, query: Mapping[str, str], patience: Patience = READING) -> Object:
        """Return the object at a path. Raises ApiError."""
        return await self._object(_Request("GET", path, query), patience)

    async def create(self, path: str, body: Object, patience: Patience = WRITING) -> Object:
        """Create an object in the collection at a path, and return it as the server holds it. Raises ApiError: 409 where it exists."""
        return await self._object(_Request("POST", path, {"fieldManager": FIELD_MANAGER}, body), patience)

    async def replace(self, path: str, body: Object, patience: Patience = WRITING) -> Object:
        """Replace the object at a path. Raises ApiError: 409 where it is no longer of the body's resourceVersion."""
        return await self._object(_Request("PUT", path, {"fieldManager": FIELD_MANAGER}, body), patience)

    async def apply(self, path: str, body: Object, patience: Patience = WRITING) -> Object:
        """Say what our part of the object at a path is (server-side apply), whoever wrote it before. Raises ApiError.

        409 where the body gives a resourceVersion or uid that is no longer the object's.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._object(_Request("PATCH", path, query, body, _APPLY), patience)

    async def delete(self, path: str, patience: Patience = WRITING) -> None:
        """Delete the object at a path. Raises ApiError: 404 where it is gone."""
        await self._object(_Request("DELETE", path), patience)

    async def lines(
        self, path: str, query: Mapping[str, str], patience: Patience, accepted: Callable[[], None] = lambda: None
    ) -> AsyncIterator[Object]:
        """Yield the events of a watch, until the server ends it. Raises ApiError, also where it falls silent.

        `accepted` is called when the server has agreed to tell them, which may be long before the first.
        """
        async with self._answer(_Request("GET", path, query), patience) as answer:
            accepted()
            async for line in answer.content:
                if line.strip():
                    yield json.loads(line)

    async def _object(self, request: _Request, patience: Patience) -> Object:
        async with self._answer(request, patience) as answer:
            found: Object = json.loads(await answer.read())
            return found

    @asynccontextmanager
    async def _answer(self, request: _Request, patience: Patience) -> AsyncIterator[aiohttp.ClientResponse]:
        answer: aiohttp.ClientResponse | None = None
        try:
            answer = await self._sent(request, patience)
            if answer.status == 401 and self._renew is not None:
                answer.close()
                await self._renew()
                answer = await self._sent(request, patience)
            if answer.status >= 300:
                raise ApiError(answer.status, _told(await answer.text()), _seconds(answer.headers.get("Retry-After", "")))
            yield answer
        except (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError, ConfigException) as fault:
            # What was asked for is long and says nothing new.
            raise ApiError(0, f"{type(fault).__name__}: {_QUERY.sub('', str(fault))}"[:200]) from fault
        finally:
            if answer is not None:
                answer.close()  # A watch that was left half read must not go back to the pool.

    async def _sent(self, request: _Request, patience: Patience) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=patience.total, sock_connect=CONNECT_SECONDS, sock_read=patience.between)
        parts = await self._client.param_serialize(
            request.method,
            request.path,
            query_params=list({**self._always, **request.query}.items()),
            header_params={"Accept": _JSON, "Content-Type": request.content_type},
            body=request.body,
            auth_settings=["BearerToken"],
        )
        answer: aiohttp.ClientResponse = (await self._client.call_api(*parts, _request_timeout=timeout)).response
        return answer


def _told(text: str) -> str:
    try:
        return str(json.loads(text)["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return text[:200]


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0


async def connect(kubeconfig: Path | None, *, lenient_ca: bool = False) -> Api:
    """Return a connection: by a kubeconfig where one is given, else by the pod's service account. Raises ConnectError.

    `lenient_ca`: take certificates that lack what RFC 5280 asks for (an authority key identifier, most often), as Python before 3.13 did.
    """
    configuration = Configuration()
    configuration.disable_strict_ssl_verification = lenient_ca
    # A proxy meant for the Internet must not get between a pod and its API server.
    # An object has 1.5 MB at most, of which each character may be written as six.
    configuration.client_session_kwargs = {"trust_env": False, "read_bufsize": 8 * 1024 * 1024}
    # Each watch holds a connection for minutes; the library's limit (100) would leave none for the others.
    configuration.connection_pool_maxsize = 0

    async def load() -> None:
        if kubeconfig is not None:
            await config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)

    try:
        await load()
    except (ConfigException, OSError) as fault:
        hint = "run in a pod with a service account, or name a kubeconfig with --kubeconfig FILE"
        raise ConnectError(f"no API server is known: {str(fault).rstrip('.')}; {hint}") from fault
    client = ApiClient(configuration)
    client.user_agent = FIELD_MANAGER  # In the server's audit log, for one.
    return Api(client, load)


def own_namespace() -> str:
    """Return the namespace of the pod that this runs in, or "" outside a pod."""
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
