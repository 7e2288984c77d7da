"""Bytes of Envoy to requests, decisions to bytes of Envoy."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.envoy import codec
from authz.envoy.codec import request_of, response_of
from authz.envoy.pb import ext_authz_pb2 as pb
from authz.model.decision import Allow, Deny
from authz.model.reason import Reason
from authz.policy.answers import INTERNAL_ERROR, MALFORMED
from authz.policy.paths import canonical
from tests.builders import Installation, a_manifest, a_request, a_token, issuer_yaml
from tests.envoy.messages import all_headers, check_request, check_response

# What speaks of another path than the one that was decided on, and of an answer that nobody gave.
ALWAYS_REMOVED = {
    *("x-original-url", "x-original_url", "x_original-url", "x_original_url", "x-rewrite-url", "x-rewrite_url", "x_rewrite-url"),
    *("x_rewrite_url", "x-envoy-original-path", "x-envoy-auth-failure-mode-allowed"),
}
OVERWRITE = pb.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD


def test_a_request_is_what_envoy_says() -> None:
    data = check_request(
        "POST", "/orders/7?a=b?c", host="API.example.com:443", headers={"x-a": "1,2", ":path": "/other"}, policy="shop/orders"
    )
    request = request_of(data)
    assert request is not None
    assert (request.method, request.host, request.path, request.query) == ("POST", "API.example.com:443", "/orders/7", "a=b?c")
    assert (request.peer, request.policy) == ("203.0.113.7", "shop/orders")
    assert request.headers["x-a"] == "1,2"


def test_raw_headers_have_the_same_form() -> None:
    raw = [("X-A", b"1"), ("x-a", b"2"), ("Accept", b"*/*"), ("x-bytes", b"caf\xe9"), ("x-empty", b"")]
    request = request_of(check_request(raw_headers=raw))
    assert request is not None
    assert dict(request.headers) == {"x-a": "1,2", "accept": "*/*", "x-bytes": "caf\udce9", "x-empty": ""}


def test_raw_headers_may_use_the_textual_field() -> None:
    message = pb.CheckRequest()
    message.attributes.request.http.header_map.headers.add(key="X-A", value="text")
    request = request_of(message.SerializeToString())
    assert request is not None
    assert dict(request.headers) == {"x-a": "text"}


def test_without_headers_there_are_none() -> None:
    request = request_of(check_request())
    assert request is not None
    assert dict(request.headers) == {}


def tcp_only() -> bytes:
    message = pb.CheckRequest()
    message.attributes.source.address.socket_address.address = "203.0.113.7"
    return message.SerializeToString()


def no_http() -> bytes:
    message = pb.CheckRequest()
    message.attributes.request.SetInParent()
    return message.SerializeToString()


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\xff" * 50, b"garbage", tcp_only(), no_http(), check_request()[:-3], b"\x0a\xff\xff\xff\xff\x0f"],
    ids=["empty", "zero", "ones", "words", "tcp", "no http", "cut", "huge length"],
)
def test_what_describes_no_http_request_is_none(data: bytes) -> None:
    assert request_of(data) is None


@pytest.mark.parametrize("octets", [b"/caf\xe9", b"/\xff", b"/\xed\xa0\x80"])
def test_a_path_that_is_no_utf8_is_no_request(octets: bytes) -> None:
    data = check_request(path="/" + "X" * (len(octets) - 1)).replace(b"/" + b"X" * (len(octets) - 1), octets)
    assert octets in data
    assert request_of(data) is None


@pytest.mark.parametrize("protocol", ["HTTP/2", "HTTP/2.0", "HTTP/3"])
def test_the_sign_that_envoy_writes_for_other_octets_is_no_text_where_such_octets_can_be_sent(protocol: str) -> None:
    request = request_of(check_request(path="/a!b?c=!", protocol=protocol))
    assert request is not None
    assert (request.path, request.query) == ("/a\udcffb", "c=!")
    assert canonical(request.path) == ""


@pytest.mark.parametrize("protocol", ["", "HTTP/1.0", "HTTP/1.1"])
def test_where_they_cannot_be_sent_the_sign_is_itself(protocol: str) -> None:
    request = request_of(check_request(path="/a!b", protocol=protocol))
    assert request is not None
    assert request.path == "/a!b"


@pytest.mark.parametrize(
    ("octets", "path"),
    [
        (b"/a!b", "/a!b"),
        (b"/a!b?c=\xff", "/a!b"),
        (b"/a\xffb", "/a\udcffb"),
        (b"/a!b/other", "/a\udcffb"),
        (b"", "/a\udcffb"),
        (b"/a\xffb\xff", "/a\udcffb"),
    ],
    ids=["the sign", "the sign, and octets of the query", "an octet", "another path", "nothing", "other octets"],
)
def test_raw_headers_tell_which_it_is(octets: bytes, path: str) -> None:
    sent = "/a!b" + ("?c=!" if b"?" in octets else "")
    request = request_of(check_request(path=sent, protocol="HTTP/2", raw_headers=[(":path", octets)]))
    assert request is not None
    assert request.path == path


def test_an_http_request_without_anything_is_one_all_the_same() -> None:
    message = pb.CheckRequest()
    message.attributes.request.http.SetInParent()
    request = request_of(message.SerializeToString())
    assert request is not None
    assert (request.method, request.host, request.path, request.peer, request.policy) == ("", "", "", "", "")


@given(st.binary(max_size=300))
def test_no_octets_raise(data: bytes) -> None:
    request_of(data)


def test_an_allow_sets_and_removes() -> None:
    allow = Allow(
        Reason.RULE_ALLOW,
        "shop/orders",
        "read",
        "any",
        set_headers=(("x-auth-subject", "alice"), ("x-auth-plan", "gold")),
        remove_headers=("authorization", "x_auth_plan"),
        remove_query=("to%6ben",),
    )
    response = check_response(response_of(allow, None))
    assert response.status.code == 0
    assert response.WhichOneof("http_response") == "ok_response"
    assert [(option.header.key, option.header.value) for option in response.ok_response.headers] == list(allow.set_headers)
    assert set(response.ok_response.headers_to_remove) == {"authorization", "x_auth_plan", *ALWAYS_REMOVED}
    assert list(response.ok_response.query_parameters_to_remove) == ["to%6ben"]
    assert dict(response.dynamic_metadata) == {
        "decision": "allow",
        "reason": "rule.allow",
        "policy": "shop/orders",
        "rule": "read",
    }


def test_an_allow_without_anything_is_still_an_explicit_one() -> None:
    response = check_response(response_of(Allow(Reason.POLICY_UNPROTECTED), None))
    assert response.WhichOneof("http_response") == "ok_response"
    assert set(response.ok_response.headers_to_remove) == ALWAYS_REMOVED


def test_two_allows_that_look_alike_are_not_taken_for_each_other() -> None:
    one, other = Allow(Reason.RULE_ALLOW, set_headers=(("x-auth-a", "1"),)), Allow(Reason.RULE_ALLOW, set_headers=(("x-auth-a", "2"),))
    for allow, value in ((one, "1"), (other, "2"), (one, "1")):
        assert check_response(response_of(allow, None)).ok_response.headers[0].header.value == value


@pytest.mark.parametrize("reason", [reason for reason in Reason if not reason.allows])
@pytest.mark.parametrize("status", [0, 302, 401, 403, 503])
def test_a_denial_never_has_the_status_of_an_allow(reason: Reason, status: int) -> None:
    decision = Deny(reason, status or reason.status, headers=(("cache-control", "no-store"),), body="{}")
    response = check_response(response_of(decision, None))
    assert response.status.code == (16 if decision.status == 401 else 7)
    assert response.WhichOneof("http_response") == "denied_response"
    assert response.denied_response.status.code == decision.status
    assert response.denied_response.body == "{}"
    assert dict(response.dynamic_metadata) == {"decision": "deny", "reason": reason.value}


@pytest.mark.parametrize("decision", [MALFORMED, INTERNAL_ERROR])
def test_the_answers_of_last_resort_are_denials(decision: Deny) -> None:
    assert check_response(response_of(decision, None)).status.code == 7


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("0f4e-1_2.x", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        ("a b", False),
        ("a,b", False),
        ("a\r\nset-cookie: x", False),
        ("<script>", False),
        ("é", False),
        ("\udcff", False),
        ("abc\n", False),
    ],
)
def test_a_request_id_is_given_back_where_it_is_well_formed(sent: str, answered: bool) -> None:
    response = check_response(response_of(MALFORMED, a_request(headers={"x-request-id": sent})))
    found = [option.header.value for option in response.denied_response.headers if option.header.key == "x-request-id"]
    assert found == ([sent] if answered else [])


def test_a_request_id_is_not_told_to_the_upstream() -> None:
    response = check_response(response_of(Allow(Reason.RULE_ALLOW), a_request(headers={"x-request-id": "abc"})))
    assert list(response.ok_response.headers) == []


HEADERS = st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)


@given(HEADERS, HEADERS)
def test_no_control_character_is_ever_emitted(one: str, two: str) -> None:
    headers = (("x-auth-a", one), ("x-auth-b", two))
    decisions: list[Any] = [Allow(Reason.RULE_ALLOW, set_headers=headers), Deny(Reason.RULE_NONE, 403, headers=headers, body=one)]
    for decision in decisions:
        for option in all_headers(check_response(response_of(decision, None))):
            assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", option.header.value)
            assert option.append_action == OVERWRITE


def test_line_breaks_do_not_split_a_response() -> None:
    decision = Deny(Reason.RULE_NONE, 302, headers=(("location", "https://a.example/\r\nset-cookie: x=y"),))
    (option,) = check_response(response_of(decision, None)).denied_response.headers
    assert option.header.value == "https://a.example/set-cookie: x=y"


@pytest.mark.parametrize("value", ["", "\r\n", "\x00"])
def test_an_empty_value_is_never_emitted(value: str) -> None:
    response = check_response(response_of(Allow(Reason.RULE_ALLOW, set_headers=(("x-auth-a", value),)), None))
    assert list(response.ok_response.headers) == []
    assert "x-auth-a" in response.ok_response.headers_to_remove


POLICY = a_manifest(f"""
hosts: [api.example.com]
audiences: [orders]
preflight: Allow
issuers: [{issuer_yaml(more=", tokenFrom: [{header: Authorization, scheme: Bearer}, {cookie: session}, {query: token}]")}]
rules:
- name: all
  allow: [{{name: any, jwt: {{issuers: [idp]}}}}]
  forward:
    headers:
    - {{name: x-auth-subject, from: {{claim: [sub]}}}}
    - {{name: x-auth-list, from: {{claim: [list]}}}}
    - {{name: x-auth-plan, value: gold}}
