"""Spellings of one path: what is known to get around a rule, by table and by construction."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Final

from tests.corpora import corpus

# The methods of RFC 9110, those of WebDAV, an unknown one, and one in lower case. CONNECT has no path: it is tried apart.
METHODS: Final = (
    *(b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"PROPPATCH"),
    *(b"MKCOL", b"COPY", b"MOVE", b"LOCK", b"UNLOCK", b"ODD", b"get"),
)
WORD: Final = b"admin"
DOTS: Final = (b".", b"%2e", b"%2E", b"%252e", b"%c0%ae", b"%25%32%65", b"%u002e", b"\xc0\xae")
SLASHES: Final = (b"/", b"%2f", b"%2F", b"%5c", b"%5C", b"\\", b"%252f", b"%255c", b"%c0%af", b"%25%32%66", b"%u2215", b"//", b"\xc0\xaf")
PARAMETERS: Final = (b"", b";", b";x", b";x=1", b"%3b", b"%3B", b";/", b";.js", b";jsessionid=7", b";x=1;y=2", b"%253b")
BEFORE: Final = (
    *(
        b"/",
        b"./",
        b"../",
        b"%2e/",
        b"%2e%2e/",
        b";/",
        b".;/",
        b"..;/",
        b"..;x=1/",
        b"%20/",
        b"%09/",
        b"%00/",
        b"%0a/",
        b"?/",
        b"#/",
        b"*/",
    ),
    *(
        b"~/",
        b"@/",
        b"%2f",
        b"%5c",
        b"\\",
        b"/%2f/",
        b"/./",
        b"/../",
        b"/.//",
        b"/;/",
        b"/.;/",
        b"x/../",
        b"x/..;/",
        b"x/%2e%2e/",
        b"x\\..\\",
    ),
    *(b"x/..%2f", b"x%2f..%2f", b"x/.%2e/", b"x/%252e%252e/", b"x/..%252f", b"x/..%00/", b"x/..%0d/", b"x/..\\", b"x/.;/../", b"x;/../"),
    *(
        b"x/%c0%ae%c0%ae/",
        b"x/..%c0%af",
        b"x/..%ef%bc%8f",
        b"x//..//",
        b"./x/../",
        b"%e2%80%ae",
        b"%ef%bb%bf",
        b"\xef\xbb\xbf",
        b"\t",
        b" ",
    ),
)
AFTER: Final = (
    *(b"/", b"//", b"/.", b"/./", b"/..", b"/x/..", b"/x/../", b"..;", b"..;/", b";", b";/", b";x", b";x=1", b".;", b".;/", b"/;", b"/;/"),
    *(
        b"%20",
        b"%09",
        b"%00",
        b"%00.css",
        b"%0a",
        b"%0d",
        b"%0d%0a",
        b"%23",
        b"%26",
        b"%2e",
        b"%2f",
        b"%2f%2f",
        b"%3b",
        b"%3bx",
        b"%3f",
        b"%5c",
    ),
    *(
        b"%23?",
        b"%25",
        b"%2500",
        b"%2523",
        b"%252f",
        b"%253b",
        b"%253f",
        b"%7f",
        b"%80",
        b"%85",
        b"%a0",
        b"%c0%80",
        b"%e2%80%8b",
        b"%ff",
        b"%",
    ),
    *(
        b"%2",
        b"%zz",
        b"%u0000",
        b"&",
        b"*",
        b"~",
        b"?",
        b"??",
        b"???",
        b"?/",
        b"?x=1",
        b"?a=/../x",
        b"?;/../x",
        b"#",
        b"#/",
        b"#x",
        b"#?x",
        b"!",
    ),
    *(
        b".json",
        b".css",
        b".html",
        b".php",
        b".",
        b"..",
        b"...",
        b"\\",
        b"\\..\\",
        b"/\\",
        b"\\/",
        b"/*",
        b"/*/",
        b"/~",
        b" ",
        b" /",
        b"\t",
        b"\x0b",
    ),
    *(b" HTTP/1.1", b" HTTP/1.0", b"\x00", b"\x01", b"\x7f", b"\x80", b"\xa0", b"\xff", b"\xc2\x85", b"\xc2\xa0", b"\xe2\x80\x8b", b"\x0c"),
)
# What some backends take for the path that was really asked for.
REWRITES: Final = tuple(
    (name, value)
    for name in (b"x-original-url", b"x-rewrite-url", b"X_Original-URL", b"X-Rewrite_Url")
    for value in (b"/admin", b"/x/../admin")
)
# Envoy's table of what a listener lets through, with the path that is asked for behind it.
TABLE: Final = (
    *(b"/a/../admin", b"/a/%2e%2e/admin", b"/./admin", b"//admin", b"/public/..%2fadmin", b"/a%2F..%2Fadmin", b"/a%5c..%5cadmin"),
    *(b"/a\\..\\admin", b"/%61dmin", b"/admin;x=1", b"/a;x=1/../admin", b"/a/..;/admin", b"/a/..;x/admin", b"/admin%00", b"/.%00./admin"),
    *(
        b"/a/%252e%252e/admin",
        b"/a/%zz/../admin",
        b"/admin%3f",
        b"/admin#f",
        b"/a#f/../admin",
        b"http://localhost/admin",
        b"*",
        b"/admin x",
    ),
    *(
        b"http://localhost:81/x/../admin",
        b"HTTP://LOCALHOST//admin",
        b"http://localhost",
        b"https://localhost/%61dmin",
        b"admin",
        b"",
        b"?/admin",
    ),
)


def _recased(word: bytes) -> Iterator[bytes]:
    yield from (word.upper(), word.title(), word[:-1] + word[-1:].upper())
    for at in range(len(word)):
        for form in (b"%%%02x", b"%%%02X", b"%%25%02x", b"%%u00%02x"):
            yield word[:at] + form % word[at] + word[at + 1 :]
    yield from (b"".join(form % letter for letter in word) for form in (b"%%%02x", b"%%%02X", b"%%25%02x"))
    yield from (
        b"ad%C0%ADmin",
        b"ad%ADmin",
        b"%EF%BD%81dmin",
        b"adm%C4%B1n",
        b"adm%C4%B0n",
        b"%61%2564min",
        b"%61dmi%6E%2f",
        b"a%64min%3bx",
    )


@cache
def constructed() -> tuple[bytes, ...]:
    """Spellings put together from dots, slashes and parameters, and with every prefix and suffix."""
    found = [b"/" + before + WORD for before in BEFORE]
    found += [b"/" + WORD + after for after in AFTER]
    found += [b"/" + word for word in _recased(WORD)]
    found += [b"/x" + slash + dot + other + slash + WORD for slash, dot, other in product(SLASHES, DOTS, DOTS)]
    found += [b"/x/" + dot + dot + parameter + b"/" + WORD for dot, parameter in product(DOTS, PARAMETERS)]
    found += [b"/" + WORD + parameter + slash + b"x" for parameter, slash in product(PARAMETERS, SLASHES)]
    found += [slash + WORD for slash in SLASHES]
    found += [
        b"http://localhost" + path for path in (b"/admin", b"//admin", b"/x/../admin", b"/admin;x", b"?/../admin", b"#/admin", b"\\admin")
    ]
    return tuple(dict.fromkeys(found))


@cache
def published() -> tuple[bytes, ...]:
    """Every path of the vectors of Envoy, Istio and nginx, as sent and as served."""
    vectors = corpus("path-normalization/path_vectors.json")
    pairs = [pair for cases in (vectors["istio"]["cases"], vectors["envoy"]["cases"]) for each in cases.values() for pair in each]
    pairs += vectors["nginx"]["cases"] + vectors["istio"]["percent_encoded_DECODE_AND_MERGE_SLASHES"]
    return tuple(dict.fromkeys(text.encode("latin-1") for pair in pairs for text in pair if text not in (None, "400")))


def pairs_published() -> int:
    """How many pairs the vectors have."""
    vectors = corpus("path-normalization/path_vectors.json")
    cases = [*vectors["istio"]["cases"].values(), *vectors["envoy"]["cases"].values()]
    return sum(map(len, cases)) + len(vectors["nginx"]["cases"]) + len(vectors["istio"]["percent_encoded_DECODE_AND_MERGE_SLASHES"])
