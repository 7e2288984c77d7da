"""What a hostile or broken provider may answer where a key set is asked for: each row with the words that must tell of it."""

import asyncio
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from tests.builders import a_jwk, a_jwks
from tests.fetch.hosts import Answer, drips, raw, says

GOOD: Final = a_jwks().encode()
HTML: Final = b"<!doctype html><title>Sign in</title>" + b"<p>" * 200
JSON: Final = "application/json"
OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
PRIVATE: Final = {**a_jwk(), "d": "AAAA"}
SYMMETRIC: Final = {"kty": "oct", "k": "AAAA", "kid": "k1", "alg": "HS256"}


@dataclass(frozen=True, slots=True)
class Row:
    """One answer, and a regular expression that the failure must match."""

    answer: Answer
    told: str

    @property
    def seconds(self) -> float:
        """The time limit to try it with: a short one where that is what must end it."""
        return SECONDS if SLOW in self.told else 5.0


def floods(head: bytes, piece: bytes, at_most: int = 64 * 1024 * 1024) -> Answer:
    """An answer that comes as fast as it is taken, as long as it is taken."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        block = piece * max(1, 65536 // len(piece))
        for _ in range(at_most // len(block)):
            if writer.is_closing():
                return
            writer.write(block)
            await writer.drain()

    return answer


async def resets(writer: asyncio.StreamWriter) -> None:
    """No answer: the connection is torn down."""
    writer.transport.abort()


async def tears(writer: asyncio.StreamWriter) -> None:
    """Half an answer, and the connection is torn down."""
    writer.write(OK + b"content-length: 1000\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()


def holds(members: Iterable[Any]) -> Answer:
    """A key set of these members, whatever they are."""
    return says(json.dumps({"keys": list(members)}).encode(), content_type=JSON)


def text(body: bytes, kind: str = JSON, **headers: str) -> Answer:
    """A document of this type."""
    return says(body, content_type=kind, **headers)


def packed(body: bytes, times: int) -> bytes:
    """The body, compressed this many times."""
    for _ in range(times):
        body = gzip.compress(body)
    return body


SECONDS: Final = 0.3
LARGER = "larger than 512 KiB"
SLOW = r"no answer within 0\.3 s"
NOT_JSON = "is not JSON with one reading"
NO_SET = r'is not \{"keys": \[…\]\}'
NO_KEY = "has no usable key"

TIME: Final = {
    "a body that drips": Row(drips(OK + b"content-length: 1000\r\n\r\n", b" ", 0.02), SLOW),
    "headers that drip": Row(drips(OK, b"x-a: b\r\n", 0.02), SLOW),
    "one header that drips": Row(drips(OK + b"x-a: ", b"b", 0.02), SLOW),
    "silence": Row(drips(b"", b"", 0.05), SLOW),
    "interim answers that drip": Row(drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02), SLOW),
    "interim answers without end": Row(floods(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), SLOW),
}
SIZE: Final = {
    "a body that says that it is large": Row(text(b" " * 600_000), LARGER),
    "a body without end": Row(floods(OK + b"\r\n", b" "), LARGER),
    "chunks of one byte without end": Row(floods(OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"), rf"{LARGER}|{SLOW}"),
    "a chunk that never ends": Row(floods(OK + b"transfer-encoding: chunked\r\n\r\nfffffffff\r\n", b" "), LARGER),
    "headers without end": Row(floods(OK, b"x-a: b\r\n"), "."),
    "one header without end": Row(floods(OK + b"x-a: ", b"b"), "."),
    "a status line without end": Row(floods(b"HTTP/1.1 200 ", b"O"), "."),
    "a bomb": Row(text(packed(b" " * 50_000_000, 1), content_encoding="gzip"), "compressed"),
    "a bomb in a bomb": Row(text(packed(b" " * 50_000_000, 2), content_encoding="gzip, gzip"), "compressed"),
    "a compressed set": Row(text(packed(GOOD, 1), content_encoding="gzip"), "compressed"),
    "twenty thousand keys": Row(holds({"kty": "oct"} for _ in range(20_000)), "has more than 100 keys"),
    "a hundred and one good keys": Row(holds(a_jwk(kid=str(number)) for number in range(101)), "has more than 100 keys"),
    "as many members as fit": Row(text(b'{"keys":[' + b"{}," * 170_000 + b"{}]}"), "has more than 100 keys"),
    "a modulus of three million bits": Row(holds([a_jwk(n="A" * 500_000)]), NO_KEY),
    "a number of half a million digits": Row(text(b'{"keys":[' + b"1" * 500_000 + b"]}"), NOT_JSON),
}
TYPE: Final = {
    "a page for people": Row(text(HTML, "text/html; charset=utf-8"), "text/html"),
    "a page for people that says it is JSON": Row(text(HTML), NOT_JSON),
    "a set that says it is a page": Row(text(GOOD, "text/html"), "text/html"),
    "a set that says it is XHTML": Row(text(GOOD, "application/xhtml+xml"), r"application/xhtml\+xml"),
    "a certificate": Row(text(b"-----BEGIN CERTIFICATE-----", "application/x-pem-file"), "application/x-pem-file"),
    "a type that is none": Row(text(GOOD, "?" * 300), "content type"),
}
TEXT: Final = {
    "nothing": Row(text(b""), NOT_JSON),
    "white space": Row(text(b" \n "), NOT_JSON),
    "a byte order mark": Row(text(b"\xef\xbb\xbf" + GOOD), NOT_JSON),
    "UTF-16": Row(text(GOOD.decode().encode("utf-16"), "application/json; charset=utf-16"), NOT_JSON),
    "Latin-1": Row(text('{"keys": ["é"]}'.encode("latin-1"), "application/json; charset=iso-8859-1"), NOT_JSON),
    "zeros": Row(text(b"\x00" * 1000), NOT_JSON),
    "deep lists": Row(text(b"[" * 500_000), NOT_JSON),
    "deep objects": Row(text(b'{"keys":' * 60_000), NOT_JSON),
    "a member twice": Row(text(b'{"keys": [], ' + GOOD[1:]), NOT_JSON),
    "not a number": Row(text(b'{"keys": [NaN]}'), NOT_JSON),
    "a lone surrogate": Row(text(rb'{"keys": ["\ud800"]}'), NOT_JSON),
    "two documents": Row(text(GOOD + GOOD), NOT_JSON),
}
SET: Final = {
    "null": Row(text(b"null"), NO_SET),
    "a list": Row(text(b"[]"), NO_SET),
    "no keys member": Row(text(b"{}"), NO_SET),
    "keys that are an object": Row(text(b'{"keys": {"k1": {}}}'), NO_SET),
    "keys that are a string": Row(text(b'{"keys": "k1"}'), NO_SET),
    "an error that says that all is well": Row(text(b'{"error": "busy"}'), NO_SET),
    "no key": Row(holds([]), NO_KEY),
    "private keys only": Row(holds([PRIVATE]), "private or symmetric material; publish public keys only"),
    "symmetric keys only": Row(holds([SYMMETRIC]), "private or symmetric material; publish public keys only"),
    "members that are no objects": Row(holds([None, 7, "k1", [], True]), NO_KEY),
    "keys for encryption only": Row(holds([a_jwk(use="enc")]), NO_KEY),
    "algorithms that are not listed": Row(holds([a_jwk(alg="none"), a_jwk(alg="HS256"), a_jwk(alg=[]), a_jwk(alg={})]), NO_KEY),
}
WAY: Final = {
    "a redirect to itself": Row(says(b"", "302 Found", location="/keys"), "redirects are not followed"),
    "a redirect to another place": Row(
        says(b"", "301 Moved Permanently", location="https://evil.example.com/"), "redirects are not followed"
    ),
    "a redirect to a file": Row(says(b"", "307 Temporary Redirect", location="file:///etc/passwd"), "redirects are not followed"),
    "a redirect to the cloud's own address": Row(says(b"", "308 Oh", location="http://169.254.169.254/"), "redirects are not followed"),
    "a redirect that never ends": Row(says(b"", "302 Found", location="https://a/" + "b" * 50_000), "redirects are not followed"),
    "a redirect to nowhere": Row(says(b"", "302 Found"), "status 302"),
    "a redirect with a set": Row(says(GOOD, "302 Found", location="/keys"), "redirects are not followed"),
    "a choice": Row(says(GOOD, "300 Multiple Choices"), "status 300"),
    "not modified, though nobody asked for that": Row(raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"), "status 304, though"),
    "no content": Row(raw(b"HTTP/1.1 204 No Content\r\n\r\n"), "status 204"),
    "a part": Row(says(GOOD, "206 Partial Content"), "status 206"),
    "no such page": Row(says(HTML, "404 Not Found", content_type="text/html"), "status 404"),
    "an error": Row(says(HTML, "500 Internal Server Error", content_type="text/html"), "status 500"),
    "an error with a set": Row(says(GOOD, "503 Service Unavailable", content_type=JSON), "status 503"),
    "a status that is none": Row(says(GOOD, "999 ?"), "status 999"),
    "another protocol": Row(raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "."),
    "zeros for a head": Row(raw(b"\x00" * 1000), "."),
    "an answer that is cut": Row(raw(OK + b"content-length: 1000\r\n\r\n" + GOOD[:100]), "."),
    "chunks that are cut": Row(raw(OK + b"transfer-encoding: chunked\r\n\r\n10\r\n{"), "."),
    "a chunk that is none": Row(raw(OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n"), "."),
    "two lengths": Row(raw(OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} "), "."),
    "a length below nothing": Row(raw(OK + b"content-length: -1\r\n\r\n{}"), "."),
    "a closed connection": Row(raw(b""), "."),
    "a reset": Row(resets, "."),
    "a reset in the middle": Row(tears, "."),
}
ROWS: Final = {**TIME, **SIZE, **TYPE, **TEXT, **SET, **WAY}
