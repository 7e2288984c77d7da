"""The gRPC server: Check and health, TLS with reload, drain. Behind the seam `check(bytes, deadline) -> bytes | awaitable`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from authz.envoy.tls import TlsFiles, credentials

CheckBytes = Callable[[bytes, float], bytes | Awaitable[bytes]]

SERVICE: Final = "envoy.service.auth.v3.Authorization"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one server takes and when it lets go of connections.

    Attributes:
        max_message_bytes: the largest CheckRequest. Well above what a proxy buffers of a body: a request that is too large
            is an error to Envoy, and with failure_mode_allow an open door.
        max_deadline: the longest time that a check may take, in seconds, whatever the caller allows.
        connection_age: after how many seconds a connection is closed gracefully, so that load spreads anew.
        connection_grace: how long calls on such a connection may still take, in seconds.
        pending: how many calls may wait to be begun, about a second's; gRPC ends those beyond with an error, some from half of it on.
        handshake: how long a connection may take until it speaks HTTP/2, in seconds.
    """

    max_message_bytes: int = 16 * 1024 * 1024
    max_deadline: float = 5.0
    connection_age: float = 120.0
    connection_grace: float = 30.0
    pending: int = 8000
    handshake: float = 10.0


class CheckServer:
    """One listening address."""

    def __init__(self, check: CheckBytes, limits: ServerLimits, tls: TlsFiles | None = None) -> None:
        self._check = check
        self._limits = limits
        self._tls = tls
        self._server = grpc.aio.server(options=_options(limits))
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        handler = grpc.unary_unary_rpc_method_handler(self._answer)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": handler}),))

    async def start(self, address: str) -> int:
        """Listen on HOST:PORT and return the port. Raises OSError where the address cannot be had."""
        try:
            if self._tls is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials(self._tls))
        except RuntimeError as fault:
            raise OSError(f"cannot listen on {address}: it is taken, or not an address of this machine") from fault
        await self._report(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.start()
        return port

    async def ready(self) -> None:
        """Tell health checks that this server is ready to be asked."""
        await self._report(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Tell health checks that this server is about to go; it still answers."""
        await self._report(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def stop(self, grace: float) -> None:
        """Close, after the checks under way have ended or `grace` seconds have passed."""
        await self._server.stop(grace)

    async def _report(self, status: int) -> None:
        for service in ("", SERVICE):
            await self._health.set(service, status)

    async def _answer(self, data: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        left = context.time_remaining()
        deadline = self._limits.max_deadline if left is None else min(left, self._limits.max_deadline)
        answer = self._check(data, deadline)
        return answer if isinstance(answer, bytes) else await answer


def _options(limits: ServerLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_connection_age_ms", int(limits.connection_age * 1000)),
        ("grpc.max_connection_age_grace_ms", int(limits.connection_grace * 1000)),
        ("grpc.server.max_pending_requests", limits.pending // 2),
        ("grpc.server.max_pending_requests_hard_limit", limits.pending),
        ("grpc.server_handshake_timeout_ms", int(limits.handshake * 1000)),
        # Envoy's connection_keepalive pings more often than gRPC's default lets it, and would be sent away.
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        # Two processes on one port would get all checks of an Envoy worker or none.
        ("grpc.so_reuseport", 0),
    ]
