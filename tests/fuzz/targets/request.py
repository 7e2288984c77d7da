"""A check put together of any texts: none of them opens what none of them is a reason for.

The data are lines: method, host, path with query, peer, named policy, then headers as `name: value`, or as `name= value` for
one that is sent as octets. Longer things than a fuzzer finds by itself stand for `@0`, `@1`…: the tokens of the gate.
"""

from collections.abc import Iterable, Mapping

from authz.envoy.pb import ext_authz_pb2 as pb
from tests.fuzz import gate

FOUND: Mapping[str, bytes] = {}


def fuzz(data: bytes) -> None:
    for at, token in enumerate(gate.tokens()):
        data = data.replace(b"@%d" % at, token.encode())
    lines = data.split(b"\n")
    method, host, path, peer, policy = (_text(line) for line in (*lines, *[b""] * 5)[:5])
    message = pb.CheckRequest()
    http = message.attributes.request.http
    http.method, http.host, http.path = method, host, path
    message.attributes.source.address.socket_address.address = peer
    message.attributes.context_extensions["policy"] = policy
    for line in lines[5:]:
        name, colon, value = line.partition(b": ")
        if colon:
            http.headers[_text(name).lower()] = _text(value)
        else:
            name, _, value = line.partition(b"= ")
            http.header_map.headers.add(key=_text(name), raw_value=value)
    gate.send(message.SerializeToString())


def _text(line: bytes) -> str:
    """Fields of a message are UTF-8."""
    return line.decode("utf-8", "replace")


def seeds() -> Iterable[bytes]:
    yield b"GET\napi.example.com\n/open\n203.0.113.7\n"
    yield b"GET\napi.example.com\n/orders/7\n203.0.113.7\n\nauthorization: Bearer @0\nx-request-id: 7"
    yield from (b"GET\napi.example.com\n/orders/7\n203.0.113.7\n\nauthorization: Bearer @%d" % at for at in range(1, len(gate.tokens())))
    yield b"PUT\nAPI.example.com.:443\n/%6frders/?token=@1&token=@0\n203.0.113.7\nshop/orders\ncookie: s=@0;s=@4"
    yield b"GET\napi.example.com\n/office/7\n10.0.0.1\n\nx-forwarded-for: 203.0.113.7, 192.0.2.7"
    yield b"GET\napi.example.com\n/o77\n10.0.0.1\n\nX-Forwarded-For= 192.0.2.7\nx-forwarded-for= 203.0.113.7\nAuthorization= Bearer @2"
    yield b"OPTIONS\nshop.example.com\n/x\n::1\n\norigin: https://app.example\naccess-control-request-method: PUT"
    yield b"GET\nopen.example\n/..;/orders//%2e\n\nshop/rest\nx-blocked: \ncontent-type: application/grpc"
