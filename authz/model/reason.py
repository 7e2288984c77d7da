"""Why a request was allowed or denied: a closed list, with what each reason means to a client."""

from enum import StrEnum


class Reason(StrEnum):
    """One reason. Its value is the word that users see in logs, metrics, answers and documentation.

    Attributes:
        status: HTTP status of the answer (200 for the reasons of an allow).
        error: the `error` code of RFC 6750 §3.1, or "" where the answer has none.
        sentence: what the client is told, in one short sentence; never an internal.
        advice: what an operator should look at.
        ordinal: position in this list, for counters that are plain lists.
    """

    status: int
    error: str
    sentence: str
    advice: str
    ordinal: int

    def __new__(cls, value: str, status: int, error: str, sentence: str, advice: str) -> "Reason":
        """Return the member `value` with its facts attached."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.status, member.error, member.sentence, member.advice = status, error, sentence, advice
        member.ordinal = len(cls.__members__)
        return member

    RULE_ALLOW = "rule.allow", 200, "", "Allowed", "An alternative of the rule held."
    PREFLIGHT_ALLOW = "preflight.allow", 200, "", "Allowed", "A CORS preflight, and the policy says `preflight: Allow`."
    POLICY_UNPROTECTED = (
        "policy.unprotected",
        200,
        "",
        "Allowed",
        "No policy covers this host and path, and the operator allows that here (`--unprotected`).",
    )
    CREDENTIALS_MISSING = (
        "credentials.missing",
        401,
        "",
        "Authentication is required",
        "Nothing was presented where the policy looks (see `tokenFrom` of its issuers).",
    )
    CREDENTIALS_MULTIPLE = (
        "credentials.multiple",
        400,
        "invalid_request",
        "More than one credential was presented",
        "Send the token in one place, once (RFC 6750 §2). Two header lines arrive joined by a comma.",
    )
    TOKEN_MALFORMED = (
        "token.malformed",
        401,
        "invalid_token",
        "The access token cannot be read",
        "Not a signed JWT in compact form, or a header or claim has the wrong type.",
    )
    TOKEN_TOO_LARGE = (
        "token.too_large",
        401,
        "invalid_token",
        "The access token is too large",
        "Tokens over 16 KiB are refused; ask the issuer for fewer claims (groups, most often).",
    )
    TOKEN_TYPE = (
        "token.type",
        401,
        "invalid_token",
        "The token is not an access token",
        "The header's `typ` is of another kind of JWT: an ID token, a logout token or a DPoP proof, perhaps.",
    )
    TOKEN_ALGORITHM = (
        "token.algorithm",
        401,
        "invalid_token",
        "The access token is not valid",
        "The token's `alg` is not among the issuer's `algorithms`.",
    )
    TOKEN_KEY_UNKNOWN = (
        "token.key_unknown",
        401,
        "invalid_token",
        "The access token is not valid",
        "No key of the issuer has this `kid` for this algorithm. Is the token from another environment?",
    )
    TOKEN_SIGNATURE = (
        "token.signature",
        401,
        "invalid_token",
        "The access token is not valid",
        "The signature does not match. A Microsoft Graph token (its header has a `nonce`) can be checked by Graph "
        "only: ask for a token for your own API.",
    )
    TOKEN_ISSUER = (
        "token.issuer",
        401,
        "invalid_token",
        "The access token is from an issuer that is not accepted here",
        "`iss` must equal the policy's issuer byte for byte: v1 and v2 tokens of one tenant have different issuers.",
    )
    TOKEN_AUDIENCE = (
        "token.audience",
        401,
        "invalid_token",
        "The access token is for another audience",
        "`aud` must be one of the policy's `audiences`: an API's GUID and its `api://` URI are different audiences.",
    )
    TOKEN_EXPIRED = (
        "token.expired",
        401,
        "invalid_token",
        "The access token has expired",
        "The client should get a new token; `clockSkewSeconds` of the issuer is the tolerance.",
    )
    TOKEN_NOT_YET_VALID = (
        "token.not_yet_valid",
        401,
        "invalid_token",
        "The access token is not valid yet",
        "`nbf` or `iat` is in the future: compare the clocks of issuer and cluster.",
    )
    TOKEN_LIFETIME = (
        "token.lifetime",
        401,
        "invalid_token",
        "The access token has no acceptable lifetime",
        "A token must carry `exp`.",
    )
    TOKEN_BINDING = (
        "token.binding",
        401,
        "invalid_token",
        "The access token is bound to its holder",
        "The token has `cnf` (RFC 8705, RFC 9449): it is no bearer token, and proofs of possession are not checked yet.",
    )
    TOKEN_DECRYPT = (
        "token.decrypt",
        401,
        "invalid_token",
        "The access token is not valid",
        "The token is encrypted (JWE); only signed tokens are read.",
    )
    SCOPE_INSUFFICIENT = (
        "scope.insufficient",
        403,
        "insufficient_scope",
        "The access token lacks a scope",
        "Daemon tokens (client credentials) often carry `roles`, not `scp`: require them with `claims`.",
    )
    CLAIMS_MISMATCH = (
        "claims.mismatch",
        403,
        "",
        "The caller is not permitted",
        "A claim that the policy requires is missing or has another value.",
    )
    IP_DENIED = (
        "ip.denied",
        403,
        "",
        "The caller's address is not permitted",
        "Compare the address in the decision log with `clientIP`, and with how `--client-address` finds it.",
    )
    IP_UNKNOWN = (
        "ip.unknown",
        403,
        "",
        "The caller's address is not permitted",
        "The client's address could not be determined: see `--client-address`.",
    )
    HEADER_MISMATCH = (
        "header.mismatch",
        403,
        "",
        "The request is not permitted",
        "A header that the policy requires is missing or has another value.",
    )
    RULE_NONE = "rule.none", 403, "", "The request is not permitted", "No rule of the policy matches this request."
    RULE_DENY = (
        "rule.deny",
        403,
        "",
        "The request is not permitted",
        "A `deny` item fired, or the rule that matched allows nobody (`allow: []`).",
    )
    PATH_AMBIGUOUS = (
        "path.ambiguous",
        400,
        "",
        "The request path is ambiguous",
        "The path can be read in more than one way (encoded slash, dot segment, `//`, `;`): send its plain form.",
    )
    REQUEST_MALFORMED = (
        "request.malformed",
        400,
        "",
        "The request cannot be read",
        "No HTTP request, no path, or a host that is no host.",
    )
    POLICY_NONE = (
        "policy.none",
        403,
        "",
        "The request is not permitted",
        "No policy covers this host and path. Write one, or name the host in `--unprotected`.",
    )
    POLICY_MISMATCH = (
        "policy.mismatch",
        403,
        "",
        "The request is not permitted",
        "The route names a policy (`context_extensions: policy`) that does not cover this host and path.",
    )
    POLICY_CONFLICTED = (
        "policy.conflicted",
        503,
        "",
        "The service is not configured",
        "Two policies that must both allow forward different values in one header.",
    )
    POLICY_INVALID = (
        "policy.invalid",
        503,
        "",
        "The service is not configured",
        "The policy for this host has mistakes and no earlier version is in force: run `authz validate`.",
    )
    KEYS_UNAVAILABLE = (
        "keys.unavailable",
        503,
        "",
        "The service cannot check credentials now",
        "The issuer's keys could not be fetched: see authz_jwks_* metrics and the log.",
    )
    INTERNAL_ERROR = (
        "internal.error",
        503,
        "",
        "The service cannot decide now",
        "A fault of ours; the request was denied. Please report it with the log line.",
    )

    @property
    def allows(self) -> bool:
        """Whether this is a reason of an allow."""
        return self.status == 200

    @property
    def public(self) -> str:
        """The reason as clients see it. Signature faults share one word, so that answers are no oracle."""
        return "token_invalid" if self in _SIGNATURE_FAULTS else self.value.replace(".", "_")


_SIGNATURE_FAULTS = frozenset({Reason.TOKEN_ALGORITHM, Reason.TOKEN_DECRYPT, Reason.TOKEN_KEY_UNKNOWN, Reason.TOKEN_SIGNATURE})
