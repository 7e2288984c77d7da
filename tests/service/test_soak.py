"""Tokens that nobody has seen before, without an end: memory stays flat, and every answer is the right one."""

import base64
import json

import pytest

from authz.envoy.endpoint import Endpoint
from tests.builders import AUDIENCE, ISSUER, Installation, a_jwk, a_jwks, a_manifest, ed_key, issuer_yaml
from tests.envoy.messages import check_request, reason_of
from tests.envoy.test_overload import resident
from tests.fakes import NOON

POLICY = a_manifest(
    f"""
    hosts: [api.example.com]
    audiences: [{AUDIENCE}]
    issuers: [{issuer_yaml(a_jwks(a_jwk(ed_key(), "e1")), more=", algorithms: [EdDSA]")}]
    rules: [{{name: all, allow: [{{name: users, jwt: {{issuers: [idp], claims: [{{path: [even], match: Any, values: ["true"]}}]}}}}]}}]
    """
)


def encoded(value: object) -> str:
    """As a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


HEADER = encoded({"alg": "EdDSA", "kid": "e1", "typ": "at+jwt"})


def token(number: int) -> str:
    """A token of its own; only even ones may pass."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"user-{number}", "exp": int(NOON) + 3600, "even": number % 2 == 0}
    signed = f"{HEADER}.{encoded(claims)}"
    signature = base64.urlsafe_b64encode(ed_key().sign(signed.encode())).rstrip(b"=").decode()
    return f"{signed}.{signature}"


@pytest.mark.parametrize(("count", "room"), [(3_000, 300), pytest.param(1_000_000, 50_000, marks=pytest.mark.nightly)])
def test_distinct_tokens_leave_memory_flat(count: int, room: int) -> None:
    installation = Installation(POLICY, room=room)
    endpoint = Endpoint(installation.checker, installation.journal)
    warm = 0
    for number in range(count):
        answer = endpoint(check_request(headers={"authorization": f"Bearer {token(number)}"}), 60.0)
        assert isinstance(answer, bytes)
        assert reason_of(answer) == ("claims.mismatch" if number % 2 else "rule.allow")
        installation.journal.decisions.clear()
        if number == 3 * room:
            warm = resident()
    assert len(installation.memory) <= room
    assert resident() - warm < 50 * 1024 * 1024
