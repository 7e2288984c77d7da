"""The answer to a check: allow or deny, always with its reason."""

from dataclasses import dataclass

from authz.model.reason import Reason


@dataclass(frozen=True, slots=True, eq=False)
class Allow:
    """The request may pass. Compared by identity: most are built when a policy is loaded and shared by many checks.

    Attributes:
        policy: `namespace/name`, or "" where no policy decided.
        rule: the rule that decided, or "".
        alternative: the item of `allow` that held, or "".
        issuer: who vouched for the caller, or "".
        subject: the caller's `sub`, or "".
        set_headers: what the upstream gets, overwriting what the client sent.
        remove_headers: what the upstream must not see.
        remove_query: raw names of query parameters that the upstream must not see.
        strip_queries: names of query parameters that hold credentials; which of them a request has, in which spelling, is
            said by `remove_query`.
        strip_cookies: names of cookies that hold credentials; they are cut out of the request's `cookie` header.
        shadows: what policies and rules in Shadow would have decided.
        callers: what else is told of who the caller is: `api_key`, `subscription`, `client_certificate`.
        is_shared: whether other requests get this very value; one that was made for a single request is not worth keeping.
    """

    reason: Reason
    policy: str = ""
    rule: str = ""
    alternative: str = ""
    issuer: str = ""
    subject: str = ""
    set_headers: tuple[tuple[str, str], ...] = ()
    remove_headers: tuple[str, ...] = ()
    remove_query: tuple[str, ...] = ()
    strip_queries: frozenset[str] = frozenset()
    strip_cookies: frozenset[str] = frozenset()
    shadows: "tuple[Shadow, ...]" = ()
    is_shared: bool = True
    callers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Deny:
    """The request must not pass.

    Attributes:
        status: HTTP status of the answer, 300 to 599.
        headers: headers of the answer, `www-authenticate` among them.
        body: the answer's body (RFC 9457), without internals.
        want: what the policy asked for; for operators only.
        got: what the request had; for operators only, never a credential.
    """

    reason: Reason
    status: int
    policy: str = ""
    rule: str = ""
    alternative: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    want: str = ""
    got: str = ""
    shadows: "tuple[Shadow, ...]" = ()


@dataclass(frozen=True, slots=True, eq=False)
class Shadow:
    """What something in Shadow would have decided: a policy, or a rule of a policy."""

    policy: str
    rule: str
    decision: "Decision"


Decision = Allow | Deny
