"""Hosts: their canonical form, and whether a pattern covers one."""

import re
from typing import Final

from authz.model.operator import Operator
from authz.policy import addresses

MAX_HOST: Final = 253
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# A name that clients may ask for is wider than one that a policy may name: `_` is common in internal names.
_ASKED: Final = re.compile(r"([a-z0-9](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*)\.?(?::[0-9]{1,5})?")
_ADDRESS_V6: Final = re.compile(r"\[([0-9a-f.]*:[0-9a-f:.]+)\](?::[0-9]{1,5})?")


def canonical(host: str) -> str:
    """Return `host` in lower case without port and without one trailing dot, or "" where it is no host.

    >>> canonical("API.example.com.:8443")
    'api.example.com'
    >>> canonical("a.example,b.example")
    ''
    """
    if len(host) > MAX_HOST + 7 or not host.isascii():
        return ""
    found = _ASKED.fullmatch(host.lower())
    if found is not None:
        return found.group(1)
    found = _ADDRESS_V6.fullmatch(host.lower())
    return f"[{found.group(1)}]" if found is not None and addresses.parse(found.group(1)) != addresses.UNKNOWN else ""


def is_pattern(text: str) -> bool:
    """Return whether a policy may name `text`: a canonical DNS name or IPv4 address, or `*.` before a name."""
    return len(text) <= MAX_HOST and _NAME.fullmatch(text.removeprefix("*.")) is not None


def covers(pattern: str, host: str) -> bool:
    """Return whether every host that `host`, itself a pattern, means is one that `pattern` means.

    >>> covers("*.example", "*.a.example"), covers("*.a.example", "*.example")
    (True, False)
    """
    return pattern == host or (pattern.startswith("*.") and host.removeprefix("*").endswith(pattern[1:]))


def granted(operator: Operator, namespace: str, host: str) -> bool:
    """Return whether policies of a namespace may decide for a host, as the operator says."""
    if operator.host_grants is None:
        return True
    grants = [grant for grant in operator.host_grants if grant.namespace == namespace]
    return any(not grant.patterns or any(covers(pattern, host) for pattern in grant.patterns) for grant in grants)


def repaired(text: str) -> str:
    """Return the pattern that somebody meant who wrote a host with capitals, a port or a trailing dot; "" where none is seen.

    >>> repaired("*.Example.com:8443")
    '*.example.com'
    """
    star = "*." if text.startswith("*.") else ""
    bare = canonical(text.removeprefix("*."))
    return star + bare if bare and is_pattern(star + bare) else ""


def wildcards(host: str) -> list[str]:
    """Return the wildcard patterns that cover a canonical host, the longest first. `*.` stands for one label or more.

    >>> wildcards("a.b.example")
    ['*.b.example', '*.example']
    """
    labels = host.split(".")
    return ["*." + ".".join(labels[at:]) for at in range(1, len(labels))]
