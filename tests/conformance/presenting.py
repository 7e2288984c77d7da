"""Tokens of any octets, properly signed, and a whole service that is asked what it makes of them."""

import asyncio
import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt import get_algorithm_by_name

from authz.service.ports import FetchedKeys
from tests.builders import AUDIENCE, ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, rsa_key
from tests.fakes import NOON

Signer = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
HEADER: Final = {"alg": "RS256", "kid": "k1", "typ": "at+jwt"}
CLAIMS: Final = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": int(NOON) - 60, "exp": int(NOON) + 3600}
# Every algorithm of public keys that can be configured.
EVERY: Final = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"


def part(value: object) -> str:
    """One part of a token: octets as they are, anything else as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: object = HEADER, claims: object = CLAIMS, key: Signer | None = None, by: str = "RS256") -> str:
    """A token of this header and these claims, both whatever they may be, with a signature that holds."""
    signing = f"{part(header)}.{part(claims)}"
    return f"{signing}.{part(get_algorithm_by_name(by).sign(signing.encode(), key or rsa_key()))}"


def with_header(**changes: Any) -> str:
    """A good token but for this in its header; None stands for absent."""
    return signed(_without_none({**HEADER, **changes}))


def with_claims(**changes: Any) -> str:
    """A good token but for these claims; None stands for absent."""
    return signed(claims=_without_none({**CLAIMS, **changes}))


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def a_service(*members: Any, algorithms: str = "RS256, ES256, EdDSA", more: str = "", forward: str = "") -> Installation:
    """A service whose issuer publishes these keys, which were fetched."""

    async def fetching() -> Installation:
        installation = Installation(
            a_manifest(f"""
hosts: [api.example.com]
audiences: [{AUDIENCE}]
issuers: [{{name: idp, issuer: {ISSUER}, algorithms: [{algorithms}]{more}}}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]{forward}}}]
""")
        )
        installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks(*members).encode())
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        return installation

    return asyncio.run(fetching())


@cache
def _usual() -> Installation:
    return a_service(a_jwk())


def reason(token: str, installation: Installation | None = None) -> str:
    """Why the service allows or denies a request with this token. It raises nothing and faults on nothing."""
    return str((installation or _usual()).decide(a_request(token=token)).reason.value)
