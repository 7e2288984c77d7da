"""Settings as they are typed: a value, or a mistake in words of ours. The data are lines, each `FLAG VALUE`."""

from collections.abc import Callable, Iterable, Mapping

from authz import settings
from authz.fetch.client import FetchLimits
from authz.model.operator import ClientAddress, Operator
from authz.policy import addresses, hosts
from authz.settings import Address, ClusterSettings, Mistakes, Settings
from tests.builders import a_request
from tests.fuzz.lines import text_of

FOUND: Mapping[str, bytes] = {
    "a port in superscript": b"listen 127.0.0.1:\xc2\xb2",
    "a port of more digits than Python reads": b"listen 127.0.0.1:" + b"9" * 5000,
    "brackets around nothing": b"listen []:9001",
    "hops in superscript": b"gateway a/b\ngateway-address a/b=x-forwarded-for;trusted=::1;hops=\xc2\xb2",
}
# What Python says where nobody looked before.
_NOT_OURS = ("invalid literal", "Exceeds the limit", "not enough values", "codec can't")


def fuzz(data: bytes) -> None:
    said: dict[str, list[str]] = {}
    for line in text_of(data).split("\n"):
        flag, _, value = line.partition(" ")
        said.setdefault(flag, []).append(value)
    _assert_understood(lambda flag: said.get(flag, []))


def _assert_understood(of: Callable[[str], list[str]]) -> None:
    mistakes = Mistakes()
    listen = mistakes.take("--listen", lambda: settings.address("".join(of("listen"))), Address("::1", 0))
    assert settings.address(str(listen)) == listen
    client = _client(mistakes, of)
    operator = mistakes.take("-", lambda: settings.operator(client, of("unprotected"), of("identity")), Operator(client))
    assert all(map(hosts.is_pattern, operator.unprotected))
    gateways = mistakes.take("-", lambda: settings.listed_gateways(of("gateway"), of("gateway-address")), ())
    for each in gateways:
        addresses.finder(each.client_address)(a_request(headers={"x-forwarded-for": "192.0.2.7"}))
    grants = mistakes.take("-", lambda: settings.host_grants(of("grant"), "shop"), ())
    assert all(hosts.granted(Operator(host_grants=(grant,)), grant.namespace, pattern) for grant in grants for pattern in grant.patterns)
    watched = mistakes.take("-", lambda: settings.namespaces(of("namespace")), ())
    fetch = mistakes.take("-", lambda: settings.fetch_limits(None, of("insecure")), FetchLimits())
    cluster = ClusterSettings(namespace="authz", watch_namespaces=watched)
    whole = Settings(None, listen, listen, Operator(client, operator.unprotected, gateways=gateways), fetch, cluster=cluster)
    assert all(settings.described(whole).values())
    assert not [each for each in mistakes.found if any(words in each for words in _NOT_OURS)], mistakes.found


def _client(mistakes: Mistakes, of: Callable[[str], list[str]]) -> ClientAddress | None:
    hops = len(of("hop")) or None
    how = of("client")[0] if of("client") else None
    return mistakes.take("-", lambda: settings.client_address(how, of("trusted"), hops, appended=bool(of("appends"))), None)


def seeds() -> Iterable[bytes]:
    yield b"listen 127.0.0.1:9001\nclient peer\nunprotected all"
    yield b"listen [::]:9001\nclient x-forwarded-for\ntrusted 10.0.0.0/8\ntrusted 2001:db8::/32\nhop\nappends"
    yield b"client header:X-Real-IP\ntrusted 10.0.0.0/8\nidentity X-User\nunprotected *.example.com\nunprotected gateway:infra/public"
    yield b"gateway infra/public\ngateway infra/own\ngateway-address infra/own=x-forwarded-for;trusted=10.0.0.0/8,::1;hops=2;appends=no"
    yield b"gateway infra/own\ngateway-address infra/own=header:X-Client;trusted=10.0.0.0/8\ngrant shop=a.example,*.b.example\ngrant x"
    yield b"namespace shop\nnamespace shop\ninsecure http://127.0.0.1:8124\ninsecure https://idp.internal"
    yield b"listen :80\nlisten x:99999\ngateway a\ngateway-address a/b=peer;hops=x\nclient header:\ntrusted 10.0.0.1/8\nnamespace A"
