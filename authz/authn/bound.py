"""Tokens that are bound to the certificate of their holder (RFC 8705 §3.1)."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final

from authz.model.principal import Failure, Rank
from authz.model.reason import Reason

_THUMBPRINT: Final = "x5t#S256"
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
# Other ways to name a key of the holder, of which nothing here asks for a proof (RFC 7800 §3, RFC 9449 §6.1).
_OTHER_KEYS: Final = frozenset({"jwk", "jwe", "jku", "kid", "jkt", "x5t", "x5u"})


def binding_failure(claims: Mapping[str, Any], certificate_der: bytes | None) -> Failure | None:
    """Return why the token is not its presenter's, or None where it is bound to this certificate or to nothing.

    The certificate is what the client proved to hold, whoever issued it and whether or not it is out of date: the thumbprint alone
    binds. A token that names another key as well is refused, since nothing here asks for a proof of that.
    """
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    if not isinstance(confirmation, Mapping):
        return _failure("a `cnf` that is an object", "another value")
    wanted = confirmation.get(_THUMBPRINT)
    if _THUMBPRINT not in confirmation or not _OTHER_KEYS.isdisjoint(confirmation):
        return _failure(f"a bearer token, or one that is bound to a certificate alone (cnf.{_THUMBPRINT})", "bound to another key")
    if not isinstance(wanted, str) or not _SHAPE.fullmatch(wanted):
        return _failure(f"cnf.{_THUMBPRINT} that is a SHA-256 in base64url", "another value")
    if certificate_der is None:
        return _failure("the client certificate that the token is bound to", "no certificate")
    own = urlsafe_b64encode(sha256(certificate_der).digest()).rstrip(b"=")
    if not compare_digest(own, wanted.encode("ascii")):
        return _failure("the client certificate that the token is bound to", "another certificate")
    return None


def _failure(want: str, got: str) -> Failure:
    return Failure(Reason.TOKEN_BINDING, Rank.NOT_VERIFIED, want, got)
