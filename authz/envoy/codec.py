"""CheckRequest bytes → Request; Decision → CheckResponse bytes.

Envoy takes a response with status 0 for an allow, whatever else it holds, so both kinds are built in one place each, and a
denial always has a status that is not 0 (envoy.service.auth.v3.CheckResponse).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import DecodeError

from authz.envoy.pb import ext_authz_pb2 as pb
from authz.model.decision import Allow, Decision, Deny
from authz.model.request import Request
from authz.policy.answers import INTERNAL_ERROR, with_instance
from authz.policy.forwarding import ALWAYS_REMOVED, NEVER_ANSWERED

# google.rpc.Code: what gRPC clients of a denied call would be told.
_UNAUTHENTICATED: Final = 16
_PERMISSION_DENIED: Final = 7
_OVERWRITE: Final = pb.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
# Envoy writes any number as it is, and a body even after 304, where none belongs.
_STATUSES: Final = frozenset(range(300, 600)) - {304}
# Control characters, CR and LF above all, would be written to the wire as they are.
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

# Paths of these may hold octets that are no UTF-8, and Envoy writes "!" for each of them; over HTTP/1 it refuses them.
_BEYOND_ASCII: Final = ("HTTP/2", "HTTP/3")
_OTHER_OCTET: Final = re.compile("[\udc80-\udcff]")

_read = pb.CheckRequest.FromString


def request_of(data: bytes) -> Request | None:
    """Return the request that a CheckRequest describes, or None where it describes no HTTP request at all."""
    try:
        attributes = _read(data).attributes
    except DecodeError:
        return None
    if not attributes.HasField("request") or not attributes.request.HasField("http"):
        return None
    http = attributes.request.http
    headers: Mapping[str, str] = http.headers
    source = attributes.source
    if not headers and http.HasField("header_map"):
        headers = _joined(http.header_map)
    request = Request(
        http.method,
        http.host,
        _with_other_octets(http) if "!" in http.path and http.protocol.startswith(_BEYOND_ASCII) else http.path,
        headers,
        source.address.socket_address.address,
        attributes.context_extensions.get("policy", ""),
    )
    request.certificate = source.certificate
    return request


def _with_other_octets(http: pb.AttributeContext.HttpRequest) -> str:
    """Return the path as it was sent where the raw headers have it, else with each "!" as an octet that is no UTF-8: it may be one."""
    path, mark, query = http.path.partition("?")
    raw = next((header.raw_value for header in http.header_map.headers if header.key == ":path"), b"")
    sent = raw.decode("utf-8", "surrogateescape")
    # A policy must not take for a path what another path was written down as.
    found = sent.partition("?")[0] if _OTHER_OCTET.sub("!", sent) == http.path else path.replace("!", "\udcff")
    return found + mark + query


def _joined(header_map: pb.HeaderMap) -> dict[str, str]:
    """Return raw headers (`encode_raw_headers`) in the form of the map: lower-case names, repeated values joined with ","."""
    headers: dict[str, str] = {}
    for header in header_map.headers:
        name = header.key.lower()
        # Octets that are no UTF-8 stay apart from every value that a policy can name.
        value = header.raw_value.decode("utf-8", "surrogateescape") if header.raw_value else header.value
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def response_of(decision: Decision, request: Request | None) -> bytes:
    """Return the CheckResponse of a decision."""
    if isinstance(decision, Allow):
        return _allowed(decision) if decision.is_shared else _allowed.__wrapped__(decision)
    return _denied(decision, request.headers if request is not None else {})


@lru_cache(maxsize=8192)
def _allowed(allow: Allow) -> bytes:
    response = pb.CheckResponse()
    response.status.code = 0
    answer = response.ok_response
    sent = {name: _UNSAFE.sub("", value) for name, value in allow.set_headers}
    for name, value in sent.items():
        _add(answer.headers, name, value)
    # An empty value might be dropped by the proxy, and what the client sent stay.
    empty = [name for name, value in sent.items() if not value]
    # A removal would beat a value.
    always = [name for name in ALWAYS_REMOVED if name not in sent]
    answer.headers_to_remove.extend((*allow.remove_headers, *empty, *always))
    answer.query_parameters_to_remove.extend(allow.remove_query)
    _metadata(response, "allow", allow)
    return response.SerializeToString()


def _denied(deny: Deny, sent: Mapping[str, str]) -> bytes:
    # Envoy makes a body the `grpc-message` of a gRPC answer, where a document in JSON would be noise.
    is_grpc = sent.get("content-type", "").startswith("application/grpc")
    if deny.status not in _STATUSES:
        deny = INTERNAL_ERROR
    request_id = sent.get("x-request-id", "")
    response = pb.CheckResponse()
    response.status.code = _UNAUTHENTICATED if deny.status == 401 else _PERMISSION_DENIED
    answer = response.denied_response
    answer.status.code = deny.status
    known = _REQUEST_ID.fullmatch(request_id) is not None
    if not is_grpc:
        answer.body = with_instance(deny.body, request_id) if known else deny.body
    ours = (*(("content-type",) if is_grpc else ()), *(("x-request-id",) if known else ()))
    for name, value in deny.headers:
        if name not in NEVER_ANSWERED and name not in ours:
            _add(answer.headers, name, value)
    if known:
        _add(answer.headers, "x-request-id", request_id)
    _metadata(response, "deny", deny)
    return response.SerializeToString()


def _add(headers: RepeatedCompositeFieldContainer[pb.HeaderValueOption], name: str, value: str) -> None:
    safe = _UNSAFE.sub("", value)
    if safe:
        option = headers.add()
        option.header.key = name
        option.header.value = safe
        option.append_action = _OVERWRITE


def _metadata(response: pb.CheckResponse, word: str, decision: Decision) -> None:
    """Tell Envoy's access log what was decided: %DYNAMIC_METADATA(envoy.filters.http.ext_authz:reason)%."""
    fields = {"decision": word, "reason": decision.reason.value, "policy": decision.policy, "rule": decision.rule}
    response.dynamic_metadata.update({name: value for name, value in fields.items() if value})
