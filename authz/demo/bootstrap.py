"""Envoy's configuration, built from its own types (envoy-data-plane): one listener, external authorization, one upstream."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from envoy_data_plane.envoy.config.bootstrap import v3 as bootstrap
from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.filters.http.ext_authz import v3 as ext_authz
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as http
from envoy_data_plane.envoy.type import v3 as kind
from envoy_data_plane.google.protobuf import Any as Packed

_TYPES: Final = "type.googleapis.com/"


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate chain and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Topology:
    """What the proxy is between.

    Attributes:
        port: where it listens on loopback; 0 takes any free port.
        checks: host and port of the authorization service.
        upstream: host and port of the backend.
        certificate: for a listener with TLS.
        checks_ca: CA of the authorization service, where that speaks TLS; `checks_client` is what the proxy shows it.
        raw_headers: whether checks carry headers as they came (`encode_raw_headers`).
        named_policy: sent as `context_extensions: policy`.
    """

    port: int
    checks: tuple[str, int]
    upstream: tuple[str, int]
    certificate: Pem | None = None
    checks_ca: Path | None = None
    checks_client: Pem | None = None
    raw_headers: bool = False
    named_policy: str = ""


def bootstrap_json(topology: Topology) -> str:
    """Return the bootstrap configuration as JSON text."""
    built = bootstrap.Bootstrap(
        admin=bootstrap.Admin(address=_address("127.0.0.1", 0)),
        static_resources=bootstrap.BootstrapStaticResources(
            listeners=[_listener(topology)],
            clusters=[_checks_cluster(topology), _cluster("upstream", topology.upstream)],
        ),
    )
    text: str = built.to_json()
    return text


def _address(host: str, port: int) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    return core.Address(socket_address=core.SocketAddress(address=host, port_value=port))


def _packed(message: Any, name: str) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    return Packed(type_url=_TYPES + name, value=bytes(message))


def _listener(topology: Topology) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    chain = listener.FilterChain(
        filters=[
            listener.Filter(
                name="envoy.filters.network.http_connection_manager",
                typed_config=_packed(
                    _manager(topology),
                    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                ),
            )
        ],
    )
    if topology.certificate is not None:
        chain.transport_socket = _server_tls(topology.certificate)
    return listener.Listener(name="demo", address=_address("127.0.0.1", topology.port), filter_chains=[chain])


def _manager(topology: Topology) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    virtual_host = route.VirtualHost(
        name="all",
        domains=["*"],
        routes=[route.Route(match=route.RouteMatch(prefix="/"), route=route.RouteAction(cluster="upstream"))],
    )
    if topology.named_policy:
        per_route = ext_authz.ExtAuthzPerRoute(check_settings=ext_authz.CheckSettings(context_extensions={"policy": topology.named_policy}))
        virtual_host.typed_per_filter_config = {
            "envoy.filters.http.ext_authz": _packed(per_route, "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute")
        }
    return hcm.HttpConnectionManager(
        stat_prefix="demo",
        codec_type=hcm.HttpConnectionManagerCodecType.AUTO,
        # The listener faces clients: Envoy writes x-forwarded-* and x-envoy-* itself.
        use_remote_address=True,
        route_config=route.RouteConfiguration(virtual_hosts=[virtual_host]),
        http_filters=[
            hcm.HttpFilter(
                name="envoy.filters.http.ext_authz",
                typed_config=_packed(_filter(topology), "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"),
            ),
            hcm.HttpFilter(
                name="envoy.filters.http.router", typed_config=_packed(router.Router(), "envoy.extensions.filters.http.router.v3.Router")
            ),
        ],
    )


def _filter(topology: Topology) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    return ext_authz.ExtAuthz(
        transport_api_version=core.ApiVersion.V3,
        grpc_service=core.GrpcService(envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name="checks"), timeout=timedelta(seconds=2)),
        # Without an answer of the service nothing passes, and the client learns that the fault is not its own.
        failure_mode_allow=False,
        status_on_error=kind.HttpStatus(code=kind.StatusCode.ServiceUnavailable),
        validate_mutations=True,
        encode_raw_headers=topology.raw_headers,
    )


def _cluster(name: str, at: tuple[str, int]) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    place = endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=_address(*at)))
    return cluster.Cluster(
        name=name,
        connect_timeout=timedelta(seconds=1),
        load_assignment=endpoint.ClusterLoadAssignment(cluster_name=name, endpoints=[endpoint.LocalityLbEndpoints(lb_endpoints=[place])]),
    )


def _checks_cluster(topology: Topology) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    built = _cluster("checks", topology.checks)
    options = http.HttpProtocolOptions(
        explicit_http_config=http.HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=core.Http2ProtocolOptions())
    )
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    built.typed_extension_protocol_options = {name: _packed(options, name)}
    if topology.checks_ca is not None:
        built.transport_socket = _client_tls(topology.checks_ca, topology.checks_client)
    return built


def _pem(pem: Pem) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    return tls.TlsCertificate(
        certificate_chain=core.DataSource(filename=str(pem.certificate)), private_key=core.DataSource(filename=str(pem.key))
    )


def _server_tls(pem: Pem) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    context = tls.DownstreamTlsContext(
        common_tls_context=tls.CommonTlsContext(tls_certificates=[_pem(pem)], alpn_protocols=["h2", "http/1.1"])
    )
    name = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=_packed(context, name))


def _client_tls(ca: Path, client: Pem | None) -> Any:  # noqa: ANN401 - envoy-data-plane is not typed for mypy
    common = tls.CommonTlsContext(
        tls_certificates=[_pem(client)] if client is not None else [],
        validation_context=tls.CertificateValidationContext(trusted_ca=core.DataSource(filename=str(ca))),
        alpn_protocols=["h2"],
    )
    context = tls.UpstreamTlsContext(common_tls_context=common, sni="localhost")
    name = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    return core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=_packed(context, name))
