"""Through a real Envoy: what a client writes into headers that are the service's, Envoy's or another proxy's."""

import asyncio
from itertools import product
from pathlib import Path

import pytest

from tests.builders import a_manifest
from tests.e2e.gate import PLAIN, RAW_HEADERS, TRUSTING, gate
from tests.e2e.spellings import METHODS
from tests.e2e.test_envoy import bearer, policy
from tests.e2e.wire import Asked, Line, lines_of, values_of

pytestmark = pytest.mark.envoy

SHAPES = {"plain": PLAIN, "trusting": TRUSTING, "raw headers": RAW_HEADERS}
TOKEN = bearer()["authorization"].encode()
ALLOWED = (b"authorization", TOKEN)
SPELLINGS = [b"x" + a + b"auth" + b + b"subject" for a, b in product((b"-", b"_"), repeat=2)]
BOTH = (False, True)


def identities(head: bytes) -> list[Line]:
    return [(name, value) for name, value in lines_of(head) if name.replace(b"_", b"-") == b"x-auth-subject"]


FORGED = [
    *([(spelling, b"root")] for spelling in SPELLINGS),
    [(spelling, b"root") for spelling in SPELLINGS * 3],
    [(b"x-auth-subject", b"root"), (b"x-auth-subject", b"alice")],
    [(b"x-auth-subject", b"")],
    [(b"x-auth-subject", b"alice,root")],
    [(b"x-auth-subject", b"\xff\xe9root")],
    [(b"x-auth-subject", b"a" * 8000)],
]


def test_of_an_identity_header_the_upstream_sees_ours_once_or_none(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [policy()], SHAPES) as at:
            for shape, http2, lines in product(SHAPES, BOTH, FORGED):
                allowed = await at.head(shape, http2, b"/orders/7", [*lines, ALLOWED])
                assert identities(allowed) == [(b"x-auth-subject", b"alice")], lines
                anonymous = await at.head(shape, http2, b"/open", lines)
                assert anonymous, lines
                assert identities(anonymous) == [], lines
            for shape, name in product(SHAPES, (b"X-Auth-Subject", b"X_AUTH_SUBJECT", b"x-AUTH_subject")):
                assert identities(await at.head(shape, False, b"/orders/7", [(name, b"root"), ALLOWED])) == [(b"x-auth-subject", b"alice")]

    asyncio.run(body())


HOP_BY_HOP = [
    *([(b"connection", names)] for names in (b"x-auth-subject", b"X-Auth-Subject", b"close, x-auth-subject", b"keep-alive,x-auth-subject")),
    [(b"connection", b"x-auth-subject"), (b"x-auth-subject", b"root")],
    [(b"connection", b"x_auth_subject"), (b"x_auth_subject", b"root")],
    [(b"keep-alive", b"x-auth-subject"), (b"proxy-connection", b"x-auth-subject")],
    [(b"te", b"trailers"), (b"trailer", b"x-auth-subject")],
]


def test_a_client_cannot_take_our_headers_away_by_naming_them_hop_by_hop(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [policy()], SHAPES) as at:
            for shape, lines in product(SHAPES, HOP_BY_HOP):
                arrived = await at.head(shape, False, b"/orders/7", [*lines, ALLOWED])
                assert identities(arrived) == [(b"x-auth-subject", b"alice")], lines
                assert not values_of(arrived, b"authorization"), lines
            # Its own credential it can take away, and has none then.
            for shape in SHAPES:
                assert await at.status(shape, False, b"/orders/7", [(b"connection", b"authorization"), ALLOWED]) == 401

    asyncio.run(body())


CREDENTIALS = [
    ([ALLOWED, (b"authorization", b"Bearer other")], 400),
    ([(b"authorization", b"Bearer other"), ALLOWED], 400),
    ([(b"authorization", TOKEN + b",Bearer other")], 400),
    ([(b"authorization", TOKEN + b", Basic YTpi")], 400),
    ([ALLOWED, ALLOWED], 400),
    # Envoy leaves an empty one out.
    ([(b"authorization", b""), ALLOWED], 200),
    ([(b"authorization", TOKEN + b"\xff")], 401),
    ([(b"authorization", b"\xff" + TOKEN)], 401),
    ([(b"authorization", TOKEN.replace(b".", b"!", 1))], 401),
    ([(b"authorization", b"Bearer")], 401),
    ([(b"x-authorization", TOKEN)], 401),
    ([(b"proxy-authorization", TOKEN)], 401),
    ([(b"authorization ", TOKEN)], 400),
    ([(b"cookie", b"session=" + TOKEN[7:])], 401),
]


