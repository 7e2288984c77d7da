"""TLS of the gRPC port: certificate, key and client CAs from files that are read anew when they change."""

from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. With `client_ca` only clients with a certificate of that CA may connect (mTLS)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class TlsError(Exception):
    """The TLS files cannot be used; the message names them."""


def credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials that follow the files. Raises TlsError where they cannot be read now.

    Later faults keep what was read last: a half-written pair must not end a server that works.
    """
    follower = _Follower(files)
    return grpc.dynamic_ssl_server_credentials(
        follower.current,
        follower.changed,  # type: ignore[arg-type]  # None, "no change", is allowed (grpc.dynamic_ssl_server_credentials)
        require_client_authentication=files.client_ca is not None,
    )


class _Follower:
    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = self._signature()
        try:
            self.current = self._read()
        except (OSError, ValueError, TypeError) as fault:
            names = ", ".join(str(path) for path in (files.certificate, files.key, files.client_ca) if path is not None)
            raise TlsError(f"the TLS files cannot be used ({names}): {fault}") from fault

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return a new configuration where the files have changed, else None. Called at each handshake."""
        try:
            seen = self._signature()
            if seen == self._seen:
                return None
            found = self._read()
        except (OSError, ValueError, TypeError):
            return None  # Half written, perhaps: what was read last stays, and the next handshake looks again.
        self._seen = seen
        return found

    def _signature(self) -> tuple[tuple[int, int, int], ...]:
        files = self._files
        stats = [path.stat() for path in (files.certificate, files.key, files.client_ca) if path is not None and path.exists()]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        chain, key = files.certificate.read_bytes(), files.key.read_bytes()
        ca = files.client_ca.read_bytes() if files.client_ca is not None else None
        # ValueError where one is no PEM, or half written, or the pair of different making.
        certificate = load_pem_x509_certificates(chain)[0]
        if load_pem_private_key(key, None).public_key() != certificate.public_key():
            raise ValueError(f"{files.key} is not the key of {files.certificate}")
        if ca is not None:
            load_pem_x509_certificates(ca)
        return grpc.ssl_server_certificate_configuration([(key, chain)], ca)
