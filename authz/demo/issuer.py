"""A demo issuer of tokens. It gives a token to anyone who asks, so it is for demonstrations and tests on loopback only."""

import json
import time
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

NOTICE = "demo issuer: gives a token to anyone who asks; never use it for anything else"


class DemoIssuer:
    """Signs tokens with a key that it makes at the start."""

    def __init__(self, url: str = "", now: Callable[[], float] = time.time) -> None:
        self.url = url
        self._now = now
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, audience: str = "orders", scope: str = "", subject: str = "alice", lifetime: int = 3600) -> str:
        """Return an access token (RFC 9068) for `audience`; `lifetime` in seconds may be negative."""
        now = int(self._now())
        claims = {
            "iss": self.url,
            "aud": audience,
            "sub": subject,
            "client_id": "demo",
            "iat": min(now, now + lifetime),
            "exp": now + lifetime,
            "scope": scope,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "demo-1", "typ": "at+jwt"})

    def jwks(self) -> dict[str, object]:
        """Return the key set that it publishes."""
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        public.pop("key_ops", None)
        return {"keys": [{**public, "kid": "demo-1", "use": "sig", "alg": "RS256"}]}

    def app(self) -> Starlette:
        """Return its web pages: discovery, key set, and `/token?aud=…&scope=…&sub=…&lifetime=…`."""

        async def home(request: Request) -> Response:
            return PlainTextResponse(f"{NOTICE}\n")

        async def discovery(request: Request) -> Response:
            return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/keys", "token_endpoint": f"{self.url}/token"})

        async def keys(request: Request) -> Response:
            return JSONResponse(self.jwks())

        async def token(request: Request) -> Response:
            asked = request.query_params
            try:
                lifetime = int(asked.get("lifetime", "3600"))
            except ValueError:
                return PlainTextResponse("lifetime is a number of seconds\n", 400)
            audience, scope = asked.get("aud", "orders"), asked.get("scope", "")
            return PlainTextResponse(self.token(audience, scope, asked.get("sub", "alice"), lifetime))

        pages = (("/", home), ("/.well-known/openid-configuration", discovery), ("/keys", keys), ("/token", token))
        return Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages])
