"""Routes that compete for requests by everything that Gateway API orders them by, and requests that tell them apart."""

import itertools
from dataclasses import dataclass

from tests.gateways.plane import Object

HOST, EXACT, WILD = "precedence.example", "a.wild.example", "*.wild.example"
BLUE = {"type": "Exact", "name": "x-tenant", "value": "blue"}
# Of which namespace and name → at which host, and what it matches.
ROUTES: dict[str, tuple[str, Object]] = {
    "shop/root": (HOST, {}),
    "billing/prefix": (HOST, {"path": "/invoices"}),
    "shop/method": (HOST, {"path": "/invoices", "match": {"method": "POST"}}),
    "billing/header": (HOST, {"path": "/invoices", "match": {"headers": [BLUE]}}),
    "billing/method-header": (HOST, {"path": "/invoices", "match": {"method": "POST", "headers": [BLUE]}}),
    "shop/query": (HOST, {"path": "/invoices", "match": {"queryParams": [{"type": "Exact", "name": "v", "value": "2"}]}}),
    "billing/exact": (HOST, {"match": {"path": {"type": "Exact", "value": "/invoices/7"}}}),
    "shop/longer": (HOST, {"path": "/invoices/archive"}),
    "shop/wild": (WILD, {}),
    "billing/not-wild": (EXACT, {"path": "/invoices"}),
}


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    host: str
    target: str
    method: str = "GET"
    tenant: str = ""

    @property
    def is_odd(self) -> bool:
        """Whether there are two readings of it."""
        return self.target in ODD or self.target.endswith(REPEATED)


# The request that only this route is for.
FOR_EACH = {
    "shop/root": Question(HOST, "/"),
    "billing/prefix": Question(HOST, "/invoices/8"),
    "shop/method": Question(HOST, "/invoices/8", "POST"),
    "billing/header": Question(HOST, "/invoices/8", tenant="blue"),
    "billing/method-header": Question(HOST, "/invoices/8", "POST", "blue"),
    "shop/query": Question(HOST, "/invoices/8?v=2"),
    "billing/exact": Question(HOST, "/invoices/7"),
    "shop/longer": Question(HOST, "/invoices/archive/1"),
    "shop/wild": Question("b.wild.example", "/"),
    "billing/not-wild": Question(EXACT, "/invoices"),
}
PATHS = ("/", "/invoices", "/invoices/", "/invoices/7", "/invoices/7/", "/invoices/8", "/invoicesome", "/Invoices", "/invoices/archive/1")
REPEATED = ("?v=2&v=3", "?v=3&v=2")
QUERIES = ("", "?v=2", "?v=3", "?w=1&v=2", "?v", *REPEATED)
ODD = (
    "//invoices/7", "/invoices//7", "/./invoices", "/invoices/../x", "/x/../invoices/7", "/invoices/archive/..", "/invoices%2F7",
    "/invoices/archive/%2e%2e", "/invoices;v=1/7", "/invoices/archive;/1", "/x/..;/invoices", "/invoices\\7", "/invoices%5C7",
    "/%69nvoices/7", "/invoices/%37", "/invoices/%zz", "/invoices/7%00", "/invoices/7%3Fv=2",
)  # fmt: skip
QUESTIONS = [
    *(Question(HOST, f"{path}{query}", method, tenant)
      for path, query, method, tenant in itertools.product(PATHS, QUERIES, ("GET", "POST"), ("", "blue", "red", "Blue"))),
    *(Question(HOST, path, method) for path, method in itertools.product(ODD, ("GET", "POST"))),
    *(Question(host, path) for host, path in itertools.product((EXACT, "b.wild.example", "a.b.wild.example", "wild.example"), PATHS)),
]  # fmt: skip
