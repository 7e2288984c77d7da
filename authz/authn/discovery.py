"""OpenID Connect discovery metadata (OpenID Connect Discovery 1.0 §4): where an issuer's keys are."""

from authz.authn import json_text


class DiscoveryError(ValueError):
    """Metadata that cannot be used; the message says why."""


def default_url(issuer: str) -> str:
    """Return where an issuer publishes its metadata (§4.1).

    >>> default_url("https://idp.example.com/tenant/")
    'https://idp.example.com/tenant/.well-known/openid-configuration'
    """
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def jwks_uri(document: bytes, issuer: str) -> str:
    """Return the metadata's `jwks_uri`. Raises DiscoveryError where it is not this issuer's metadata, byte for byte."""
    try:
        metadata = json_text.parse(document)
    except json_text.NotOneReading as fault:
        raise DiscoveryError(f"the discovery document is {fault}") from fault
    if not isinstance(metadata, dict):
        raise DiscoveryError("the discovery document is no JSON object")
    if metadata.get("issuer") != issuer:
        raise DiscoveryError(f"the discovery document is of the issuer {metadata.get('issuer')!s:.200}, not of {issuer}")
    uri = metadata.get("jwks_uri")
    if not isinstance(uri, str) or not uri:
        raise DiscoveryError("the discovery document has no jwks_uri")
    return uri
