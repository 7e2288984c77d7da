"""GET on the API server with the official client's connection: credentials, trust and token reload are the library's."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config.config_exception import ConfigException

CONNECT_SECONDS: Final = 5.0
NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class ApiError(Exception):
    """The API server refuses, or cannot be reached. `status` is 0 where there was no answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ConnectError(Exception):
    """There is no way to an API server; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for an answer in all, and between two pieces of it, in seconds."""

    total: float
    between: float


class Api:
    """One connection to an API server."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the object at a path. Raises ApiError."""
        async with self._answer(path, query, Patience(60, 30)) as answer:
            found: dict[str, Any] = json.loads(await answer.read())
            return found

    async def lines(self, path: str, query: Mapping[str, str], patience: Patience) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a watch, until the server ends it. Raises ApiError, also where it falls silent."""
        async with self._answer(path, query, patience) as answer:
            async for line in answer.content:
                if line.strip():
                    yield json.loads(line)

    @asynccontextmanager
    async def _answer(self, path: str, query: Mapping[str, str], patience: Patience) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=patience.total, sock_connect=CONNECT_SECONDS, sock_read=patience.between)
        answer: aiohttp.ClientResponse | None = None
        try:
            request = await self._client.param_serialize(
                "GET",
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
            )
            answer = (await self._client.call_api(*request, _request_timeout=timeout)).response
            if answer.status != 200:
                raise ApiError(answer.status, _told(await answer.text()))
            yield answer
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            raise ApiError(0, f"{type(fault).__name__}: {fault}"[:200]) from fault
        finally:
            if answer is not None:
                answer.close()  # A watch that was left half read must not go back to the pool.


def _told(text: str) -> str:
    try:
        return str(json.loads(text)["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return text[:200]


async def connect(kubeconfig: Path | None) -> Api:
    """Return a connection: by a kubeconfig where one is given, else by the pod's service account. Raises ConnectError."""
    configuration = Configuration()
    # A proxy meant for the Internet must not get between a pod and its API server.
    configuration.client_session_kwargs = {"trust_env": False}
    try:
        if kubeconfig is not None:
            await config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as fault:
        hint = "run in a pod with a service account, or name a kubeconfig with --kubeconfig FILE"
        raise ConnectError(f"no API server is known: {fault}; {hint}") from fault
    return Api(ApiClient(configuration))


def own_namespace() -> str:
    """Return the namespace of the pod that this runs in, or "" outside a pod."""
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
