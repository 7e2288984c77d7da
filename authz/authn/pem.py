"""PEM (RFC 7468): what stands between BEGIN and END, as octets."""

import binascii
import re
from typing import Final

_BEGIN: Final = "-----BEGIN "
_DASHES: Final = "-----"
_LABEL: Final = re.compile(r"[A-Z0-9]+(?: [A-Z0-9]+){0,3}")
_SPACE: Final = re.compile(r"[ \t\r\n]+")
_LONGEST_LABEL: Final = 40


def blocks(text: str, *, alone: bool) -> list[tuple[str, bytes]]:
    """Return each block's label and octets. With `alone` nothing else than white space may stand between them.

    Line ends count for nothing: proxies make spaces and tabs of them. Raises ValueError with what is wrong, never with content.
    """
    found: list[tuple[str, bytes]] = []
    at = 0
    while (begin := text.find(_BEGIN, at)) >= 0:
        _check_between(text[at:begin], alone=alone)
        label, body = _label(text, begin + len(_BEGIN))
        mark = f"-----END {label}-----"
        end = text.find(mark, body)
        if end < 0:
            raise ValueError(f"BEGIN {label} without its END")
        found.append((label, octets(text[body:end])))
        at = end + len(mark)
    _check_between(text[at:], alone=alone)
    return found


def _check_between(text: str, *, alone: bool) -> None:
    if alone and _SPACE.sub("", text):
        raise ValueError("text outside of PEM blocks")


def _label(text: str, start: int) -> tuple[str, int]:
    """Return the label that begins here, and where the body begins."""
    end = text.find(_DASHES, start, start + _LONGEST_LABEL + len(_DASHES))
    label = text[start:end] if end >= 0 else ""
    if not _LABEL.fullmatch(label):
        raise ValueError("a PEM block without a label")
    return label, end + len(_DASHES)


def octets(body: str) -> bytes:
    """Return what a block holds between its lines, or a text of Base64 that stands alone. Raises ValueError."""
    try:
        found = binascii.a2b_base64(_SPACE.sub("", body).encode("ascii"), strict_mode=True)
    except ValueError as fault:
        raise ValueError("not PEM, or a block of it that is not base64") from fault
    if not found:
        raise ValueError("not PEM, or a block of it that is empty")
    return found
