"""How backends read the target of a request: each reading as lenient as a known one was in some version or setting."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

# Two octets where one is enough: lenient decoders of UTF-8 took them for ".", "/" and "\".
_OVERLONG: Final = {b"\xc0\xae": b".", b"\xc0\xaf": b"/", b"\xc1\x9c": b"\\", b"\xe0\x80\xae": b".", b"\xe0\x80\xaf": b"/"}


def path_of(target: bytes) -> bytes:
    """The path of a request target in origin or absolute form, without query and fragment."""
    without = re.sub(rb"(?i)^[a-z][a-z0-9+.-]*://[^/?#]*", b"", target)
    return re.split(rb"[?#]", without, maxsplit=1)[0]


def without_dots(path: bytes) -> bytes:
    """The path without empty and dot segments."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            kept = kept[:-1]
        elif segment not in (b"", b"."):
            kept.append(segment)
    return b"/" + b"/".join(kept)


def as_tomcat(target: bytes) -> bytes:
    """Parameters of each segment are cut off as they came, then escapes decoded, %2F too, and backslashes are slashes."""
    bare = re.sub(rb";[^/]*", b"", path_of(target))
    return without_dots(unquote_to_bytes(bare).replace(b"\\", b"/"))


def as_nginx(target: bytes) -> bytes:
    """Escapes are decoded once, slashes merged, dot segments resolved."""
    return without_dots(re.sub(rb"/+", b"/", unquote_to_bytes(path_of(target))))


def as_file_server(target: bytes) -> bytes:
    """Decoded, overlong forms too; backslashes are slashes, and a NUL ends the name."""
    path = unquote_to_bytes(path_of(target))
    for overlong, meant in _OVERLONG.items():
        path = path.replace(overlong, meant)
    return without_dots(path.partition(b"\x00")[0].replace(b"\\", b"/"))


def as_decoding_twice(target: bytes) -> bytes:
    """Behind a proxy that has decoded once already, and given on what it read."""
    once = re.sub(rb";[^/]*", b"", unquote_to_bytes(path_of(target)))
    return as_file_server(once.replace(b"?", b"%3F").replace(b"#", b"%23"))


def as_stopping_at_white_space(target: bytes) -> bytes:
    """A target ends at the first octet that none may hold: what a sloppy reader of the request line makes of it."""
    return as_tomcat(re.split(rb"[\x00-\x20]", target, maxsplit=1)[0])


READINGS: Final = (as_tomcat, as_nginx, as_file_server, as_decoding_twice, as_stopping_at_white_space)


def readings(target: bytes) -> Iterable[tuple[str, bytes]]:
    """Each reading of a target, with its name."""
    return ((reading.__name__, reading(target)) for reading in READINGS)


def is_within(path: bytes, roots: Iterable[bytes]) -> bool:
    """Whether a path is one of the roots or below one."""
    return any(path == root or path.startswith(root + b"/") for root in roots)
