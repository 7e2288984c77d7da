"""Data read as lines of text, so that what stands between two line ends can be changed alone."""

from collections.abc import Iterable


def text_of(data: bytes) -> str:
    """The text of bytes as this process is handed text: octets that are no UTF-8 are kept apart."""
    return data.decode("utf-8", "surrogateescape")


def headers_of(lines: Iterable[str]) -> dict[str, str]:
    """Lines of `name: value` as the service is told of headers: lower-case names, repeated values joined with ","."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        if colon:
            name = name.lower()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers
