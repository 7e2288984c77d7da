"""`compatibility: APIM`: denials as Azure API Management words them, and audiences as it compares them.

For clients that read those answers. What a request needs stays what it is: nothing is verified less. What this service alone
denies for keeps its own status, in that shape: paths, expressions, rules, and whatever is our fault (503).
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from authz.model.policy import Item, Policy
from authz.model.principal import Failure
from authz.model.reason import Reason
from authz.policy.credential import API_KEY, Challenge

CONTENT_TYPE: Final = ("content-type", "application/json")
# Beside the kinds of credentials: an item of `deny` that names addresses.
BLOCKED_ADDRESS: Final = "clientIP"

_NO_TOKEN: Final = "JWT not present."  # noqa: S105 - what a client is told
_BAD_TOKEN: Final = "Invalid JWT."  # noqa: S105
_NO_KEY: Final = "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."
_BAD_KEY: Final = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
_NO_CERTIFICATE: Final = "Client certificate missing"
_BAD_CERTIFICATE: Final = "Invalid client certificate"
_NO_ADDRESS: Final = "Failed to establish IP address for the caller. Access denied."
_BLOCKED: Final = "Caller IP address is blocked. Access denied."


def answer_of(failure: Failure, kind: str) -> tuple[int, str]:
    """Return the status and the message for a failure. `kind`: of the credential that failed, or BLOCKED_ADDRESS, or ""."""
    reason = failure.reason
    family = reason.value.partition(".")[0]
    if failure.ours:
        return reason.status, reason.sentence
    if reason in (Reason.CREDENTIALS_MISSING, Reason.CREDENTIALS_MULTIPLE):
        missing = reason is Reason.CREDENTIALS_MISSING
        return 401, _of_key(missing=missing) if kind == API_KEY else _NO_TOKEN if missing else _BAD_TOKEN
    if family == "apikey":
        return 401, _of_key(missing=False)
    if family in ("token", "scope", "claims"):
        return 401, _BAD_TOKEN
    if family == "cert":
        return 401, _NO_CERTIFICATE if reason is Reason.CERT_MISSING else _BAD_CERTIFICATE
    return reason.status, _of_request(failure, kind)


def _of_key(*, missing: bool) -> str:
    return _NO_KEY if missing else _BAD_KEY


def _of_request(failure: Failure, kind: str) -> str:
    match failure.reason:
        case Reason.IP_DENIED:
            return f"Caller IP address {failure.got} is not allowed. Access denied."
        case Reason.IP_UNKNOWN:
            return _NO_ADDRESS
        case Reason.RULE_DENY if kind == BLOCKED_ADDRESS:
            return _BLOCKED
        case Reason.HEADER_MISMATCH:
            name = failure.want.partition(":")[0]
            # The value is not repeated: it may be a secret.
            said = "was not found in the request" if failure.got.startswith("no ") else "value is not allowed"
            return f"Header {name} {said}. Access denied."
        case _:
            return failure.reason.sentence


def challenge_of(failure: Failure, kind: str, challenges: Iterable[Challenge]) -> str:
    """Return the challenge, or "": there is one where a subscription key is missing or wrong."""
    if not (failure.reason.value.startswith("apikey.") or (kind == API_KEY and failure.reason.status in (400, 401))):
        return ""
    for each in challenges:
        if not each.is_token:
            said = dict(each.parameters)
            return f'AzureApiManagementKey realm="api",name="{said.get("name", "Authorization")}",type="{said.get("in", "header")}"'
    return ""


def body_of(status: int, message: str) -> str:
    """Return the body of an answer."""
    return json.dumps({"statusCode": status, "message": message}, ensure_ascii=False)


def tolerant(policy: Policy) -> Policy:
    """Return a policy whose audiences are met by a token's where they differ by one final slash."""

    def items(each: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(
            item if item.jwt is None else replace(item, jwt=replace(item.jwt, audiences=_both(item.jwt.audiences))) for item in each
        )

    rules = tuple(replace(rule, deny=items(rule.deny), allow=items(rule.allow)) for rule in policy.rules)
    return replace(policy, audiences=_both(policy.audiences), deny=items(policy.deny), rules=rules)


def _both(audiences: tuple[str, ...]) -> tuple[str, ...]:
    bare = (each.removesuffix("/") for each in audiences)
    return tuple(dict.fromkeys(form for each in bare for form in (each, f"{each}/") if form))
