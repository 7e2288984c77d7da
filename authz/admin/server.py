"""/livez, /readyz, /metrics and /routes."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from authz.service.coverage import Cover, CoveredRoute


def admin_app(
    why_not_ready: Callable[[], str], metrics: Callable[[], bytes], content_type: str, routes: Callable[[], Iterable[CoveredRoute]] = tuple
) -> Starlette:
    """Return the application. `why_not_ready` returns "" once checks can be answered; `routes` are the accepted ones."""

    async def livez(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        why = why_not_ready()
        return PlainTextResponse(f"{why}\n", 503) if why else PlainTextResponse("ok\n")

    async def metrics_page(request: Request) -> Response:
        return Response(metrics(), media_type=content_type)

    async def routes_page(request: Request) -> Response:
        wanted = request.query_params.get("cover")
        if wanted is not None and wanted not in tuple(Cover):
            return PlainTextResponse(f"cover is one of {', '.join(Cover)}\n", 400)
        return JSONResponse([_told(each) for each in routes() if wanted in (None, each.cover)])

    pages = (("/livez", livez), ("/readyz", readyz), ("/metrics", metrics_page), ("/routes", routes_page))
    return Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages])


def _told(each: CoveredRoute) -> dict[str, object]:
    told = {"route": str(each.route), "gateway": str(each.gateway), "hosts": each.hosts, "cover": each.cover.value, "policy": each.policy}
    return {name: value for name, value in told.items() if value}


class HttpServer:
    """Serves an ASGI application on one address, inside a loop that somebody else runs. `port` is where; 0 before."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        self._server = _Quiet(config)
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError where the address cannot be had."""
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Sockets of this kind wait for more to send (Nagle) unless told not to.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        self.port = int(listener.getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Close the listener and end."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Quiet(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the application's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
