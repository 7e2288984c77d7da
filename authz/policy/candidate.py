"""One match of a route's rule, and how sure it is that a Gateway chooses it for a request whose path fits."""

from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_plus

from authz.model.cluster import NamedMatch, Route, RouteMatch
from authz.model.operator import ClientCertificate
from authz.model.policy import PolicyName
from authz.model.request import Request
from authz.policy.addresses import AddressOf
from authz.policy.attached import Attached

NO: Final = 0
MAYBE: Final = 1
YES: Final = 2
Fit = Callable[[Request], int]


class Candidate:
    """One match of a route's rule at one listener, with everything that follows from its being chosen.

    Attributes:
        route: the route.
        gateway: the Gateway of the listener.
        attached: what decides for it.
        address_of: finds the client's address in what comes through this Gateway.
        certificate_from: where the client's certificate is told in what comes through this Gateway.
        told: the names of both, as text.
        redirects: whether the rule answers by itself.
        fit: whether the rest of the match fits, once the path does; None: it does.
    """

    __slots__ = ("address_of", "attached", "certificate_from", "fit", "gateway", "redirects", "route", "told")

    def __init__(self, route: Route, gateway: PolicyName, attached: Attached, address_of: AddressOf) -> None:
        self.route = route.name
        self.gateway = gateway
        self.attached = attached
        self.address_of = address_of
        self.certificate_from: ClientCertificate | None = None
        self.told = str(route.name), str(gateway)
        self.redirects = False
        self.fit: Fit | None = None

    def matched(self, match: RouteMatch, touched: frozenset[str], *, redirects: bool) -> "Candidate":
        """Return the candidate for one match of the same route. `touched`: headers on which matching proves nothing."""
        one = Candidate.__new__(Candidate)
        one.route, one.gateway, one.attached, one.address_of = self.route, self.gateway, self.attached, self.address_of
        one.certificate_from, one.told = self.certificate_from, self.told
        one.redirects = redirects
        one.fit = _fit(match, touched)
        return one

    def uncertain(self) -> "Candidate":
        """Return the same, but as a match of which is never sure that it is chosen."""
        one = self.matched(RouteMatch(), frozenset(), redirects=self.redirects)
        fit = self.fit
        one.fit = _maybe if fit is None else lambda request: min(fit(request), MAYBE)
        return one

    def fits(self, request: Request) -> int:
        """Return whether a request whose path fits is one of this match: NO, MAYBE or YES."""
        return YES if self.fit is None else self.fit(request)


def _fit(match: RouteMatch, touched: frozenset[str]) -> Fit | None:
    # Of two entries for one header only the first counts by the standard; some gateways ask for both.
    headers = {each.name.lower(): each for each in reversed(match.headers)}
    tests = [_header(each, touched) for each in headers.values()] + [_query(each) for each in match.queries]
    tests += [_maybe] if len(headers) < len(match.headers) else []
    method = match.method
    if not tests:
        return (lambda request: YES if request.method == method else NO) if method else None

    def fit(request: Request) -> int:
        if method and request.method != method:
            return NO
        return min(test(request) for test in tests)

    return fit


def _maybe(request: Request) -> int:
    return MAYBE


def _header(match: NamedMatch, touched: frozenset[str]) -> Fit:
    name, value = match.name.lower(), match.value
    if name in touched or name == "host":
        return _maybe  # Some gateways choose again, after our answer has changed it. The host is told apart from the headers.

    def test(request: Request) -> int:
        sent = request.headers.get(name)
        if sent is None:
            # Envoy tells every header or a selection; with all of them come the pseudo headers.
            return NO if ":path" in request.headers or ":method" in request.headers else MAYBE
        if not match.is_exact or "," in sent:
            return MAYBE
        return _equal(sent, value)

    return test


def _equal(sent: str, value: str) -> int:
    # Envoy writes "!" for an octet that is no UTF-8, and a gateway compares octets.
    return NO if sent != value else MAYBE if "!" in sent else YES


def _query(match: NamedMatch) -> Fit:
    def test(request: Request) -> int:
        pairs = [pair.partition("=") for pair in request.query.split("&")] if request.query else []
        sent = [(name, value) for name, _, value in pairs if name == match.name or unquote_plus(name) == match.name]
        if not sent:
            return NO
        if not match.is_exact or len(sent) > 1 or sent[0][0] != match.name or "%" in sent[0][1] or "+" in sent[0][1]:
            return MAYBE
        return _equal(sent[0][1], match.value)

    return test
