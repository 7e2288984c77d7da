"""Why a request was allowed or denied: a closed list, with what each reason means to a client."""

from enum import StrEnum


class Reason(StrEnum):
    """One reason. Its value is the word that users see in logs, metrics, answers and documentation.

    Attributes:
        status: HTTP status of the answer (200 for the reasons of an allow).
        error: the `error` code of RFC 6750 §3.1, or "" where the answer has none.
        sentence: what the client is told, in one short sentence; never an internal.
        ordinal: position in this list, for counters that are plain lists.
    """

    status: int
    error: str
    sentence: str
    ordinal: int

    def __new__(cls, value: str, status: int, error: str, sentence: str) -> "Reason":
        """Return the member `value` with its facts attached."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.status, member.error, member.sentence = status, error, sentence
        member.ordinal = len(cls.__members__)
        return member

    RULE_ALLOW = "rule.allow", 200, "", "Allowed"
    PREFLIGHT_ALLOW = "preflight.allow", 200, "", "Allowed"
    POLICY_UNPROTECTED = "policy.unprotected", 200, "", "Allowed"
    CREDENTIALS_MISSING = "credentials.missing", 401, "", "Authentication is required"
    CREDENTIALS_MULTIPLE = "credentials.multiple", 400, "invalid_request", "More than one credential was presented"
    TOKEN_MALFORMED = "token.malformed", 401, "invalid_token", "The access token cannot be read"
    TOKEN_TOO_LARGE = "token.too_large", 401, "invalid_token", "The access token is too large"
    TOKEN_TYPE = "token.type", 401, "invalid_token", "The token is not an access token"
    TOKEN_ALGORITHM = "token.algorithm", 401, "invalid_token", "The access token is not valid"
    TOKEN_KEY_UNKNOWN = "token.key_unknown", 401, "invalid_token", "The access token is not valid"
    TOKEN_SIGNATURE = "token.signature", 401, "invalid_token", "The access token is not valid"
    TOKEN_ISSUER = "token.issuer", 401, "invalid_token", "The access token is from an issuer that is not accepted here"
    TOKEN_AUDIENCE = "token.audience", 401, "invalid_token", "The access token is for another audience"
    TOKEN_EXPIRED = "token.expired", 401, "invalid_token", "The access token has expired"
    TOKEN_NOT_YET_VALID = "token.not_yet_valid", 401, "invalid_token", "The access token is not valid yet"
    TOKEN_LIFETIME = "token.lifetime", 401, "invalid_token", "The access token has no acceptable lifetime"
    TOKEN_BINDING = "token.binding", 401, "invalid_token", "The access token is bound to its holder"
    TOKEN_DECRYPT = "token.decrypt", 401, "invalid_token", "The access token is not valid"
    SCOPE_INSUFFICIENT = "scope.insufficient", 403, "insufficient_scope", "The access token lacks a scope"
    CLAIMS_MISMATCH = "claims.mismatch", 403, "", "The caller is not permitted"
    IP_DENIED = "ip.denied", 403, "", "The caller's address is not permitted"
    IP_UNKNOWN = "ip.unknown", 403, "", "The caller's address is not permitted"
    HEADER_MISMATCH = "header.mismatch", 403, "", "The request is not permitted"
    CERT_MISSING = "cert.missing", 403, "", "A client certificate is required"
    CERT_UNTRUSTED = "cert.untrusted", 403, "", "The client certificate is not accepted"
    CERT_EXPIRED = "cert.expired", 403, "", "The client certificate is not valid at this time"
    CERT_REVOKED = "cert.revoked", 403, "", "The client certificate was revoked"
    CERT_REVOCATION_UNKNOWN = "cert.revocation_unknown", 503, "", "The service cannot check the client certificate now"
    CERT_NOT_ALLOWED = "cert.not_allowed", 403, "", "The caller is not permitted"
    APIKEY_UNKNOWN = "apikey.unknown", 401, "", "The API key is not valid"
    APIKEY_DISABLED = "apikey.disabled", 401, "", "The API key is not valid"
    APIKEY_EXPIRED = "apikey.expired", 401, "", "The API key is not valid"
    APIKEY_SCOPE = "apikey.scope", 403, "", "The API key is not for this API"
    EXPRESSION_FALSE = "expression.false", 403, "", "The request is not permitted"
    EXPRESSION_ERROR = "expression.error", 403, "", "The request is not permitted"
    RULE_NONE = "rule.none", 403, "", "The request is not permitted"
    RULE_DENY = "rule.deny", 403, "", "The request is not permitted"
    PATH_AMBIGUOUS = "path.ambiguous", 400, "", "The request path is ambiguous"
    REQUEST_MALFORMED = "request.malformed", 400, "", "The request cannot be read"
    POLICY_NONE = "policy.none", 403, "", "The request is not permitted"
    POLICY_MISMATCH = "policy.mismatch", 403, "", "The request is not permitted"
    POLICY_CONFLICTED = "policy.conflicted", 503, "", "The service is not configured"
    POLICY_INVALID = "policy.invalid", 503, "", "The service is not configured"
    KEYS_UNAVAILABLE = "keys.unavailable", 503, "", "The service cannot check credentials now"
    OVERLOADED = "overloaded", 503, "", "The service has too much to do now"
    INTERNAL_ERROR = "internal.error", 503, "", "The service cannot decide now"

    @property
    def allows(self) -> bool:
        """Whether this is a reason of an allow."""
        return self.status == 200

    @property
    def public(self) -> str:
        """The reason as clients see it. Signature faults share one word, and so do keys, so that answers are no oracle."""
        return _SHARED.get(self) or self.value.replace(".", "_")


_SIGNATURE_FAULTS = (Reason.TOKEN_ALGORITHM, Reason.TOKEN_DECRYPT, Reason.TOKEN_KEY_UNKNOWN, Reason.TOKEN_SIGNATURE)
_KEY_FAULTS = (Reason.APIKEY_UNKNOWN, Reason.APIKEY_DISABLED, Reason.APIKEY_EXPIRED)
_SHARED = dict.fromkeys(_SIGNATURE_FAULTS, "token_invalid") | dict.fromkeys(_KEY_FAULTS, "key_invalid")
