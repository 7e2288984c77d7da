"""CheckRequests and CheckResponses as Envoy writes and reads them."""

from typing import Any

from authz.envoy.pb import ext_authz_pb2 as pb


def check_request(
    method: str = "GET",
    path: str = "/orders/7",
    *,
    host: str = "api.example.com",
    headers: dict[str, str] | None = None,
    raw_headers: list[tuple[str, bytes]] | None = None,
    peer: str = "203.0.113.7",
    policy: str = "",
    protocol: str = "HTTP/1.1",
    certificate: str = "",
) -> bytes:
    """A CheckRequest that differs from the usual one by what is given."""
    request = pb.CheckRequest()
    http = request.attributes.request.http
    http.method, http.path, http.host, http.protocol = method, path, host, protocol
    for name, value in (headers or {}).items():
        http.headers[name] = value
    for name, octets in raw_headers or ():
        http.header_map.headers.add(key=name, raw_value=octets)
    request.attributes.source.address.socket_address.address = peer
    request.attributes.source.certificate = certificate
    if policy:
        request.attributes.context_extensions["policy"] = policy
    return request.SerializeToString()


def check_response(data: bytes) -> Any:
    """A CheckResponse, read."""
    return pb.CheckResponse.FromString(data)


def all_headers(response: Any) -> list[Any]:
    """Every header option of a response."""
    return [*response.ok_response.headers, *response.denied_response.headers]


def reason_of(data: bytes) -> str:
    """The reason that the access log is told."""
    return str(check_response(data).dynamic_metadata["reason"])
