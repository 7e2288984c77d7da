"""Settings: one frozen value. Flags first, then environment, then defaults; every mistake is reported at once."""

from authz.settings.operator import client_address, client_certificate, host_grants, listed_gateways, namespaces, operator
from authz.settings.read import address, described, digest_key, fetch_limits, source, tls_files
from authz.settings.values import Address, ClusterSettings, Mistakes, Settings, SettingsError

__all__ = [
    "Address",
    "ClusterSettings",
    "Mistakes",
    "Settings",
    "SettingsError",
    "address",
    "client_address",
    "client_certificate",
    "described",
    "digest_key",
    "fetch_limits",
    "host_grants",
    "listed_gateways",
    "namespaces",
    "operator",
    "source",
    "tls_files",
]
