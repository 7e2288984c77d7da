"""What an operator should look at, by reason."""

from collections.abc import Mapping
from typing import Final

from authz.model.reason import Reason

ADVICE: Final[Mapping[Reason, str]] = {
    Reason.RULE_ALLOW: "An alternative of the rule held.",
    Reason.PREFLIGHT_ALLOW: "A CORS preflight, and the policy says `preflight: Allow`.",
    Reason.POLICY_UNPROTECTED: "No policy covers this host and path, and the operator allows that here (`--unprotected`).",
    Reason.CREDENTIALS_MISSING: "Nothing was presented where the policy looks (see `tokenFrom` of its issuers).",
    Reason.CREDENTIALS_MULTIPLE: "Send the token in one place, once (RFC 6750 §2). Two header lines arrive joined by a comma.",
    Reason.TOKEN_MALFORMED: "Not a signed JWT in compact form, or a header or claim has the wrong type.",
    Reason.TOKEN_TOO_LARGE: "Tokens over 16 KiB are refused; ask the issuer for fewer claims (groups, most often).",
    Reason.TOKEN_TYPE: "The header's `typ` is not among the issuer's `tokenTypes`: an ID token, a logout token or a DPoP proof, perhaps.",
    Reason.TOKEN_ALGORITHM: "The token's `alg` is not among the issuer's `algorithms`.",
    Reason.TOKEN_KEY_UNKNOWN: "No key of the issuer has this `kid` for this algorithm. Is the token from another environment?",
    Reason.TOKEN_SIGNATURE: "The signature does not match. "
    "A Microsoft Graph token (its header has a `nonce`) can be checked by Graph only: ask for a token for your own API.",
    Reason.TOKEN_ISSUER: "`iss` must equal the policy's issuer byte for byte: v1 and v2 tokens of one tenant have different issuers.",
    Reason.TOKEN_AUDIENCE: "`aud` must be one of the policy's `audiences`: an API's GUID and its `api://` URI are different audiences.",
    Reason.TOKEN_EXPIRED: "The client should get a new token: it is past `exp`, or older than the issuer's `maxAgeSeconds`. "
    "`clockSkewSeconds` is the tolerance.",
    Reason.TOKEN_NOT_YET_VALID: "`nbf` or `iat` is in the future: compare the clocks of issuer and cluster.",
    Reason.TOKEN_LIFETIME: "A token must carry `exp`; with `maxLifetimeSeconds` or `maxAgeSeconds` also `iat`, and be made for no longer.",
    Reason.TOKEN_BINDING: "The token has `cnf` (RFC 8705, RFC 9449): it is no bearer token, and proofs of possession are not checked yet.",
    Reason.TOKEN_DECRYPT: "The token is encrypted (JWE); only signed tokens are read.",
    Reason.SCOPE_INSUFFICIENT: "Daemon tokens (client credentials) often carry `roles`, not `scp`: require them with `claims`.",
    Reason.CLAIMS_MISMATCH: "A claim that the policy requires is missing or has another value.",
    Reason.IP_DENIED: "Compare the address in the decision log with `clientIP`, and with how `--client-address` finds it.",
    Reason.IP_UNKNOWN: "The client's address is unknown: see `--client-address`; for `check` and `explain`, say it with `--from`.",
    Reason.HEADER_MISMATCH: "A header that the policy requires is missing or has another value.",
    Reason.CERT_MISSING: "No client certificate was told. Does the gateway ask for one (mTLS), and does it forward the certificate itself, "
    "not only its hash?",
    Reason.CERT_UNTRUSTED: "No authority of the policy vouches for the certificate: a missing intermediate, an extended key usage without "
    "clientAuth, or a certificate that cannot be read.",
    Reason.CERT_EXPIRED: "The certificate, or one above it, is past its end or not valid yet: renew it, or compare the clocks.",
    Reason.CERT_REVOKED: "The authority's revocation list (CRL) holds the certificate, or one above it. The client needs a new one.",
    Reason.CERT_REVOCATION_UNKNOWN: "No revocation list that is in date, signed by the issuer and complete covers the certificate.",
    Reason.CERT_NOT_ALLOWED: "The certificate is genuine, and none of the policy's `identities` is all that it says.",
    Reason.APIKEY_UNKNOWN: "No record has this key's digest: is it the right key, whole, and is its record where the policy looks "
    "(`apiKeys[].from`)? `authz apikey list` shows what is there.",
    Reason.APIKEY_DISABLED: "The key's record has a `state` other than `Active`.",
    Reason.APIKEY_EXPIRED: "It is before the `notBefore` of the key's record, or after its `notAfter`: give the client another key.",
    Reason.APIKEY_SCOPE: "The key's record has none of the `scopes` that the rule asks for (the policy's name, if it names none).",
    Reason.EXPRESSION_FALSE: "The expression of `when` is false for this request.",
    Reason.EXPRESSION_ERROR: "The expression of `when` failed, which denies: it may read what is not there. `authz explain` shows it.",
    Reason.RULE_NONE: "No rule of the policy matches this request.",
    Reason.RULE_DENY: "A `deny` item fired, or the rule that matched allows nobody (`allow: []`).",
    Reason.PATH_AMBIGUOUS: "The path can be read in more than one way "
    "(encoded slash, dot segment, `//`, `;`, over HTTP/2 `!`): send its plain form.",
    Reason.REQUEST_MALFORMED: "No HTTP request, no path, or a host that is no host.",
    Reason.POLICY_NONE: "No policy covers this host and path. Write one, or name the host in `--unprotected`.",
    Reason.POLICY_MISMATCH: "The route names a policy (`context_extensions: policy`) that is not there, is in Shadow, "
    "or does not cover this host and path.",
    Reason.POLICY_CONFLICTED: "Two policies that must both allow forward different values in one header.",
    Reason.POLICY_INVALID: "The policy for this host has mistakes and no earlier version is in force: run `authz validate`.",
    Reason.KEYS_UNAVAILABLE: "The issuer's keys could not be fetched: see authz_jwks_* metrics and the log.",
    Reason.OVERLOADED: "Too many checks wait for issuers' keys, or this one was not decided within its deadline: "
    "see authz_jwks_* and authz_event_loop_stall_seconds; more replicas, or `--max-waiting`.",
    Reason.INTERNAL_ERROR: "A fault of ours; the request was denied. Please report it with the log line.",
}
