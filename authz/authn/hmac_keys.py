"""Secrets that an issuer and this service share, to verify HMAC signatures (RFC 7518 §3.2): from their text to keys that are ready.

Whoever can verify by such a key can sign by it, so nothing that others may know is taken for one: a public key, a certificate,
a word. A text with a member that cannot be used is refused whole: unlike a server's key set, it is the policy author's own.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from authz.authn import json_text
from authz.authn.jws import octets
from authz.authn.keys import KeySetError, use_problem

MAX_KEYS: Final = 16
MAX_BYTES: Final = 64 * 1024
# What a key has at least: the length of the hash (RFC 7518 §3.2). What is longer than its block adds nothing (RFC 2104 §3).
_LEAST: Final[Mapping[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}
_MOST: Final = 128
_HASHES: Final[Mapping[str, str]] = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
ALGORITHMS: Final = tuple(_LEAST)
_LINE: Final = re.compile(r"[A-Za-z0-9_-]+|[A-Za-z0-9+/]+={0,2}")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_URL_SAFE: Final = str.maketrans("+/", "-_")
_KNOWN_TEXTS: Final = (b"-----BEGIN", b"ssh-", b"ecdsa-sha2-", b'"kty"')
_NOT_URL_SAFE: Final = "k is not Base64url without padding (RFC 7518 §6.4.1)"
_FORMS: Final = 'write {"keys": [{"kty": "oct", "k": "…", "kid": "…"}]} (RFC 7517), or one key in Base64 on one line'


class HmacKey:
    """The secrets that may have signed a token, for one algorithm; `kid` names them. Their text is in no representation."""

    __slots__ = ("_hash", "_secrets", "kid")

    def __init__(self, kid: str, algorithm: str, secrets: Iterable[bytes]) -> None:
        self.kid = kid
        self._hash = _HASHES[algorithm]
        self._secrets = tuple(secrets)

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Return whether `signature` over `signed` was made with one of the secrets. It takes as long whichever it is."""
        holds = False
        for secret in self._secrets:
            holds |= hmac.compare_digest(hmac.digest(secret, signed, self._hash), signature)
        return holds


class HmacKeys:
    """The secrets of one issuer, found by `kid` and algorithm.

    A token that names a key is verified by that one; where no key has that name, by those that have none. One that names none
    is verified by any. They are few.
    """

    __slots__ = ("_all", "_named", "_nameless", "_names", "kids")

    def __init__(self, keys: "list[_Secret]", algorithms: tuple[str, ...]) -> None:
        self.kids = tuple(key.kid or "without a name" for key in keys)
        self._names = frozenset(key.kid for key in keys if key.kid)
        self._named = {(key.kid, name): HmacKey(key.kid, name, (key.secret,)) for key in keys if key.kid for name in key.algorithms}
        self._nameless = {name: _together((key for key in keys if not key.kid), name) for name in algorithms}
        self._all = {name: _together(keys, name) for name in algorithms}

    def find(self, kid: str | None, algorithm: str) -> HmacKey | None:
        """Return what verifies a token with this header, or None."""
        if kid is None:
            return self._all.get(algorithm)
        return self._named.get((kid, algorithm)) if kid in self._names else self._nameless.get(algorithm)


class _Secret:
    """One key as read; its representation does not tell it."""

    __slots__ = ("algorithms", "kid", "secret")

    def __init__(self, kid: str, secret: bytes, algorithms: tuple[str, ...]) -> None:
        self.kid = kid
        self.secret = secret
        self.algorithms = algorithms


def _together(keys: "Iterable[_Secret]", algorithm: str) -> HmacKey | None:
    fitting = [key for key in keys if algorithm in key.algorithms]
    return (
        HmacKey(", ".join(key.kid or "without a name" for key in fitting), algorithm, (key.secret for key in fitting)) if fitting else None
    )


