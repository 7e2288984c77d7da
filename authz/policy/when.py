"""The member `when` of an item: an expression over the request and the item's credentials."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

import re2

from authz.model.policy import PathKind, RequestMatch
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.model.trace import Step
from authz.policy import addresses, hosts, paths
from authz.policy.credential import API_KEY, CERTIFICATE, JWT, Credential
from authz.policy.expressions import Expression, compile_expression
from authz.policy.items import Member, Path
from authz.policy.view import Reader, View

_NOTHING: Final[Mapping[str, str]] = {}


class Asked:
    """What an expression sees of one check. Satisfies policy.facts.Facts; each is looked for where the expression names it."""

    __slots__ = ("_readers", "_templates", "_view")

    def __init__(self, view: View, readers: Mapping[str, Reader], templates: tuple[tuple[tuple[str, ...], Any], ...]) -> None:
        self._view = view
        self._readers = readers
        self._templates = templates

    @property
    def method(self) -> str:
        """The method, as sent."""
        return self._view.request.method

    @property
    def host(self) -> str:
        """The canonical host."""
        return hosts.canonical(self._view.request.host)

    @property
    def path(self) -> str:
        """The canonical path, without query."""
        return self._view.path

    @property
    def path_params(self) -> Mapping[str, str]:
        """What stands for the parameters of the first template of the rule that the request fits, by path and method."""
        for methods, template in self._templates:
            found = template.fullmatch(self._view.path) if not methods or self._view.request.method in methods else None
            if found is not None:
                return dict(found.groupdict())
        return _NOTHING

    @property
    def query(self) -> Mapping[str, str | None]:
        """The parameters of the query, decoded; None is the value of one that is given more than once."""
        query, found = self._view.request.query, dict[str, str | None]()
        for pair in query.split("&") if query else ():
            name, _, value = pair.partition("=")
            name = unquote_plus(name)
            found[name] = None if name in found else unquote_plus(value)
        return found

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""
        return self._view.request.headers

    @property
    def jwt(self) -> Mapping[str, Any] | None:
        """The claims of the caller's verified token; None without one."""
        return self._said_by(JWT)

    @property
    def api_key(self) -> Mapping[str, Any] | None:
        """`id`, `subscription` and `labels` of the caller's key; None without one."""
        return self._said_by(API_KEY)

    @property
    def client_certificate(self) -> Mapping[str, Any] | None:
        """What the caller's certificate says; None without one."""
        return self._said_by(CERTIFICATE)

    @property
    def client_ip(self) -> str:
        """The client's address, or "" where it is unknown."""
        address = self._view.address
        return "" if address == addresses.UNKNOWN else addresses.text(address)

    @property
    def now(self) -> float:
        """Unix time in seconds."""
        return self._view.now

    def _said_by(self, kind: str) -> Mapping[str, Any] | None:
        reader = self._readers.get(kind)
        caller = self._view.identity(reader) if reader is not None else None
        return caller.claims if isinstance(caller, Caller) else None


def when_member(text: str, credentials: tuple[Credential, ...], matches: tuple[RequestMatch, ...], rank: Rank, path: Path) -> Member:
    """Return the member that asks for an expression to be true, in an item with these credentials, of a rule with these matches."""
    expression: Expression = compile_expression(text)
    readers = {each.kind: each.reader for each in credentials}
    templates = tuple(
        (match.methods, re2.compile(paths.template_expression(match.path.value)))
        for match in matches
        if match.path is not None and match.path.kind is PathKind.TEMPLATE
    )

    def member(view: View) -> Failure | None:
        holds = expression.evaluate(Asked(view, readers, templates))
        if view.trace is not None:
            view.note(Step(2, "when", "", holds is True, _GOT[holds], text, path))
        if holds:
            return None
        reason = Reason.EXPRESSION_ERROR if holds is None else Reason.EXPRESSION_FALSE
        return Failure(reason, rank, text, _GOT[holds], undecided=holds is None)

    return member


_GOT: Final = {True: "true", False: "false", None: "an error: something that it names is not there, or of another type"}
