"""The six requests of the demo: as `curl` lines to copy, and tried by the demo itself."""

from dataclasses import dataclass
from typing import Any, Final

import httpx2


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and what must come of it.

    Attributes:
        token: query of the demo issuer's /token, or None for a request without a token.
        source: the loopback address to send from, or "".
        reason: the `code` of the answer where it is denied, "" where it is allowed.
        subject: what the upstream must get as x-auth-subject, where it is allowed.
    """

    title: str
    why: str
    status: int
    reason: str = ""
    token: str | None = None
    source: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    subject: str = ""
    path: str = "/orders/7"

    def curl(self, gateway: str, issuer: str) -> str:
        """Return the line to copy into a shell."""
        parts = ["curl -i"]
        if self.source:
            parts.append(f"--interface {self.source}")
        if self.token is not None:
            parts.append(f"-H \"Authorization: Bearer $(curl -s '{issuer}/token?{self.token}')\"")
        parts += [f"-H '{name}: {value}'" for name, value in self.headers]
        return " ".join([*parts, f"{gateway}{self.path}"])


ATTEMPTS: Final = (
    Attempt("no token", "the rule `read` asks for a token", 401, "credentials_missing"),
    Attempt("a good token", "right audience, right scope", 200, token="aud=orders&scope=orders.read", subject="alice"),
    Attempt("wrong audience", "the token is for another API", 401, "token_audience", token="aud=billing&scope=orders.read"),
    Attempt("missing scope", "the token may write, not read", 403, "scope_insufficient", token="aud=orders&scope=orders.write"),
    Attempt(
        "denied address",
        "the policy denies 127.0.0.2, token or not",
        403,
        "rule_deny",
        token="aud=orders&scope=orders.read",
        source="127.0.0.2",
    ),
    Attempt(
        "spoofed identity header",
        "allowed, but the upstream sees who the token speaks of",
        200,
        token="aud=orders&scope=orders.read",
        headers=(("X-Auth-Subject", "admin"), ("X_Auth_Subject", "admin")),
        subject="alice",
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: `differs` says how it is not what it must be, or ""."""

    attempt: Attempt
    status: int
    reason: str
    differs: str


async def tried(attempt: Attempt, gateway: str, issuer: str) -> Outcome:
    """Send the request and compare what comes back."""
    headers = list(attempt.headers)
    async with httpx2.AsyncClient(trust_env=False) as client:
        if attempt.token is not None:
            token = (await client.get(f"{issuer}/token?{attempt.token}")).text
            headers.append(("Authorization", f"Bearer {token}"))
    transport = httpx2.AsyncHTTPTransport(local_address=attempt.source or None)
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
        answer = await client.get(f"{gateway}{attempt.path}", headers=headers)
    body: dict[str, Any] = answer.json() if answer.content else {}
    reason = str(body.get("code", ""))
    return Outcome(attempt, answer.status_code, reason, _difference(attempt, answer, body))


def _difference(attempt: Attempt, answer: httpx2.Response, body: dict[str, Any]) -> str:
    if answer.status_code != attempt.status:
        return f"status {answer.status_code}, not {attempt.status}"
    if body.get("code", "") != attempt.reason:
        return f"reason {body.get('code')}, not {attempt.reason}"
    if answer.status_code == 401 and "Bearer" not in answer.headers.get("www-authenticate", ""):
        return "no challenge"
    return _upstream_difference(attempt, body.get("headers", {})) if attempt.status == 200 else ""


def _upstream_difference(attempt: Attempt, seen: dict[str, str]) -> str:
    if seen.get("x-auth-subject") != attempt.subject:
        return f"the upstream got x-auth-subject {seen.get('x-auth-subject')}, not {attempt.subject}"
    if "x_auth_subject" in seen:
        return "the upstream got a look-alike of x-auth-subject"
    return "the upstream got the token" if "authorization" in seen else ""
