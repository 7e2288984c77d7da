"""Compact JWS (RFC 7515), read strictly: one spelling of a token, one reading of its header and payload."""

import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from authz.authn import json_text
from authz.model.issuer import token_type
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason

MAX_TOKEN: Final = 16 * 1024
MAX_HEADER: Final = 4 * 1024
MAX_KID: Final = 256
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+")
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
# The last characters that leave no unused bit set, by how many characters stand after the last group of four.
_LAST: Final = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
# Headers that change what the signature covers or how the payload is read.
_REFUSED: Final = ("crit", "b64", "zip", "enc")


class Jws:
    """A token that was taken apart and not verified.

    Attributes:
        algorithm: the header's `alg`.
        kid: the header's `kid`, or None.
        kind: the header's `typ`, as `token_type` gives it; `jwt` where there is none (RFC 7519 §5.1).
        claims: the payload, an object.
        signed: the octets that the signature covers.
        signature: the signature.
    """

    __slots__ = ("algorithm", "claims", "kid", "kind", "signature", "signed")

    def __init__(self, header: Mapping[str, Any], claims: Mapping[str, Any], signed: bytes, signature: bytes) -> None:
        # RFC 9864 gives the algorithm the name of its curve.
        self.algorithm: str = "EdDSA" if header["alg"] == "Ed25519" else header["alg"]
        self.kid: str | None = header.get("kid")
        self.kind: str = token_type(header.get("typ", "jwt"))
        self.claims = claims
        self.signed = signed
        self.signature = signature


def read(token: str) -> Jws | Failure:
    """Return the token taken apart, or why it cannot be read. Nothing in it is trusted yet."""
    parts = take_apart(token)
    if isinstance(parts, Failure):
        return parts
    header, payload, signed, signature = parts
    try:
        claims = json_text.parse(payload)
    except json_text.NotOneReading:
        return _malformed("a payload that is not JSON with one reading")
    if not isinstance(claims, dict):
        return _malformed("a payload that is no JSON object")
    return Jws(header, claims, signed, signature)


def take_apart(token: str) -> tuple[Mapping[str, Any], bytes, bytes, bytes] | Failure:
    """Return the header of a JWS, and the octets of its payload, of what is signed and of the signature; or a failure."""
    if len(token) > MAX_TOKEN:
        return Failure(Reason.TOKEN_TOO_LARGE, Rank.UNREADABLE, f"at most {MAX_TOKEN} characters", f"{len(token)}")
    if not _SHAPE.fullmatch(token):
        return _shape_failure(token)
    signing, _, signature_text = token.rpartition(".")
    header_text, _, payload_text = signing.partition(".")
    try:
        signature, payload = octets(signature_text), octets(payload_text)
        header = json_text.parse(octets(header_text))
    except ValueError:
        return _malformed("a part that is not base64url, or a header that is not JSON with one reading")
    if len(header_text) > MAX_HEADER:
        return _malformed("a header that is too large")
    return _header_failure(header) or (header, payload, signing.encode("ascii"), signature)


def octets(text: str) -> bytes:
    """Return what unpadded base64url `text` stands for. Raises ValueError, also for a spelling that is not the only one."""
    left = len(text) % 4
    # strict_mode lets unused bits pass: "QR" and "QQ" would be one octet, and one token have two spellings.
    if left and text[-1] not in _LAST.get(left, ()):
        raise ValueError("unused bits are set")
    return binascii.a2b_base64(text.encode("ascii").translate(_STANDARD) + b"=" * (-left % 4), strict_mode=True)


def _header_failure(header: object) -> Failure | None:
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        return _malformed("a header without `alg`")
    for name in _REFUSED:
        if name in header:
            return _malformed(f"the header parameter {name}")
    kid = header.get("kid")
    if "kid" in header and (not isinstance(kid, str) or len(kid) > MAX_KID):
        return _malformed("a `kid` that is no short string")
    if not isinstance(header.get("typ", ""), str):
        return Failure(Reason.TOKEN_TYPE, Rank.NOT_VERIFIED, "a typ that is text", "another value")
    if "cty" in header:
        return _malformed("a nested token (cty)")
    return None


def _shape_failure(token: str) -> Failure:
    parts = token.split(".")
    if len(parts) == 5:
        return Failure(Reason.TOKEN_DECRYPT, Rank.UNREADABLE, "a signed token", "an encrypted token (JWE)")
    if len(parts) == 3 and parts[0] and not parts[2]:
        return Failure(Reason.TOKEN_ALGORITHM, Rank.NOT_VERIFIED, "a signature", "none")
    if not token:
        return _malformed("no token after the scheme")
    return _malformed(f"{len(parts)} parts" if len(parts) != 3 else "characters that base64url does not have")


def _malformed(got: str) -> Failure:
    return Failure(Reason.TOKEN_MALFORMED, Rank.UNREADABLE, "a signed JWT in compact form", got)
