"""What a denied client is told: status, challenge (RFC 6750), body (RFC 9457). Never an internal."""

import json
from typing import Final, NamedTuple

from authz.model.decision import Deny
from authz.model.policy import Answer, Denied
from authz.model.principal import Failure
from authz.model.reason import Reason

_RETRY_AFTER: Final = ("retry-after", "5")
_NO_STORE: Final = ("cache-control", "no-store")
_PROBLEM: Final = ("content-type", "application/problem+json")


_PLAIN: Final = Denied()


class Decider(NamedTuple):
    """Who denied: policy, rule and item by name, as far as there are any."""

    policy: str = ""
    rule: str = ""
    item: str = ""


_NOBODY: Final = Decider()


def deny(
    failure: Failure,
    decider: Decider = _NOBODY,
    denied: Denied = _PLAIN,
    *,
    challenge: bool = False,
    scopes: tuple[str, ...] = (),
) -> Deny:
    """Return the denial for a failure.

    Args:
        denied: the policy's own words.
        challenge: whether a bearer token would help here; a 401 without one becomes a 403.
        scopes: the scopes that the answer names where the failure is a missing scope.
    """
    reason = failure.reason
    status = 403 if reason.status == 401 and not challenge else reason.status
    answer = _answer(denied, status)
    final = answer.status or status
    headers = [_NO_STORE, _PROBLEM]
    if status == 503:
        headers.append(_RETRY_AFTER)
    if final == 401 or (reason.error and final == status):
        headers.append(("www-authenticate", _bearer(reason, scopes)))
    headers.extend(answer.headers)
    body = _body(reason, final, answer.message)
    return Deny(reason, final, decider.policy, decider.rule, decider.item, tuple(headers), body, failure.want, failure.got)


def _answer(denied: Denied, status: int) -> Answer:
    if status == 401:
        return denied.unauthenticated
    return denied.forbidden if status == 403 else Answer()


def _bearer(reason: Reason, scopes: tuple[str, ...]) -> str:
    # RFC 6750 §3.1: no error code where the request lacks any authentication information.
    parts = ['Bearer realm="api"']
    if reason.error:
        parts += [f'error="{reason.error}"', f'error_description="{reason.sentence}"']
    if reason is Reason.SCOPE_INSUFFICIENT and scopes:
        parts.append(f'scope="{" ".join(scopes)}"')
    return ", ".join(parts)


def _body(reason: Reason, status: int, message: str) -> str:
    fields: dict[str, object] = {
        "type": f"urn:ingress-authz:problem:{reason.public}",
        "title": message or reason.sentence,
        "status": status,
        "code": reason.public,
    }
    return json.dumps(fields, ensure_ascii=False) + "\n"
