"""A host: none, or with one canonical form, which the patterns above it cover."""

from collections.abc import Iterable, Mapping

from authz.model.operator import HostGrant, Operator
from authz.policy import hosts
from tests.fuzz.lines import text_of

FOUND: Mapping[str, bytes] = {}


def fuzz(data: bytes) -> None:
    sent, _, other = text_of(data).partition("\n")
    ours = hosts.canonical(sent)
    if ours:
        assert hosts.canonical(ours) == hosts.canonical(ours.upper()) == ours
        assert ours.isascii()
        assert not ours.endswith(".")
        assert not set(ours) & set(" /\\@,*%?#\t\r\n\x00")
        assert ":" not in ours or ours.startswith("[")
        for pattern in hosts.wildcards(ours):
            assert hosts.covers(pattern, ours)
            assert ours.endswith(pattern[1:])
    _pattern(sent, other)


def _pattern(one: str, other: str) -> None:
    """Policies and the operator write patterns."""
    meant = hosts.repaired(one)
    assert not meant or hosts.is_pattern(meant)
    if hosts.is_pattern(one):
        assert hosts.covers(one, one)
        bare = one.removeprefix("*.")
        assert hosts.canonical(bare) == bare
        if one != bare:
            assert not hosts.covers(one, bare)
    if hosts.is_pattern(other):
        granted = hosts.granted(Operator(host_grants=(HostGrant("shop", (other,)),)), "shop", one)
        assert granted == hosts.covers(other, one)
        # What another pattern covers is never more than it says: every host of the one is a host of the other.
        if granted and one != other:
            assert one.removeprefix("*").endswith(other[1:])


def seeds() -> Iterable[bytes]:
    yield b"api.example.com\n*.example.com"
    yield b"API.Example.com.:8443\napi.example.com"
    yield b"*.a.example\n*.example"
    yield b"[2001:db8::7]:443\n192.0.2.7"
    yield b"x_y.internal,other@host\nxn--bcher-kva.example"
    yield b"a" * 63 + b"." + b"b" * 64 + b"\n" + b"c" * 254
