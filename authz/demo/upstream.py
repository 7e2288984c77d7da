"""The backend of the demo: answers every request with what reached it."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


async def _echo(request: Request) -> Response:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    target = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return JSONResponse({"upstream": "reached", "method": request.method, "path": target, "query": query, "headers": headers})


def upstream_app() -> Starlette:
    """Return the application."""
    return Starlette(routes=[Route("/{rest:path}", _echo, methods=list(METHODS))])
