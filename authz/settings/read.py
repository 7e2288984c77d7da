"""Settings read from flags, one function for each; every one raises ValueError with the remedy."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from authz.authn.api_keys import digest_key_of
from authz.envoy.tls import TlsFiles
from authz.fetch.client import FetchLimits, origin_of, problem_of_origins
from authz.model.operator import ClientAddress, HostGrant, Operator
from authz.model.policy import PolicyName
from authz.settings.values import Address, Settings

_ADDRESS: Final = re.compile(r"(?:\[(?P<bracketed>[^][]+)\]|(?P<host>[^][]+)):(?P<port>[0-9]{1,5})")


def address(text: str) -> Address:
    """Return the address that `HOST:PORT` means. Raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(f"{text!r} is no HOST:PORT, as in 127.0.0.1:9001 or [::]:9001 (port 0 takes any free one)")
    return Address(found["bracketed"] or found["host"], int(found["port"]))


def source(policies: Path | None, of_kube: Mapping[str, object], *, kube: bool) -> None:
    """Raise ValueError unless exactly one source is named, and what goes with --kube (flags and their values) only then."""
    if (policies is not None) is kube:
        raise ValueError("give one of --policies DIR and --kube")
    alone = [flag for flag, value in of_kube.items() if value and not kube]
    if alone:
        raise ValueError(f"{', '.join(alone)} {'goes' if len(alone) == 1 else 'go'} with --kube")
    kubeconfig = of_kube.get("--kubeconfig")
    if isinstance(kubeconfig, Path) and not kubeconfig.is_file():
        raise ValueError(f"--kubeconfig {kubeconfig}: no such file")


def fetch_limits(ca_file: Path | None, insecure: Sequence[str]) -> FetchLimits:
    """Return how keys are fetched. Raises ValueError."""
    if why := problem_of_origins(insecure):
        raise ValueError(why)
    if ca_file is not None and not ca_file.is_file():
        raise ValueError(f"{ca_file}: no such file")
    return FetchLimits(insecure_origins=frozenset(map(origin_of, insecure)), ca_file=ca_file)


def tls_files(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """Return the TLS files of the gRPC port, or None for plain text. Raises ValueError."""
    if certificate is None and key is None:
        if client_ca is not None:
            raise ValueError("--tls-client-ca needs --tls-cert and --tls-key")
        return None
    if certificate is None or key is None:
        raise ValueError("--tls-cert and --tls-key go together")
    for path in (certificate, key, client_ca):
        if path is not None and not path.is_file():
            raise ValueError(f"{path}: no such file")
    return TlsFiles(certificate, key, client_ca)


def digest_key(path: Path | None) -> bytes:
    """Return the key of keyed digests that a file holds, or b"" without a file. Raises ValueError."""
    if path is None:
        return b""
    try:
        return digest_key_of(path.read_bytes())
    except OSError as fault:
        raise ValueError(f"{path}: {fault.strerror}") from fault
    except ValueError as fault:
        raise ValueError(f"{path}: {fault}") from fault


def described(settings: Settings) -> Mapping[str, str]:
    """Return what is worth saying at the start, in words."""
    said = settings.operator.client_address
    found = "not said: policies with clientIP are refused" if said is None else said.header or "peer"
    if said is None and settings.operator.says_addresses:
        found = "said for single Gateways only"
    certificate = settings.operator.client_certificate
    told = {"client_address": found, "unprotected": _unprotected(settings.operator)}
    opened = {
        "identity_headers": sorted(settings.operator.identity_headers),
        "fetch_insecure": sorted(settings.fetch.insecure_origins),
        "hosts_from": [_grant(each) for each in settings.operator.host_grants or ()],
    }
    told |= {name: ", ".join(words) for name, words in opened.items() if words}
    if certificate is not None:
        told["client_certificate"] = certificate.header or certificate.source.value
    if settings.cluster is not None:
        told["gateways"] = ", ".join(_gateway(each.name, each.client_address) for each in settings.operator.gateways) or "none is listed"
        told["status"] = (
            f"written by the holder of the Lease in {settings.cluster.namespace}" if settings.cluster.namespace else "not written"
        )
    return told


def _grant(grant: HostGrant) -> str:
    return grant.namespace + (f"={','.join(grant.patterns)}" if grant.patterns else "")


def _gateway(name: PolicyName, how: ClientAddress | None) -> str:
    return str(name) if how is None else f"{name} (client address: {how.header or 'peer'})"


def _unprotected(said: Operator) -> str:
    if said.unprotected_all:
        return "every host (requests that no policy covers pass)"
    gateways = [f"routes of the Gateway {name}" for name in sorted(said.unprotected_gateways)]
    return ", ".join([*sorted(said.unprotected), *gateways]) or "none"