def test_of_several_credentials_none_counts(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [policy()], SHAPES) as at:
            for shape, (lines, expected) in product(SHAPES, CREDENTIALS):
                found = await at.status(shape, False, b"/orders/7", lines)
                assert found == expected, lines
                # HTTP/2 has no such name.
                assert await at.status(shape, True, b"/orders/7", lines) == (0 if b"authorization " in dict(lines) else expected), lines

    asyncio.run(body())


CONDITION = a_manifest("""
hosts: [localhost]
rules: [{name: blue, allow: [{name: tenant, anonymous: {}, headers: [{name: X-Tenant, values: [blue]}]}]}]
""")
TENANTS = [
    ([(b"x-tenant", b"blue")], 200),
    ([(b"x-tenant", b"blue,blue")], 403),
    ([(b"x-tenant", b"blue"), (b"x-tenant", b"red")], 403),
    ([(b"x-tenant", b"red"), (b"x-tenant", b"blue")], 403),
    ([(b"x-tenant", b"blue\xff")], 403),
    ([(b"x-tenant", b"Blue")], 403),
    ([(b"x_tenant", b"blue")], 403),
    ([(b"x-tenant", b"blue;red")], 403),
    ([], 403),
]


def test_a_header_that_a_rule_asks_for_is_there_once_and_letter_by_letter(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [CONDITION], SHAPES) as at:
            for shape, http2, (lines, expected) in product(SHAPES, BOTH, TENANTS):
                assert await at.status(shape, http2, b"/", lines) == expected, lines

    asyncio.run(body())


OVERRIDES = (b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-original-method", b"x-forwarded-method")


def test_a_rule_for_methods_takes_these_in_capitals_and_no_other(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [policy()], {"plain": PLAIN}) as at:
            for http2, method, line in product(BOTH, METHODS, [(b"x", b"y"), *((name, b"GET") for name in OVERRIDES)]):
                answered = await at.one(http2=http2)(Asked(method, b"/orders/7", lines=(line, ALLOWED)))
                # Over HTTP/1.1 Envoy refuses methods that it does not know.
                assert answered.status in ((200,) if method in (b"GET", b"HEAD") else (400, 403)), (method, line)
                at.close()

    asyncio.run(body())


ENVOYS = [
    (b"x-envoy-original-path", b"/open"),
    (b"x-envoy-original-host", b"open.example"),
    (b"x-envoy-auth-failure-mode-allowed", b"true"),
    (b"x-envoy-downstream-service-cluster", b"shop/orders"),
    (b"x-envoy-downstream-service-node", b"shop/orders"),
    (b"x-envoy-internal", b"true"),
    (b"x-envoy-auth-partial-body", b"true"),
    (b"x-envoy-decorator-operation", b"x"),
    (b"x-envoy-force-trace", b"true"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-client-cert", b'Hash=7;Subject="CN=root";URI=spiffe://root'),
    (b"x-http-method-override", b"GET"),
    (b"x-original-method", b"GET"),
    (b"x-forwarded-method", b"GET"),
    (b"x-forwarded-uri", b"/open"),
    (b"x-forwarded-prefix", b"/open"),
    (b"x-original-url", b"/open"),
    (b"x-rewrite-url", b"/open"),
    (b"policy", b"shop/other"),
    (b"user-agent", b"kube-probe/1.36"),
    (b"user-agent", b"Envoy/HC"),
]
# What never goes on to the upstream where a client sent it.
GONE = (b"x-envoy-original-path", b"x-envoy-auth-failure-mode-allowed", b"x-original-url", b"x-rewrite-url")


def test_no_header_that_proxies_write_for_each_other_opens_anything(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [policy()], SHAPES) as at:
            for shape, http2, line in product(SHAPES, BOTH, ENVOYS):
                assert await at.status(shape, http2, b"/orders/7", [line]) == 401, line
                assert await at.status(shape, http2, b"/orders/7", [line, ALLOWED]) == 200, line
                assert await at.status(shape, http2, b"/elsewhere", [line]) == 403, line
                arrived = await at.head(shape, http2, b"/open", [line])
                assert arrived, line
                assert not [name for name, _ in lines_of(arrived) if name.replace(b"_", b"-") in GONE], line

    asyncio.run(body())
