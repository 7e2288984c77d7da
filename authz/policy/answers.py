"""What a denied client is told: status, challenge (RFC 6750), body (RFC 9457). Never an internal."""

import json
from typing import Final, NamedTuple

from authz.model.decision import Deny
from authz.model.policy import Answer, Denied
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.policy import apim
from authz.policy.credential import Challenge

_RETRY_AFTER: Final = ("retry-after", "5")
_NO_STORE: Final = ("cache-control", "no-store")
_PROBLEM: Final = ("content-type", "application/problem+json")


_PLAIN: Final = Denied()
# There is no caller by these; that one was recognised and is not wanted is another thing.
NO_CERTIFICATE: Final = frozenset({Reason.CERT_MISSING, Reason.CERT_UNTRUSTED, Reason.CERT_EXPIRED, Reason.CERT_REVOKED})
_END: Final = "}\n"


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
    challenges: tuple[Challenge, ...] = (),
    scopes: tuple[str, ...] = (),
    kind: str = "",
) -> Deny:
    """Return the denial for a failure.

    Args:
        denied: the policy's own words.
        challenges: what would help here; without any a 401 becomes a 403.
        scopes: the scopes that the answer names where the failure is a missing scope.
        kind: of the credential that failed, where that is known and the policy's answers need it (see apim.py).
    """
    if denied.is_apim:
        return _like_apim(failure, decider, denied, challenges, kind)
    reason = failure.reason
    status = _status(failure, helped=bool(challenges))
    answer = _answer(denied, status)
    final = answer.status or status
    headers = [_NO_STORE, _PROBLEM]
    if status == 503:
        headers.append(_RETRY_AFTER)
    if challenges and (final == 401 or (reason.error and final == status)):
        headers.append(("www-authenticate", ", ".join(_written(each, reason, scopes) for each in challenges)))
    headers.extend(answer.headers)
    body = _body(reason, final, answer.message)
    return Deny(reason, final, decider.policy, decider.rule, decider.item, tuple(headers), body, failure.want, failure.got)


def _like_apim(failure: Failure, decider: Decider, denied: Denied, challenges: tuple[Challenge, ...], kind: str) -> Deny:
    status, message = apim.answer_of(failure, kind)
    answer = _answer(denied, status)
    final = answer.status or status
    headers = [_NO_STORE, apim.CONTENT_TYPE]
    if status == 503:
        headers.append(_RETRY_AFTER)
    # Of a token there is none over there; but a 401 without one is no HTTP (RFC 9110 §15.5.2), and it breaks no client.
    usual = ", ".join(_written(each, failure.reason, ()) for each in challenges if each.is_token)
    if final == 401 and (challenge := apim.challenge_of(failure, kind, challenges) or usual):
        headers.append(("www-authenticate", challenge))
    headers.extend(answer.headers)
    body = apim.body_of(final, answer.message or message)
    return Deny(failure.reason, final, decider.policy, decider.rule, decider.item, tuple(headers), body, failure.want, failure.got)


def with_instance(body: str, request_id: str) -> str:
    """Return a denial's body that names the request (RFC 9457 §3.1.5). The id must be safe inside JSON quotes.

    A body of another shape stays what it is.
    """
    if not body.endswith(_END):
        return body
    return f'{body.removesuffix(_END)}, "instance": "{request_id}"{_END}'


def _answer(denied: Denied, status: int) -> Answer:
    if status == 401:
        return denied.unauthenticated
    return denied.forbidden if status == 403 else Answer()


def _status(failure: Failure, *, helped: bool) -> int:
    status = failure.reason.status
    if status == 401 and not helped:
        return 403
    # A certificate cannot be asked for in an answer; where another credential would help, the caller is unknown all the same.
    return 401 if failure.reason in NO_CERTIFICATE and helped else status


def _written(challenge: Challenge, reason: Reason, scopes: tuple[str, ...]) -> str:
    # RFC 6750 §3.1: no error code where the request lacks any authentication information.
    parts = [f'{challenge.scheme} realm="api"', *(f'{name}="{value}"' for name, value in challenge.parameters)]
    if reason.error and challenge.is_token:
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
    return json.dumps(fields, ensure_ascii=False).removesuffix("}") + _END


def _plain(reason: Reason) -> Deny:
    return deny(Failure(reason, Rank.NOT_PERMITTED))


MALFORMED: Final = _plain(Reason.REQUEST_MALFORMED)
POLICY_NONE: Final = _plain(Reason.POLICY_NONE)
POLICY_MISMATCH: Final = _plain(Reason.POLICY_MISMATCH)
POLICY_CONFLICTED: Final = _plain(Reason.POLICY_CONFLICTED)
OVERLOADED: Final = _plain(Reason.OVERLOADED)
INTERNAL_ERROR: Final = _plain(Reason.INTERNAL_ERROR)
