"""Allows put together: of two policies that must both allow, and with what only the request tells."""

from dataclasses import replace

from authz.model.decision import Allow, Decision
from authz.model.reason import Reason
from authz.model.request import Request
from authz.policy.answers import POLICY_CONFLICTED
from authz.policy.forwarding import cookie_without, query_names


def both(first: Allow, second: Allow) -> Decision:
    """Return what two allows come to. The first tells which policy decided, unless it is no policy at all."""
    if first.reason is Reason.POLICY_UNPROTECTED:
        first, second = second, first
    headers = dict(first.set_headers)
    folded = {name.replace("_", "-"): value for name, value in first.set_headers}
    for name, value in second.set_headers:
        if headers.setdefault(name, value) != value or folded.get(name.replace("_", "-"), value) != value:
            return replace(POLICY_CONFLICTED, policy=first.policy, rule=first.rule, want=second.policy, got=name)
    removed = dict.fromkeys((*first.remove_headers, *second.remove_headers))
    return replace(
        first,
        set_headers=tuple(headers.items()),
        remove_headers=tuple(name for name in removed if name not in headers),
        strip_queries=first.strip_queries | second.strip_queries,
        strip_cookies=first.strip_cookies | second.strip_cookies,
        is_shared=False,
    )


def stripped(allow: Allow, request: Request) -> Allow:
    """Return the allow with what only the request tells: its cookies and query parameters that hold a credential."""
    names = query_names(request, allow.strip_queries) if allow.strip_queries else ()
    cookie = cookie_without(request, allow.strip_cookies) if allow.strip_cookies else None
    if not names and cookie is None:
        return allow
    headers, removed = allow.set_headers, allow.remove_headers
    if cookie:
        headers = (*headers, ("cookie", cookie))
    elif cookie is not None:
        removed = (*removed, "cookie")
    return replace(allow, set_headers=headers, remove_headers=removed, remove_query=names, is_shared=False)
