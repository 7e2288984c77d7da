"""A shop for tests of API keys: the keys, their records, what policies ask of them, and clients that send them."""

import asyncio
import hmac
import json
import secrets
from collections import Counter
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from authz.model.api_key import KeyState
from tests import canaries
from tests.builders import a_manifest
from tests.e2e.house import House, Kept
from tests.e2e.wire import Line
from tests.service.waiting import until

ALLOWED = (200, "")
MISSING, INVALID, SCOPE = (401, "credentials_missing"), (401, "key_invalid"), (403, "apikey_scope")
SEVERAL = (400, "credentials_multiple")
HEADER, OLD_NAME = b"ocp-apim-subscription-key", b"Ocp-Apim-Subscription-Key"
DIGEST_KEY = secrets.token_bytes(32)


def a_key(key_id: str) -> str:
    return canaries.note(f"{key_id}.{secrets.token_urlsafe(32)}")


def a_record(key: str, *scopes: str, **more: Any) -> str:
    key_id = more.pop("id", key.partition(".")[0])
    plain = {"id": key_id, "digest": f"sha256:{sha256(key.encode()).hexdigest()}", "subscription": "acme", "scopes": list(scopes)}
    return json.dumps(plain | more) + "\n"


ORDERS, SECONDARY, GOLD, BILLING, EVERYTHING = map(a_key, ("k1", "k2", "gold", "billing", "every"))
EXPIRED, EARLY, UNKNOWN, IMPORTED = (a_key("late"), a_key("early"), a_key("k1"), canaries.note(secrets.token_hex(16)))
SHORT = "short-and-old"
STATES = {state: a_key(state.value.lower()) for state in KeyState if state is not KeyState.ACTIVE}
KEYS = "".join(
    [
        a_record(ORDERS, "orders", labels={"owner": "team-blue"}),
        a_record(SECONDARY, "orders", slot="Secondary"),
        a_record(GOLD, "gold"),
        a_record(BILLING, "billing"),
        a_record(EVERYTHING, "*"),
        a_record(EXPIRED, "orders", notAfter="2020-01-01T00:00:00Z"),
        a_record(EARLY, "orders", notBefore="2100-01-01T00:00:00Z"),
        a_record(IMPORTED, "orders", id="imported"),
        a_record(SHORT, "orders", id="short", digest=f"hmac-sha256:{hmac.digest(DIGEST_KEY, SHORT.encode(), 'sha256').hex()}"),
        *(a_record(key, "orders", state=state.value) for state, key in STATES.items()),
    ]
)
PLACES = "{header: Ocp-Apim-Subscription-Key}, {query: subscription-key}, {cookie: key}, {header: Authorization, scheme: SharedKey}"


def policy(host: str, rules: str, file: str = "keys.jsonl", places: str = PLACES) -> str:
    name = host.partition(".")[0]
    keys = f"[{{name: subscriptions, from: {{file: {file}}}, in: [{places}]}}]"
    return a_manifest(f"hosts: [{host}]\napiKeys: {keys}\nrules: {rules}", name)


# A key of the API's own scope, or of a product that the API is in.
RULES = """
- {name: open, matches: [{path: {type: Exact, value: /open}}], allow: [{name: anyone, anonymous: {}}]}
- name: orders
  allow: [{name: subscribers, apiKey: {from: subscriptions, scopes: [orders, gold]}}]
  forward:
    headers:
    - {name: x-auth-key, from: {apiKey: [id]}}
    - {name: x-auth-subscription, from: {apiKey: [subscription]}}
    - {name: x-auth-owner, from: {apiKey: [labels, owner]}}
"""
SIMPLE = "[{name: any, allow: [{name: subscribers, apiKey: {from: subscriptions, scopes: [orders]}}]}]"
CLOSED = "{name: subscribers, apiKey: {from: subscriptions, scopes: [orders]}}"
# All products require a key? The API requires one? What nobody needs a key for has an alternative that says so.
MATRIX = {(True, True): "", (True, False): ", {name: api, anonymous: {}}", (False, True): ", {name: product, anonymous: {}}"}
MATRIX[False, False] = ", {name: product, anonymous: {}}, {name: api, anonymous: {}}"


def matrix() -> str:
    rules = (
        f"{{name: r{at}, matches: [{{path: {{type: Exact, value: /{at}}}}}], allow: [{CLOSED}{more}]}}"
        for at, more in enumerate(MATRIX.values())
    )
    return policy("matrix.example", f"[{', '.join(rules)}]")


class Shop:
    """The house, kept for all tests, and what a client asks of it."""

    def __init__(self, at: Kept[House]) -> None:
        self.at = at

    def ask(self, *lines: Line, host: str = "keys.example", target: str = "/", door: str = "plain") -> tuple[int, str]:
        """The outcome of a request."""
        return self.at.run(self.at.value.ask(door, host, target, lines)).outcome

    def head(self) -> bytes:
        """What reached the backend last."""
        return self.at.value.backend.heads[-1]


def header(key: str, name: bytes = HEADER) -> Line:
    return name, key.encode()


def ways(key: str) -> list[tuple[str, tuple[Line, ...]]]:
    """The target and the lines of a request, for each place where a key is looked for."""
    return [
        ("/orders?a=1&b=%20", (header(key),)),
        ("/orders?a=1&b=%20", (header(key, OLD_NAME),)),
        (f"/orders?a=1&subscription-key={key}&b=%20", ()),
        (f"/orders?a=1&b=%20&subscription%2Dkey={key}", ()),
        ("/orders?a=1&b=%20", ((b"cookie", f"theme=dark; key={key}; lang=en".encode()),)),
        ("/orders?a=1&b=%20", ((b"authorization", f"SharedKey {key}".encode()),)),
        ("/orders?a=1&b=%20", ((b"authorization", f"sharedkey {key}".encode()),)),
    ]


class Traffic:
    """Clients that send one request after the other, with the key that they have just then."""

    def __init__(self, at: House, host: str, key: str) -> None:
        self.key = key
        self.outcomes: Counter[tuple[int, str]] = Counter()
        self._under_way: Counter[str] = Counter()
        self._at = at
        self._host = host

    @asynccontextmanager
    async def coming(self) -> Any:
        tasks = [asyncio.create_task(self._send()) for _ in range(4)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            key = self.key
            self._under_way[key] += 1
            answered = await self._at.ask("plain", self._host, lines=(header(key),))
            self.outcomes[answered.outcome] += 1
            self._under_way[key] -= 1

    async def exchange(self, key: str) -> None:
        """Take another key, and return once no request with the old one is under way."""
        old, self.key = self.key, key
        await until(lambda: not self._under_way[old], 20)

    async def go_on(self, requests: int = 40) -> None:
        """Return once so many more were answered."""
        enough = self.outcomes.total() + requests
        await until(lambda: self.outcomes.total() >= enough, 20)


async def comes(at: House, host: str, key: str, outcome: tuple[int, str]) -> None:
    """Return once this is the outcome."""
    async with asyncio.timeout(20):
        while (await at.ask("plain", host, lines=(header(key),))).outcome != outcome:
            pass
