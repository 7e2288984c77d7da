"""CheckRequests in which something is missing: a deny whatever it is, never a crash, never an allow."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pytest

from authz.envoy.endpoint import Endpoint
from authz.envoy.pb import ext_authz_pb2 as pb
from tests.builders import Installation, a_manifest, a_token, issuer_yaml
from tests.envoy.messages import check_request, check_response

# Needs everything that a check can tell.
POLICY = a_manifest(f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{issuer_yaml()}]
rules:
- name: all
  matches: [{{path: {{type: PathPrefix, value: /orders}}, methods: [GET]}}]
  allow:
  - name: only
    jwt: {{issuers: [idp]}}
    clientIP: {{cidrs: [203.0.113.0/24]}}
    headers: [{{name: X-Tenant, values: [blue]}}]
""")


def without(field: str) -> Callable[[Any], None]:
    *way, last = field.split(".")

    def strike(message: Any) -> None:
        for step in way:
            message = getattr(message, step)
        message.ClearField(last)

    return strike


def without_header(name: str) -> Callable[[Any], None]:
    def strike(message: Any) -> None:
        http = message.attributes.request.http
        if name in http.headers:
            del http.headers[name]
        kept = [header for header in http.header_map.headers if header.key != name]
        del http.header_map.headers[:]
        http.header_map.headers.extend(kept)

    return strike


HTTP = "attributes.request.http"
PARTS: dict[str, Callable[[Any], None]] = {
    "method": without(f"{HTTP}.method"),
    "path": without(f"{HTTP}.path"),
    "host": without(f"{HTTP}.host"),
    "authorization": without_header("authorization"),
    "x-tenant": without_header("x-tenant"),
    "the headers": without(f"{HTTP}.headers"),
    "the raw headers": without(f"{HTTP}.header_map"),
    "the peer's address": without("attributes.source.address.socket_address.address"),
    "the peer's socket": without("attributes.source.address.socket_address"),
    "the address": without("attributes.source.address"),
    "the source": without("attributes.source"),
    "http": without(HTTP),
    "the request": without("attributes.request"),
    "the attributes": without("attributes"),
}


def whole(*, raw: bool) -> Any:
    lines = {
        "authorization": f"Bearer {a_token()}",
        "x-tenant": "blue",
        ":path": "/orders/7",
        ":method": "GET",
        ":authority": "api.example.com",
    }
    given = {"raw_headers": [(name, value.encode()) for name, value in lines.items()]} if raw else {"headers": lines}
    return pb.CheckRequest.FromString(check_request(**given))  # type: ignore[arg-type]


def subsets(most: int) -> Iterator[tuple[str, ...]]:
    for size in range(1, most + 1):
        yield from combinations(PARTS, size)


def answer(installation: Installation, message: Any) -> Any:
    found = Endpoint(installation.checker, installation.journal)(message.SerializeToString(), 1.0)
    assert isinstance(found, bytes)
    assert not installation.journal.faults
    return check_response(found)


def wrongly_answered(most: int, *, raw: bool) -> list[tuple[str, ...]]:
    installation, wrong = Installation(POLICY), []
    # Of the two forms of headers the other one is not missed.
    unused = "the headers" if raw else "the raw headers"
    for names in subsets(most):
        message = whole(raw=raw)
        for name in names:
            PARTS[name](message)
        response = answer(installation, message)
        allowed, status = response.status.code == 0, response.denied_response.status.code
        if allowed is not (names == (unused,)) or (not allowed and status not in (400, 401, 403)):
            wrong.append(names)
    return wrong


@pytest.mark.parametrize("raw", [False, True], ids=["map", "raw headers"])
def test_whatever_is_missing_the_answer_is_a_deny(raw: bool) -> None:
    assert wrongly_answered(3, raw=raw) == []


@pytest.mark.nightly
@pytest.mark.parametrize("raw", [False, True], ids=["map", "raw headers"])
def test_whatever_is_missing_together_the_answer_is_a_deny(raw: bool) -> None:
    assert wrongly_answered(len(PARTS), raw=raw) == []


@pytest.mark.parametrize("raw", [False, True], ids=["map", "raw headers"])
def test_with_everything_it_is_an_allow(raw: bool) -> None:
    assert answer(Installation(POLICY), whole(raw=raw)).status.code == 0


@pytest.mark.parametrize("names", [("method",), ("host",), ("path",), ("method", "host"), ("path", "host"), ("method", "path", "host")])
def test_a_request_without_method_host_or_path_is_denied_even_where_anyone_may(names: tuple[str, ...]) -> None:
    anyone = a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: [{name: anyone, anonymous: {}}]}]")
    message = whole(raw=False)
    for name in names:
        PARTS[name](message)
    # What the pseudo headers say instead is not read.
    response = answer(Installation(anyone), message)
    assert (response.status.code, response.denied_response.status.code) == (7, 400)


@pytest.mark.parametrize("address", ["", "/run/envoy.sock", "@abstract", "203.0.113.7:80", "203.0.113.7\x00", "localhost", "203.0.113"])
def test_a_peer_without_an_address_is_at_none(address: str) -> None:
    message = whole(raw=False)
    message.attributes.source.address.socket_address.address = address
    assert answer(Installation(POLICY), message).denied_response.status.code == 403


def test_an_endpoint_outlives_every_part_of_a_check_request_cut_off_anywhere() -> None:
    async def story() -> None:
        installation = Installation(POLICY)
        data = whole(raw=False).SerializeToString()
        endpoint = Endpoint(installation.checker, installation.journal)
        for end in range(len(data)):
            found = endpoint(data[:end], 1.0)
            response = check_response(found if isinstance(found, bytes) else await found)
            assert response.status.code != 0, end
        assert not installation.journal.faults

    asyncio.run(story())
