"""The HTTP request that is being checked."""

from collections.abc import Callable, Mapping


class Request:
    """One request as the proxy described it. Made once per check, so a plain slotted class.

    Attributes:
        method: as sent (`:method`).
        host: as sent (`:authority`), port and case included.
        path: as sent (`:path`) without the query; "" where the proxy sent none.
        query: as sent, without the "?"; "" where there is none.
        headers: lower-case names; the values of a repeated header are joined with ",".
        peer: text of the address that the proxy's downstream connection comes from; "" where unknown.
        certificate: the client's certificate as URL-encoded PEM, where the proxy tells that of its own connection; else "".
        policy: the policy that the route names (`context_extensions: policy`), or "".
        route: the route that a Gateway may have chosen, `namespace/name`, once that was found out; the first of several.
        gateway: that Gateway, `namespace/name`.
        address_of: what finds the client's address in what comes through that Gateway; None: what is said for the installation.
    """

    __slots__ = ("address_of", "certificate", "gateway", "headers", "host", "method", "path", "peer", "policy", "query", "route")

    def __init__(self, method: str, host: str, target: str, headers: Mapping[str, str], peer: str = "", policy: str = "") -> None:
        self.method = method
        self.host = host
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.peer = peer
        self.policy = policy
        self.certificate = ""
        self.route = ""
        self.gateway = ""
        self.address_of: Callable[[Request], int] | None = None