""")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": ""},
        {"sub": "\r\nx-admin: 1"},
        {"sub": " "},
        {"sub": "é\u2028"},
        {"sub": None},
        {"list": []},
        {"list": ["", "a,b", "c"]},
        {"list": {}},
        {"list": True},
        {"list": [None, 1.5]},
    ],
)
def test_through_a_policy_too_no_value_is_empty_or_unsafe_and_each_header_is_set_or_removed(claims: dict[str, Any]) -> None:
    decision = Installation(POLICY).decide(a_request(token=a_token(**claims)))
    assert isinstance(decision, Allow)
    response = check_response(response_of(decision, None))
    given = {option.header.key: option.header.value for option in response.ok_response.headers}
    removed = set(response.ok_response.headers_to_remove)
    assert all(re.fullmatch(r"[\x20-\x7e]+", value) for value in given.values())
    assert not given.keys() & removed, "a removal would beat the value"
    for name in ("x-auth-subject", "x-auth-list", "x-auth-plan"):
        assert name in given.keys() | removed
    assert {"authorization", "x_auth_subject", "x-auth_list"} <= removed
    assert all(option.append_action == OVERWRITE for option in response.ok_response.headers)


def test_the_cookies_that_stay_are_given_back_without_the_credential() -> None:
    token = a_token()
    decision = Installation(POLICY).decide(a_request(target=f"/a?b=c&token={token}", headers={"cookie": f"a=b; session={token}; c=d"}))
    response = check_response(response_of(decision, None))
    assert {option.header.key: option.header.value for option in response.ok_response.headers}["cookie"] == "a=b; c=d"
    assert list(response.ok_response.query_parameters_to_remove) == ["token"]


def test_a_cookie_of_other_octets_beside_the_credential_is_no_fault_of_ours() -> None:
    raw = [("cookie", f"session={a_token()}; city=Malm\u00f6".encode("latin-1"))]
    request = request_of(check_request(raw_headers=raw))
    assert request is not None
    decision = Installation(POLICY).decide(request)
    assert check_response(response_of(decision, request)).status.code == 0


def test_answers_made_for_one_request_are_not_kept() -> None:
    before = codec._allowed.cache_info().currsize
    for number in range(100):
        response_of(Allow(Reason.RULE_ALLOW, set_headers=(("cookie", f"a={number}"),), is_shared=False), None)
    assert codec._allowed.cache_info().currsize == before
