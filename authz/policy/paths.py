"""Request paths: one canonical form, what makes a path ambiguous, and the kinds of path match.

Canonical: every escape that needs none is decoded, every other one is written with upper-case digits, and characters
that may not stand raw are escaped (RFC 3986 §6.2.2). Paths that a backend could read otherwise have no canonical form.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

import re2

from authz.model.policy import PathKind, PathMatch

PathTest = Callable[[str], bool]

_PLAIN_CHARACTERS: Final = r"A-Za-z0-9_~!$&'()*+,=:@-"
# Only characters that stand for themselves, and no segment that is empty or begins with a dot: the usual path.
_PLAIN: Final = re.compile(rf"/(?:[{_PLAIN_CHARACTERS}][.{_PLAIN_CHARACTERS}]*(?:/[{_PLAIN_CHARACTERS}][.{_PLAIN_CHARACTERS}]*)*/?)?")
# What stands raw besides letters, digits and "-._~".
_RAW: Final = "!$&'()*+,=:@/"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Slash, backslash, NUL and semicolon in escaped form, and an escaped percent sign that would make another escape.
_FOLDED_ESCAPE: Final = re.compile(r"%(?:2[Ff]|5[Cc]|00|3[Bb]|25[0-9A-Fa-f]{2})")
_DOT_SEGMENT: Final = re.compile(r"/\.{1,2}(?:/|$)")
_PARAMETER: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
SEGMENT: Final = "[^/]+"
MAX_LENGTH: Final = 8192


def canonical(path: str) -> str:
    """Return the canonical form of a request path, or "" where the path is ambiguous.

    >>> canonical("/%7euser/caf%c3%a9")
    '/~user/caf%C3%A9'
    >>> canonical("/a/..%2fadmin")
    ''
    """
    if len(path) <= MAX_LENGTH and _PLAIN.fullmatch(path):
        return path
    return "" if ambiguity(path) else recoded(path)


def ambiguity(path: str) -> str:
    """Return why `path` can be read in more than one way, or "" where it cannot."""
    if len(path) > MAX_LENGTH:
        return f"more than {MAX_LENGTH} characters"
    found = (
        ("an escape that is none", _BAD_ESCAPE.search(path)),
        ("an encoded slash, backslash, semicolon, NUL or percent sign", _FOLDED_ESCAPE.search(path)),
        ("a raw backslash, semicolon or number sign", "\\" in path or ";" in path or "#" in path),
        ("an empty segment (//)", "//" in path),
    )
    for what, here in found:
        if here:
            return what
    if not _is_text(path):
        return "bytes that are not UTF-8, or control characters"
    decoded = recoded(path)
    if _FOLDED_ESCAPE.search(decoded):
        return "an escape within an escape"
    return "a dot segment" if _DOT_SEGMENT.search(decoded) else ""


def _octets(path: str) -> bytes:
    return unquote_to_bytes(path.encode("utf-8", "surrogateescape"))


def _is_text(path: str) -> bool:
    try:
        text = _octets(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(text) is None


def recoded(path: str) -> str:
    """Return a path that is not ambiguous in canonical form."""
    return quote_from_bytes(_octets(path), _RAW)


@lru_cache(maxsize=4096)
def test_of(match: PathMatch) -> PathTest:
    """Return the test of a canonical path that `match` stands for. Values are those that `problem_of` accepts."""
    match match.kind:
        case PathKind.EXACT:
            return _exact(recoded(match.value))
        case PathKind.PREFIX:
            return _prefix(recoded(match.value))
        case PathKind.TEMPLATE:
            return _full(template_expression(match.value))
        case PathKind.REGEX:
            return _full(match.value)


def _exact(value: str) -> PathTest:
    bare = value.rstrip("/") if value != "/" else "/"
    both = frozenset({bare, bare + "/"} if bare != "/" else {"/"})
    return both.__contains__


def _prefix(value: str) -> PathTest:
    bare = value.rstrip("/")
    if not bare:
        return lambda path: True
    below = bare + "/"
    return lambda path: path == bare or path.startswith(below)


def _full(expression: str) -> PathTest:
    program = re2.compile(expression, options=_options())
    return lambda path: program.fullmatch(path) is not None


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return options


def template_expression(value: str) -> str:
    """Return the regular expression of a template. Each `{name}` stands for one whole segment; a trailing slash counts for nothing.

    >>> template_expression("/users/{id}")
    '/users/(?P<id>[^/]+)/?'
    """
    parts = []
    for segment in value.strip("/").split("/"):
        name = segment[1:-1] if _PARAMETER.fullmatch(segment) else ""
        parts.append(f"(?P<{name}>{SEGMENT})" if name else re.escape(recoded(segment)))
    return "/" + "/".join(parts) + "/?"


def problem_of(match: PathMatch) -> str:
    """Return what is wrong with a path match that a policy declares, or ""."""
    if match.kind is PathKind.REGEX:
        return _expression_problem(match.value)
    if not match.value.startswith("/"):
        return "a path begins with /"
    if match.kind is PathKind.TEMPLATE:
        return _template_problem(match.value)
    return _literal_problem(match.value)


def _literal_problem(value: str) -> str:
    if "?" in value or "#" in value:
        return "a path has no query or fragment; match the path alone"
    if value != "/" and (why := ambiguity(value)):
        return f"requests with {why} are refused, so this path would never match; write its plain form"
    return ""


def _template_problem(value: str) -> str:
    if "//" in value:
        return _literal_problem("//")
    segments = value.strip("/").split("/")
    names = [segment[1:-1] for segment in segments if _PARAMETER.fullmatch(segment)]
    if len(set(names)) != len(names):
        return "each {name} may stand once"
    if any("{" in segment or "}" in segment for segment in segments if not _PARAMETER.fullmatch(segment)):
        return "a parameter is a whole segment: /users/{id}"
    return _literal_problem("/" + "/".join("x" if _PARAMETER.fullmatch(segment) else segment for segment in segments))


def _expression_problem(value: str) -> str:
    try:
        re2.compile(value, options=_options())
    except re2.error as fault:
        detail = fault.args[0] if fault.args else ""
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        return f"not an RE2 regular expression: {text}"
    return ""


def is_below(path: str, prefix: str) -> bool:
    """Return whether a canonical path is the bare prefix or lies below it, by whole segments.

    >>> is_below("/orders/7", "/orders"), is_below("/orders7", "/orders")
    (True, False)
    """
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", "")


def bare_prefix(prefix: str) -> str:
    """Return a declared path prefix in canonical form without a trailing slash; "" is every path."""
    return recoded(prefix).rstrip("/")
