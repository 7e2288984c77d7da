"""What leaves: every CheckResponse, read with Envoy's own descriptors, keeps to what a proxy can be trusted with."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import given
from hypothesis import strategies as st

from authz.api.decode import read
from authz.envoy.codec import response_of
from authz.model.decision import Allow, Decision, Deny
from authz.model.declared import Declared
from authz.model.reason import Reason
from tests.builders import Installation, a_manifest, a_request, a_token, issuer_yaml

OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
# Framing, what belongs to one connection, and what Envoy routes on.
NEVER = {
    *("connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    *(":path", ":method", ":authority", ":scheme", ":status"),
}
CONTROLS = [chr(number) for number in (*range(0x20), 0x7F)]


def faults(data: bytes) -> Iterator[str]:
    """What a response says that it must not say."""
    response = external_auth_pb2.CheckResponse.FromString(data)
    kind = response.WhichOneof("http_response")
    if kind != ("ok_response" if response.status.code == 0 else "denied_response"):
        yield f"status {response.status.code} with {kind}"
    answer = getattr(response, kind or "ok_response")
    for option in answer.headers:
        yield from header_faults(option)
    if kind == "ok_response":
        both = {option.header.key for option in answer.headers} & set(answer.headers_to_remove)
        yield from (f"{name} is set and removed" for name in both)
        yield from (f"{name} is added to the answer" for name in answer.response_headers_to_add)
        yield from (f"{name} is put into the query" for name in answer.query_parameters_to_set)
        return
    status = answer.status.code
    if not 300 <= status <= 599 or status == 304:
        yield f"status {status}"
    if re.search(r"[\x00-\x09\x0b-\x1f]", answer.body):
        yield "control characters in the body"


def header_faults(option: base_pb2.HeaderValueOption) -> Iterator[str]:
    name, value = option.header.key, option.header.value
    if option.append_action != OVERWRITE or option.HasField("append") or option.keep_empty_value or option.header.raw_value:
        yield f"{name} does not simply overwrite"
    if not value:
        yield f"{name} is empty"
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        yield f"{name} has control characters"
    if not NAME.fullmatch(name) or name in NEVER:
        yield f"{name} is no name to send"


def denial(status: int = 403, headers: tuple[tuple[str, str], ...] = (), body: str = "{}") -> Deny:
    return Deny(Reason.RULE_NONE, status, headers=headers, body=body)


@pytest.mark.parametrize("status", [-1, 0, 1, 99, 100, 101, 103, 199, 200, 204, 205, 299, 304, 600, 999, 1000, 2**31 - 1])
def test_a_status_that_is_none_for_a_denial_never_leaves(status: int) -> None:
    assert list(faults(response_of(denial(status), None))) == []


@pytest.mark.parametrize("status", [300, 302, 303, 307, 308, 400, 401, 403, 404, 429, 451, 500, 503, 599])
def test_every_other_one_leaves_as_it_is(status: int) -> None:
    data = response_of(denial(status), None)
    assert list(faults(data)) == []
    assert external_auth_pb2.CheckResponse.FromString(data).denied_response.status.code == status


@pytest.mark.parametrize("value", ["", "\r\n", "\x00", "\x7f\x1f"])
def test_a_header_of_which_nothing_is_left_is_not_sent_with_a_denial(value: str) -> None:
    assert list(faults(response_of(denial(headers=(("x-why", value), ("cache-control", "no-store"))), None))) == []


@pytest.mark.parametrize("name", [*sorted(name for name in NEVER if name[0] != ":"), "grpc-status", "grpc-message"])
def test_a_header_that_no_denial_may_have_is_left_out(name: str) -> None:
    response = external_auth_pb2.CheckResponse.FromString(response_of(denial(headers=((name, "0"), ("x-why", "7"))), None))
    assert [option.header.key for option in response.denied_response.headers] == ["x-why"]


def test_the_id_of_a_request_is_told_once() -> None:
    decision = denial(headers=(("x-request-id", "fixed"),))
    for sent, told in ({}, ["fixed"]), ({"x-request-id": "mine"}, ["mine"]):
        response = external_auth_pb2.CheckResponse.FromString(response_of(decision, a_request(headers=sent)))
        assert [option.header.value for option in response.denied_response.headers] == told


TEXT = st.text(alphabet=st.characters(exclude_categories=("Cs",)) | st.sampled_from(CONTROLS), max_size=20)
NAMES = st.sampled_from(["x-auth-a", "x-auth-b", "location", "set-cookie"])
HEADERS = st.lists(st.tuples(NAMES, TEXT), max_size=5, unique_by=lambda each: each[0]).map(tuple)


@given(HEADERS, HEADERS, st.integers(-1, 1100), st.sampled_from(list(Reason)))
def test_no_decision_becomes_a_response_that_says_what_it_must_not(
    sets: tuple[tuple[str, str], ...], answers: tuple[tuple[str, str], ...], status: int, reason: Reason
) -> None:
    decisions: list[Decision] = [Allow(reason, set_headers=sets), Deny(reason, status, headers=answers, body="{}")]
    for decision in decisions:
        assert list(faults(response_of(decision, None))) == []


# From a policy and a token.

POLICY = a_manifest(f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{issuer_yaml()}]
rules:
- name: all
  allow: [{{name: any, jwt: {{issuers: [idp]}}}}]
  forward:
    headers:
    - {{name: X-Auth-Subject, from: {{claim: [sub]}}}}
    - {{name: x-auth-list, from: {{claim: [list]}}}}
    - {{name: x-auth-deep, from: {{claim: [a, b]}}}}
    - {{name: x-auth-plan, value: gold}}
""")
ODD = [
    *CONTROLS,
    "\r\nx-auth-plan: admin",
    "\r\n\r\nGET /admin HTTP/1.1\r\n",
    "\x85",
    "\u2028",
    "\ufeff",
    "é",
    "%0d%0a",
    "😀",
    "a" * 2000,
    " ",
    "\t",
]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_whatever_a_claim_holds_the_headers_are_safe_and_each_is_set_or_removed(odd: str) -> None:
    installation = Installation(POLICY)
    claims: list[dict[str, Any]] = [
        *({"sub": text} for text in (odd, f"alice{odd}", f"{odd}alice", f"a{odd}b")),
        {"list": [odd, f"a{odd}", "c"]},
        {"list": {odd: odd}},
        {"a": {"b": odd}},
    ]
    for each in claims:
        data = response_of(installation.decide(a_request(token=a_token(**each))), None)
        assert list(faults(data)) == [], each
        answer = external_auth_pb2.CheckResponse.FromString(data).ok_response
        given = {option.header.key: option.header.value for option in answer.headers}
        assert given["x-auth-plan"] == "gold"
        for name in ("x-auth-subject", "x-auth-list", "x-auth-deep"):
            assert (name in given) is not (name in answer.headers_to_remove), each
        assert all(re.fullmatch(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", value) for value in given.values())


def test_a_claim_that_is_too_long_for_a_header_denies_the_request() -> None:
    decision = Installation(POLICY).decide(a_request(token=a_token(sub="é" * 1000)))
    assert isinstance(decision, Deny)
    assert list(faults(response_of(decision, None))) == []


def saying(denied: str) -> str:
    return a_manifest(f"hosts: [api.example.com]\nrules: [{{name: all, allow: []}}]\ndenied: {{forbidden: {denied}}}")


def is_refused(denied: str) -> bool:
    (found,) = read(saying(denied), "file.yaml")
    # Where a policy was never accepted its hosts answer 503, and say nothing of its words.
    installation = Installation(saying(denied)) if isinstance(found, Declared) else Installation()
    decision = installation.decide(a_request())
    assert isinstance(decision, Deny)
    assert list(faults(response_of(decision, None))) == []
    assert decision.reason in (Reason.RULE_DENY, Reason.RULE_NONE, Reason.POLICY_INVALID, Reason.POLICY_NONE)
    return decision.reason in (Reason.POLICY_INVALID, Reason.POLICY_NONE)


STATUSES = [
    "0",
    "-1",
    "1",
    "99",
    "100",
    "101",
    "199",
    "200",
    "204",
    "299",
    "304",
    "600",
    "999",
    "1000",
    "'403'",
    "403.0",
    "true",
    "[403]",
    "1e9",
]


@pytest.mark.parametrize("status", STATUSES)
def test_a_policy_whose_status_is_none_for_a_denial_is_refused(status: str) -> None:
    assert is_refused(f"{{statusCode: {status}, headers: [{{name: Location, value: 'https://a.example/'}}]}}")


@pytest.mark.parametrize("status", [300, 302, 307, 400, 401, 403, 404, 429, 451, 500, 503, 599])
def test_a_policy_with_any_other_status_is_taken(status: int) -> None:
    assert not is_refused(f"{{statusCode: {status}, headers: [{{name: Location, value: 'https://a.example/'}}]}}")


@pytest.mark.parametrize(
    "value", ["a\\r\\nb", "a\\nset-cookie: x=y", "\\u0000", "a\\u0000", "a\\u007f", "\\t", " a", "a ", "", "é", "a\\u0085"]
)
def test_a_policy_whose_header_of_a_denial_cannot_be_sent_is_refused(value: str) -> None:
    assert is_refused(f'{{headers: [{{name: X-Why, value: "{value}"}}]}}')


@pytest.mark.parametrize(
    "name",
    ["content-length", "Transfer-Encoding", "connection", "content-type", ":status", "a b", "a:", "", "é", "x\\r\\ny", "www-authenticate"],
)
def test_a_policy_that_names_a_header_that_is_not_its_to_set_is_refused(name: str) -> None:
    assert is_refused(f'{{headers: [{{name: "{name}", value: "1"}}]}}')


@pytest.mark.parametrize("message", ["a\\r\\nb: c", "\\u0000", "\\u007f", '\\"}, \\"admin\\": true', "\\u2028", "é", "</script>", "\\\\"])
def test_a_message_is_a_string_of_json_whatever_it_holds(message: str) -> None:
    denied = f'{{message: "{message}"}}'
    if is_refused(denied):
        return
    data = response_of(Installation(saying(denied)).decide(a_request()), a_request(headers={"x-request-id": "7"}))
    body = json.loads(external_auth_pb2.CheckResponse.FromString(data).denied_response.body)
    assert body["title"] == json.loads(f'"{message}"')
    assert set(body) == {"type", "title", "status", "code", "instance"}
