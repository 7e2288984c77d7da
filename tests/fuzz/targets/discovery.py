"""Discovery metadata: refused, or of this issuer, and then with an address of its keys."""

import json
from collections.abc import Iterable, Mapping

from authz.authn.discovery import DiscoveryError, jwks_uri
from tests.builders import ISSUER

FOUND: Mapping[str, bytes] = {}


def fuzz(data: bytes) -> None:
    try:
        uri = jwks_uri(data, ISSUER)
    except DiscoveryError:
        return
    metadata = json.loads(data)
    assert (metadata["issuer"], metadata["jwks_uri"]) == (ISSUER, uri)
    assert uri


def seeds() -> Iterable[bytes]:
    whole = {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/keys",
        "authorization_endpoint": f"{ISSUER}/authorize",
        "response_types_supported": ["code"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    yield json.dumps(whole).encode()
    yield json.dumps(whole | {"issuer": ISSUER + "/"}).encode()
    yield json.dumps(whole | {"jwks_uri": None}).encode()
    yield json.dumps([whole]).encode()
