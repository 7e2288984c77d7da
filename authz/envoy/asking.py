"""The other end of the gRPC port: asks a running service as Envoy does, for `authz selftest`."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.envoy.pb import ext_authz_pb2 as pb
from authz.envoy.server import SERVICE

# A documentation address (RFC 5737): no policy takes it for a real client's.
_PEER: Final = "192.0.2.1"


class AskError(Exception):
    """The service cannot be asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files of a client: whom it trusts (None: the system's CAs), and who it is, where the service asks (mTLS).

    `server_name` is expected in the service's certificate instead of the host that is connected to; "" for that host.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a service answered: whether it allows, the HTTP status of a denial (0 for an allow), and what the access log is told."""

    allows: bool
    status: int
    reason: str
    policy: str


class Asker:
    """A connection to the gRPC port of one service; use as a context manager."""

    def __init__(self, target: str, tls: ClientTls | None = None, seconds: float = 5.0) -> None:
        """Connect to HOST:PORT when first asked; each answer is waited for `seconds`. Raises AskError where a TLS file is unreadable."""
        self._target, self._tls, self._seconds = target, tls, seconds
        options: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0)]
        if tls is None:
            self._channel = grpc.insecure_channel(target, options)
        else:
            options += [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
            self._channel = grpc.secure_channel(target, _credentials(tls), options)
        self._call = self._channel.unary_unary(f"/{SERVICE}/Check", pb.CheckRequest.SerializeToString, pb.CheckResponse.FromString)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connection."""
        self._channel.close()

    def health(self, service: str = "") -> str:
        """Return the state that grpc.health.v1 tells of a service, as SERVING. Raises AskError."""
        try:
            answer = health_pb2_grpc.HealthStub(self._channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=self._seconds)
        except grpc.RpcError as fault:
            raise AskError(self._why(fault)) from fault
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def nothing(self) -> Told:
        """Return the answer to a check that describes no request. Raises AskError."""
        return self._ask(pb.CheckRequest())

    def check(self, method: str, url: str) -> Told:
        """Return the answer to a check of a request, as Envoy would describe it. Raises AskError."""
        parts = urlsplit(url)
        request = pb.CheckRequest()
        request.attributes.source.address.socket_address.address = _PEER
        http = request.attributes.request.http
        http.method, http.host = method, parts.netloc
        http.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        http.headers.update({":method": method, ":authority": http.host, ":path": http.path, ":scheme": parts.scheme})
        http.headers["user-agent"] = "authz-selftest"
        return self._ask(request)

    def _ask(self, request: pb.CheckRequest) -> Told:
        try:
            answer = self._call(request, timeout=self._seconds)
        except grpc.RpcError as fault:
            raise AskError(self._why(fault)) from fault
        said = {name: value.string_value for name, value in answer.dynamic_metadata.fields.items()}
        allows = answer.status.code == 0
        return Told(allows, 0 if allows else answer.denied_response.status.code, said.get("reason", ""), said.get("policy", ""))

    def _why(self, fault: grpc.RpcError) -> str:
        code, details = fault.code(), str(fault.details() or "")[:300]
        if code is grpc.StatusCode.UNIMPLEMENTED or "http1" in details:
            return f"{self._target} has no such service; is it the port of --listen (gRPC), and not another one?"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"{self._target}: no answer within {self._seconds:g} s; is the address right, and does a NetworkPolicy let this pod in?"
        return f"{self._target}: {code.name.lower()}: {details}; {_remedy(details.lower(), self._tls)}"


def _remedy(details: str, tls: ClientTls | None) -> str:
    if any(word in details for word in ("ssl", "tls", "certificate", "handshake")):
        return "compare --tls-ca, --tls-cert and --tls-key with what the service serves with, and --tls-name with its certificate"
    if tls is None:
        return "is it running, and without TLS? With TLS, give --tls-ca"
    return "is it running, and with TLS? Where it asks for a certificate, give --tls-cert and --tls-key"


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    try:
        ca, chain, key = (path.read_bytes() if path is not None else None for path in (tls.ca, tls.certificate, tls.key))
    except OSError as fault:
        raise AskError(f"{fault.filename}: {fault.strerror}; --tls-ca, --tls-cert and --tls-key name PEM files") from fault
    return grpc.ssl_channel_credentials(ca, key, chain)
