"""A request path: ambiguous, or with one canonical form, in which every backend reads what it reads in the path as sent."""

import posixpath
from collections.abc import Callable, Iterable, Mapping
from unicodedata import category
from urllib.parse import unquote_to_bytes

from authz.model.policy import PathKind, PathMatch
from authz.policy import paths
from tests.fuzz.lines import text_of

FOUND: Mapping[str, bytes] = {}


def _once(path: bytes) -> bytes:
    return unquote_to_bytes(path)


def _twice(path: bytes) -> bytes:
    return unquote_to_bytes(unquote_to_bytes(path))


def _without_parameters(path: bytes) -> bytes:
    """As servlet containers read: what follows a semicolon is no part of the segment; then dots count."""
    return _normal(_once(b"/".join(segment.partition(b";")[0] for segment in path.split(b"/"))))


def _as_browsers(path: bytes) -> bytes:
    """As URLs are read on the web: a backslash is a slash, dots count in escaped form, too, and a fragment is cut off."""
    return _normal(_once(path.partition(b"#")[0]).replace(b"\\", b"/"))


def _as_a_string_of_c(path: bytes) -> bytes:
    return _once(path).partition(b"\x00")[0]


def _normal(path: bytes) -> bytes:
    bare = posixpath.normpath(path)
    bare = bare[1:] if bare.startswith(b"//") else bare
    return bare + b"/" if path.endswith(b"/") and bare != b"/" else bare


READERS: tuple[Callable[[bytes], bytes], ...] = (_once, _twice, _without_parameters, _as_browsers, _as_a_string_of_c)


def fuzz(data: bytes) -> None:
    sent = text_of(data)
    path = "/" + sent.partition("?")[0]
    ours = paths.canonical(path)
    assert (ours == "") == (paths.ambiguity(path) != "")
    if ours:
        assert ours.isascii()
        assert paths.canonical(ours) == ours
        octets = path.encode("utf-8", "surrogateescape")
        plain = _once(ours.encode())
        assert {read(each) for read in READERS for each in (octets, ours.encode())} == {plain}
        assert not any(category(character) == "Cc" for character in plain.decode())
    for kind in PathKind:
        _declared(PathMatch(kind, data.decode("utf-8", "replace")), ours)


def _declared(match: PathMatch, ours: str) -> None:
    """A policy may write the path, too: then it is refused with a reason, or can be tested."""
    if paths.problem_of(match):
        return
    does_match = paths.test_of.__wrapped__(match)(ours or "/")
    if match.kind in (PathKind.EXACT, PathKind.PREFIX) and match.value != "/":
        assert paths.test_of.__wrapped__(match)(paths.canonical(match.value))
        if does_match and match.kind is PathKind.EXACT:
            assert (ours or "/").rstrip("/") == paths.canonical(match.value).rstrip("/")


def seeds() -> Iterable[bytes]:
    yield b"orders/7"
    yield b"/orders/{id}/items/"
    yield "%7euser/caf%c3%a9/café/a%20b|c".encode()
    yield b"100%25/%25zz/%3f/a=b&c,d:e@f?query=1#x"
    yield b"/orders/[0-9]+(/items)?/.*"
    yield b".well-known/..a/..."
    for odd in (
        b"%2f",
        b"%5c",
        b"\\",
        b"%3B",
        b";x=1",
        b"%00",
        b"\x00",
        b"%23",
        b"#",
        b"%252e",
        b"..",
        b"%2e.",
        b"/",
        b"%c0%ae",
        b"\xff",
        b"%zz",
    ):
        yield b"orders/" + odd + b"/admin"
