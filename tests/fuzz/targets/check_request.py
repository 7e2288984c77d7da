"""A check as Envoy sends it, byte for byte: it is always answered, and never with an allow for which there is no reason."""

from collections.abc import Iterable, Mapping

from authz.envoy.codec import request_of
from tests.fuzz import gate

FOUND: Mapping[str, bytes] = {}


def fuzz(data: bytes) -> None:
    request = request_of(data)
    answer = gate.send(data)
    if request is None:
        assert answer.denied_response.status.code == 400
        return
    told = (request.method, request.host, request.path, request.query, request.peer, request.policy)
    assert all(isinstance(each, str) for each in (*told, *request.headers, *request.headers.values()))


def seeds() -> Iterable[bytes]:
    yield b""
    yield from gate.checks()
