"""Where an issuer's keys are."""

import json

import pytest

from authz.authn.discovery import DiscoveryError, default_url, jwks_uri

ISSUER = "https://idp.example.com"


def _document(**changes):
    whole = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", **changes}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/", f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/tenant/v2.0", f"{ISSUER}/tenant/v2.0/.well-known/openid-configuration"),
    ],
)
def test_metadata_is_found_below_the_issuer(issuer, url):
    assert default_url(issuer) == url


def test_metadata_names_the_key_set():
    assert jwks_uri(_document(), ISSUER) == f"{ISSUER}/keys"


@pytest.mark.parametrize("said", [f"{ISSUER}/", "https://IDP.example.com", "https://evil.example", None, 7, [ISSUER]])
def test_metadata_of_another_issuer_is_refused(said):
    with pytest.raises(DiscoveryError, match="of the issuer"):
        jwks_uri(_document(issuer=said), ISSUER)


@pytest.mark.parametrize("uri", [None, "", 7, []])
def test_metadata_without_a_key_set_is_refused(uri):
    with pytest.raises(DiscoveryError, match="no jwks_uri"):
        jwks_uri(_document(jwks_uri=uri), ISSUER)


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"issuer": 1, "issuer": 2}', b"\xff"])
def test_metadata_that_cannot_be_read_is_refused(data):
    with pytest.raises(DiscoveryError, match="not JSON with one reading"):
        jwks_uri(data, ISSUER)


@pytest.mark.parametrize("data", [b"[]", b'"text"', b"null"])
def test_metadata_that_is_no_object_is_refused(data):
    with pytest.raises(DiscoveryError, match="no JSON object"):
        jwks_uri(data, ISSUER)
