"""Stories of an issuer whose keys are fetched: once, again, not at all, others."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from authz.authn.keys import ALGORITHMS, KeySet, KeySetError, key_set
from authz.fetch.client import FetchLimits
from authz.fetch.keys import HttpsKeys
from authz.model.issuer import KeySource
from authz.service.ports import FetchedKeys, FetchError
from tests.builders import ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, a_token, rsa_key
from tests.policy.given import an_issuer

PROVIDER: Final = "https://provider.example.com"
RULES: Final = f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{{name: idp, issuer: {ISSUER}}}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]
"""


def loaded(text: bytes) -> Any:
    """The keys of a JWKS, or why it has none."""
    try:
        found: KeySet = key_set(text, ALGORITHMS)
    except KeySetError as fault:
        return str(fault)
    return found


def fetched(text: bytes | None, after: float = 0) -> str:
    """How often keys are fetched, `after` seconds after the first time; what a request gets where they cannot be."""

    async def story() -> str:
        installation = Installation(a_manifest(RULES))
        if text is None:
            installation.fetcher.answers[ISSUER] = FetchError("404 Not Found")
            return await _reason(installation, a_token())
        installation.fetcher.answers[ISSUER] = FetchedKeys(text)
        running = asyncio.create_task(installation.ring.run())
        await installation.clock.advance(after)
        running.cancel()
        return "once" if len(installation.fetcher.asked) == 1 else "again"

    return asyncio.run(story())


async def _reason(installation: Installation, token: str) -> str:
    answer = installation.checker.check(a_request(token=token), 1.0)
    decision: Any = await answer if isinstance(answer, Awaitable) else answer
    return str(decision.reason.value)


def changed(kid: str) -> str:
    """What a token of the issuer's new key, of this name, gets: at once, and after the cooldown."""

    async def story() -> str:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks().encode())
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks(a_jwk(rsa_key("two"), kid)).encode())
        token = a_token(rsa_key("two"), kid=kid)
        first = await _reason(installation, token)
        await installation.clock.advance(30)
        return f"{first}, {await _reason(installation, token)}"

    return asyncio.run(story())


def over_http() -> str:
    """What is said of an issuer without TLS."""
    issuer = an_issuer(issuer="http://provider.example.com", keys=KeySource())
    try:
        asyncio.run(HttpsKeys(FetchLimits()).fetch(issuer))
    except FetchError as fault:
        return "only https is fetched" if "only https is fetched" in str(fault) else str(fault)
    return "fetched"
