"""An API server that does as it is told: each request gets the next answer of a script. The other side of the reflector."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubernetes.aio.client import ApiClient, Configuration
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from authz.admin.server import HttpServer
from authz.kube.api import Api

Reply = Callable[[Request], Response]


def policy(name: str, version: int, namespace: str = "shop", host: str = "api.example.com", created: str = "") -> dict[str, Any]:
    """An AuthPolicy as a server holds it: everyone may do everything."""
    return {
        "apiVersion": "ingress-authz.dev/v1alpha1",
        "kind": "AuthPolicy",
        "metadata": {
            "name": name, "namespace": namespace, "resourceVersion": str(version), "generation": 1, "managedFields": [{"manager": "x"}],
            **({"creationTimestamp": created} if created else {}),
        },
        "spec": {"hosts": [host], "rules": [{"name": "all", "allow": [{"name": "anyone", "anonymous": {}}]}]},
    }  # fmt: skip


def page(*items: dict[str, Any], version: int = 1, more: str = "") -> Reply:
    """One page of a list."""
    return lambda request: JSONResponse({"items": list(items), "metadata": {"resourceVersion": str(version), "continue": more}})


def refusal(status: int, message: str = "no") -> Reply:
    """An error as the API server writes it."""
    return lambda request: JSONResponse({"kind": "Status", "code": status, "message": message}, status)


def taken(each: dict[str, Any], status: int = 200) -> Reply:
    """An object as the server holds it now."""
    return lambda request: JSONResponse(each, status)


def silence() -> Reply:
    """An answer that begins and never ends."""

    async def body() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    return lambda request: StreamingResponse(body(), media_type="application/json")


def event(kind: str, each: dict[str, Any]) -> dict[str, Any]:
    """One event of a watch."""
    return {"type": kind, "object": each}


def bookmark(version: int, *, ends_list: bool = False) -> dict[str, Any]:
    """A bookmark, or the one that ends a streaming list."""
    annotations = {"k8s.io/initial-events-end": "true"} if ends_list else {}
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version), "annotations": annotations}})


def stream(*events: dict[str, Any] | bytes, stays: bool = True, after: asyncio.Event | None = None) -> Reply:
    """A watch: these events, then silence, or (`stays` False) the end. Nothing comes before `after` is set."""

    async def body() -> Any:
        if after is not None:
            await after.wait()
        for each in events:
            yield each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n"
        if stays:
            await asyncio.Event().wait()

    return lambda request: StreamingResponse(body(), media_type="application/json")


class Scripted:
    """Serves a script of replies; after its end, an endless quiet watch.

    `apart` has scripts of their own for resources (plural names), of each of which the last reply is given again and again.
    """

    def __init__(self, *script: Reply, apart: Mapping[str, Sequence[Reply]] | None = None) -> None:
        self.script = list(script)
        self.apart = {resource: list(replies) for resource, replies in (apart or {}).items()}
        self.asked: list[dict[str, str]] = []
        self.requests: list[tuple[Request, Any]] = []
        self.url = ""
        self._server = HttpServer(
            Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])
        )

    async def _answer(self, request: Request) -> Response:
        self.asked.append(dict(request.query_params))
        body = await request.body()
        self.requests.append((request, json.loads(body) if body else None))
        path = request.url.path
        apart = next((replies for resource, replies in self.apart.items() if path.endswith(resource)), None)
        if apart is not None:
            return (apart.pop(0) if len(apart) > 1 else apart[0])(request)
        reply = self.script.pop(0) if self.script else stream()
        return reply(request)

    async def start(self) -> Api:
        """Listen, and return a connection."""
        port = await self._server.start("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{port}"
        configuration = Configuration(host=self.url)
        configuration.client_session_kwargs = {"trust_env": False}
        return Api(ApiClient(configuration))

    async def stop(self) -> None:
        """Close; streams that are open are cut."""
        self._server._server.force_exit = True
        await self._server.stop()