def hmac_keys(text: str, algorithms: tuple[str, ...]) -> HmacKeys:
    """Return the secrets of a text: a JWKS of `oct` keys (RFC 7518 §6.4), or one line, a key in Base64 of either alphabet.

    Raises KeySetError, which tells nothing of the text, where any of it cannot be used.
    """
    if len(text) > MAX_BYTES:
        raise KeySetError(f"the text is larger than {MAX_BYTES // 1024} KiB")
    line = text.removesuffix("\n").removesuffix("\r")
    if _LINE.fullmatch(line):
        keys = [_Secret("", _checked(_of_line(line), algorithms), algorithms)]
    else:
        members = _members(text)
        keys = [_of_member(member, at, algorithms) for at, member in enumerate(members)]
    named = [key.kid for key in keys if key.kid]
    if len(set(named)) < len(named):
        raise KeySetError("two keys have one kid; which one a token means could not be told")
    return HmacKeys(keys, algorithms)


def _of_line(line: str) -> bytes:
    bare = line.rstrip("=")
    # Without padding at all or with all of it.
    if bare != line and len(line) % 4:
        raise KeySetError(f"the line is not Base64; {_FORMS}")
    try:
        return octets(bare.translate(_URL_SAFE))
    except ValueError:
        raise KeySetError(f"the line is not Base64; {_FORMS}") from None


def _members(text: str) -> list[Any]:
    if "-----BEGIN" in text:
        raise KeySetError(f"it is PEM, and neither a public key nor a certificate is a secret; {_FORMS}")
    try:
        value = json_text.parse(text.encode("utf-8", "surrogatepass"))
    except json_text.NotOneReading:
        raise KeySetError(f"it is neither JSON with one reading nor one line of Base64; {_FORMS}") from None
    members = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(members, list) or not members:
        raise KeySetError(f"it is no key set with keys; {_FORMS}")
    if len(members) > MAX_KEYS:
        raise KeySetError(f"it has more than {MAX_KEYS} keys, each of which a token may cost; remove those that are no longer used")
    return members


def _of_member(member: Any, at: int, algorithms: tuple[str, ...]) -> _Secret:  # noqa: ANN401 - arbitrary JSON
    try:
        return _secret(member, algorithms)
    except KeySetError as why:
        raise KeySetError(f"keys[{at}]: {why}") from None


def _secret(member: Any, algorithms: tuple[str, ...]) -> _Secret:  # noqa: ANN401 - arbitrary JSON
    if not isinstance(member, dict) or member.get("kty") != "oct":
        raise KeySetError("it is of another type than oct; public keys go into jwks or jwksFrom")
    kid, own = member.get("kid", ""), member.get("alg", "")
    if not isinstance(kid, str) or len(kid) > 256 or (not kid and "kid" in member):
        raise KeySetError("kid is not a short string")
    if why := use_problem(member):
        raise KeySetError(why)
    served = algorithms if not own and "alg" not in member else tuple(name for name in algorithms if name == own)
    if not served:
        raise KeySetError("its alg is not among the issuer's `algorithms`")
    written = member.get("k")
    if not isinstance(written, str) or not _BASE64URL.fullmatch(written):
        raise KeySetError(_NOT_URL_SAFE)
    try:
        secret = octets(written)
    except ValueError:
        raise KeySetError(_NOT_URL_SAFE) from None
    return _Secret(kid, _checked(secret, served), served)


def _checked(secret: bytes, algorithms: tuple[str, ...]) -> bytes:
    """Return the octets of a key; raises KeySetError where they are too few, too many, or known to others."""
    if _is_known(secret):
        raise KeySetError("it is a key or certificate in another format, and what can be published is no secret; make 32 random octets")
    least = max(_LEAST[name] for name in algorithms)
    if not least <= len(secret) <= _MOST:
        wanted = f"{least} to {_MOST} octets for {', '.join(algorithms)} (RFC 7518 §3.2)"
        raise KeySetError(f"the key has {len(secret)} octets instead of {wanted}; make another")
    return secret


def _is_known(secret: bytes) -> bool:
    """Return whether octets are a public key, a certificate or the like: in DER, or as a text in PEM, of OpenSSH or in JSON."""
    if any(mark in secret for mark in _KNOWN_TEXTS):
        return True
    if not secret.startswith(b"\x30"):
        return False
    return any(_loads(load, secret) for load in (load_der_public_key, x509.load_der_x509_certificate, _load_private))


def _load_private(data: bytes) -> object:
    return load_der_private_key(data, None)


def _loads(load: Any, data: bytes) -> bool:  # noqa: ANN401 - cryptography's own signatures differ
    try:
        load(data)
    except Exception:  # noqa: BLE001 - what is no such thing raises many types
        return False
    return True
