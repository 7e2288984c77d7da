"""Paths: one canonical form, what is ambiguous, and the kinds of match."""

import re
import string
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.model.policy import PathKind, PathMatch
from authz.policy import paths
from tests.corpora import corpus

# Pieces of which request paths are put together.
PIECES = ["/", "//", ".", "..", "a", "B", "7", "~", "-", "é", "%61", "%2e", "%2E", "%2f", "%5C", "%00", "%3b", "%c3%a9"]
PIECES += ["%ff", "%zz", "%", "\\", ";", "#", ":", "@", "+", "%20", "%25", "%32", "2", "f", "%66", " ", "|", "%7F", "\n", "\udcff"]
SENT = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "/" + "".join(pieces))


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("/", "/"),
        ("/orders/7", "/orders/7"),
        ("/orders/", "/orders/"),
        ("/a.b/c..d", "/a.b/c..d"),
        ("/a...", "/a..."),
        ("/...", "/..."),
        ("/.well-known/jwks", "/.well-known/jwks"),
        ("/%61dmin", "/admin"),
        ("/a%2eb", "/a.b"),
        ("/a%2Eb", "/a.b"),
        ("/%7euser", "/~user"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/café", "/caf%C3%A9"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/a b", "/a%20b"),
        ("/a|b", "/a%7Cb"),
        ("/%25", "/%25"),
        ("/100%25/x", "/100%25/x"),
        ("/%25zz", "/%25zz"),
        ("/a%3Fb", "/a%3Fb"),
        ("/a%3fb", "/a%3Fb"),
        ("/a=b&c,d:e@f", "/a=b&c,d:e@f"),
    ],
)
def test_a_path_has_one_canonical_form(sent, canonical):
    assert paths.canonical(sent) == canonical
    assert paths.ambiguity(sent) == ""


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("/a%2fb", "encoded slash"),
        ("/a%2Fb", "encoded slash"),
        ("/a%5cb", "encoded slash, backslash"),
        ("/a%5Cb", "encoded slash, backslash"),
        ("/a%3bx=1", "encoded slash, backslash, semicolon"),
        ("/a%3Bx=1", "encoded slash, backslash, semicolon"),
        ("/a%00", "NUL"),
        ("/a%252fb", "percent sign"),
        ("/a%2561", "percent sign"),
        ("/a%2500", "percent sign"),
        ("/a\\b", "raw backslash"),
        ("/a;x=1", "semicolon"),
        ("/admin#x", "number sign"),
        ("/admin#", "number sign"),
        ("/#/admin", "number sign"),
        ("/a/..;/b", "semicolon"),
        ("//a", "empty segment"),
        ("/a//b", "empty segment"),
        ("/a//", "empty segment"),
        ("/a%", "escape that is none"),
        ("/a%2", "escape that is none"),
        ("/a%zz", "escape that is none"),
        ("/a%u0041", "escape that is none"),
        ("/..", "dot segment"),
        ("/.", "dot segment"),
        ("/a/../b", "dot segment"),
        ("/a/./b", "dot segment"),
        ("/a/..", "dot segment"),
        ("/a/.", "dot segment"),
        ("/a/%2e%2e/b", "dot segment"),
        ("/a/.%2E/b", "dot segment"),
        ("/a/%2e", "dot segment"),
        ("/%ff", "not UTF-8"),
        ("/%c0%ae%c0%ae/b", "not UTF-8"),
        ("/%ed%a0%80", "not UTF-8"),
        ("/a\udcff", "not UTF-8"),
        ("/a%0d%0ab", "control"),
        ("/a%7f", "control"),
        ("/a%c2%85", "control"),
        ("/a\tb", "control"),
        ("/a\x00b", "control"),
    ],
)
def test_a_path_that_can_be_read_in_two_ways_has_no_canonical_form(sent, why):
    assert paths.canonical(sent) == ""
    assert why in paths.ambiguity(sent)


@pytest.mark.parametrize("sent", ["/%25%32%66", "/%252%66", "/%25%32f", "/a/%25%32%65%25%32%65/b"])
def test_a_doubly_escaped_path_is_ambiguous_in_every_spelling(sent):
    assert paths.canonical(sent) == ""


@pytest.mark.parametrize("piece", ["a", "%61", "é"])
def test_a_path_that_is_too_long_has_no_canonical_form(piece):
    assert paths.canonical("/" + "a" * (paths.MAX_LENGTH - len(piece) - 1) + piece)
    assert paths.canonical("/" + "a" * paths.MAX_LENGTH + piece) == ""
    assert "characters" in paths.ambiguity("/" + "a" * paths.MAX_LENGTH + piece)


@given(SENT)
def test_canonical_is_idempotent(sent):
    canonical = paths.canonical(sent)
    assert not canonical or paths.canonical(canonical) == canonical


@given(SENT)
def test_a_path_has_a_canonical_form_exactly_where_it_is_not_ambiguous(sent):
    assert bool(paths.canonical(sent)) is not bool(paths.ambiguity(sent))


@given(SENT)
def test_the_canonical_form_says_what_was_sent_in_harmless_characters(sent):
    canonical = paths.canonical(sent)
    if canonical:
        assert unquote_to_bytes(canonical) == unquote_to_bytes(sent)
        assert set(canonical) <= set(string.ascii_letters + string.digits + "-._~!$&'()*+,=:@/%")
        assert not {"", ".", ".."} & set(canonical[1:].split("/")[:-1])


# Exact: one trailing slash counts for nothing, everything else for all.


@pytest.mark.parametrize(
    ("value", "path", "fits"),
    [
        ("/orders", "/orders", True),
        ("/orders", "/orders/", True),
        ("/orders/", "/orders", True),
        ("/orders/", "/orders/", True),
        ("/orders", "/orders/7", False),
        ("/orders", "/Orders", False),
        ("/orders", "/order", False),
        ("/orders", "/ordersx", False),
        ("/", "/", True),
        ("/", "/a", False),
        ("/%7euser", "/~user", True),
        ("/café", "/caf%C3%A9", True),
        ("/a.b", "/axb", False),
    ],
)
def test_an_exact_match(value, path, fits):
    assert paths.test_of(PathMatch(PathKind.EXACT, value))(path) is fits


@pytest.mark.parametrize(
    ("value", "path", "fits"),
    [
        ("/orders", "/orders", True),
        ("/orders", "/orders/", True),
        ("/orders", "/orders/7/items", True),
        ("/orders", "/ordersx", False),
        ("/orders", "/orders.json", False),
        ("/orders", "/order", False),
        ("/orders/", "/orders", True),
        ("/orders/", "/orders/7", True),
        ("/", "/", True),
        ("/", "/anything/at/all", True),
        ("/café", "/caf%C3%A9/x", True),
        ("/a.b", "/axb", False),
    ],
)
def test_a_prefix_match_is_by_whole_segments(value, path, fits):
    assert paths.test_of(PathMatch(PathKind.PREFIX, value))(path) is fits


@pytest.mark.parametrize(
    ("value", "path", "fits"),
    [
        ("/users/{id}", "/users/7", True),
        ("/users/{id}", "/users/7/", True),
        ("/users/{id}/", "/users/7", True),
        ("/users/{id}", "/users/", False),
        ("/users/{id}", "/users", False),
        ("/users/{id}", "/users/7/items", False),
        ("/users/{id}", "/users/caf%C3%A9", True),
        ("/{a}/{b}", "/x/y", True),
        ("/{a}", "/x/y", False),
        ("/v1.0/{id}", "/v1x0/7", False),
        ("/a+b/{id}", "/a+b/7", True),
        ("/café/{id}", "/caf%C3%A9/7", True),
        ("/plain", "/plain", True),
        ("/", "/", True),
        ("/", "/a", False),
    ],
)
def test_a_template_match(value, path, fits):
    assert paths.test_of(PathMatch(PathKind.TEMPLATE, value))(path) is fits


@pytest.mark.parametrize(
    ("value", "path", "fits"),
    [
        ("/orders/[0-9]+", "/orders/7", True),
        ("/orders/[0-9]+", "/orders/7/", False),
        ("/orders/[0-9]+", "/v2/orders/7", False),
        ("/orders/[0-9]+", "/orders/7x", False),
        ("/a|/b", "/a", True),
        ("/a|/b", "/b", True),
        ("/a|/b", "/ab", False),
        ("(?i)/orders", "/ORDERS", True),
        (".*", "/anything", True),
        (".*\\.json", "/a/b.json", True),
    ],
)
def test_a_regular_expression_must_match_in_full(value, path, fits):
    assert paths.test_of(PathMatch(PathKind.REGEX, value))(path) is fits


@given(SENT)
def test_a_literal_match_finds_every_spelling_of_its_own_value(sent):
    canonical = paths.canonical(sent)
    if canonical:
        assert paths.test_of(PathMatch(PathKind.EXACT, sent))(canonical)
        assert paths.test_of(PathMatch(PathKind.PREFIX, sent))(canonical)
        assert paths.is_below(canonical, paths.bare_prefix(sent))


@pytest.mark.parametrize("value", ["(?=a)", "(?!a)", "(?<=a)b", "(a)\\1", "(", "[", "a**", "(a{1000}){1000}", "(?P<n", "\\"])
def test_what_re2_cannot_promise_linear_time_for_is_refused(value):
    assert paths.problem_of(PathMatch(PathKind.REGEX, value)).startswith("not an RE2 regular expression: ")


def test_the_refusal_of_an_expression_says_why():
    assert "missing )" in paths.problem_of(PathMatch(PathKind.REGEX, "/orders/("))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (PathKind.EXACT, "/"),
        (PathKind.EXACT, "/orders"),
        (PathKind.PREFIX, "/"),
        (PathKind.PREFIX, "/orders/"),
        (PathKind.EXACT, "/café"),
        (PathKind.TEMPLATE, "/users/{id}"),
        (PathKind.TEMPLATE, "/{a}/{b}"),
        (PathKind.TEMPLATE, "/"),
        (PathKind.REGEX, "/orders/[0-9]+"),
    ],
)
def test_a_path_that_some_request_can_have_has_no_problem(kind, value):
    assert paths.problem_of(PathMatch(kind, value)) == ""


@pytest.mark.parametrize("kind", [PathKind.EXACT, PathKind.PREFIX, PathKind.TEMPLATE])
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("orders", "begins with /"),
        ("/orders?x=1", "no query or fragment"),
        ("/orders#x", "no query or fragment"),
        ("/a//b", "empty segment"),
        ("/a/../b", "dot segment"),
        ("/a;b", "semicolon"),
        ("/a%2fb", "encoded slash"),
        ("/a%zz", "escape that is none"),
    ],
)
def test_a_path_that_no_request_can_have_is_refused(kind, value, why):
    assert why in paths.problem_of(PathMatch(kind, value))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("/users/{id}/{id}", "may stand once"),
        ("/users/x{id}", "whole segment"),
        ("/users/{id}.json", "whole segment"),
        ("/users/{}", "whole segment"),
        ("/users/{7}", "whole segment"),
        ("/users/{a-b}", "whole segment"),
        ("/users/{", "whole segment"),
        ("/users/}", "whole segment"),
    ],
)
def test_a_template_parameter_is_a_whole_segment_with_a_name_of_its_own(value, why):
    assert why in paths.problem_of(PathMatch(PathKind.TEMPLATE, value))


@pytest.mark.parametrize(
    "value",
    [
        "//users/{id}",
        "/users//{id}",
        "/users/{id}//",
        "//",
    ],
)
def test_a_template_with_an_empty_segment_at_its_ends_is_refused_like_any_other(value):
    assert "empty segment" in paths.problem_of(PathMatch(PathKind.TEMPLATE, value))


@pytest.mark.parametrize(
    ("path", "prefix", "below"),
    [
        ("/", "", True),
        ("/orders", "", True),
        ("/orders", "/orders", True),
        ("/orders/", "/orders", True),
        ("/orders/7/items", "/orders/7", True),
        ("/orders/77", "/orders/7", False),
        ("/ordersx", "/orders", False),
        ("/", "/orders", False),
        ("/v2/orders", "/orders", False),
    ],
)
def test_a_path_lies_below_its_prefixes_by_whole_segments(path, prefix, below):
    assert paths.is_below(path, prefix) is below


@pytest.mark.parametrize(("prefix", "bare"), [("/", ""), ("/orders", "/orders"), ("/orders/", "/orders"), ("/%6frders", "/orders")])
def test_a_declared_prefix_is_written_in_canonical_form_without_its_last_slash(prefix, bare):
    assert paths.bare_prefix(prefix) == bare


# What Envoy, Istio and nginx make of a path.


def _vectors():
    vectors = corpus("path-normalization/path_vectors.json")
    for mode, pairs in vectors["istio"]["cases"].items():
        if mode != "NONE":
            yield from pairs
    yield from vectors["istio"]["percent_encoded_DECODE_AND_MERGE_SLASHES"]
    for pairs in vectors["envoy"]["cases"].values():
        yield from pairs
    yield from vectors["nginx"]["cases"]


def _misread(pairs):
    """The pairs where a proxy serves another path than the one that a policy would decide on."""
    for sent, served in pairs:
        path = sent.partition("?")[0]
        ours = paths.canonical(path) if path.startswith("/") else ""
        if ours and served not in (None, "400") and ours != paths.canonical(served.partition("?")[0]):
            yield sent, served, ours


def test_what_a_proxy_would_serve_as_another_path_is_never_decided_as_this_one():
    assert list(_misread(_vectors())) == []


def _browsed():
    """The path as written, and as browsers read it, of each URL of the vectors that is http or https."""
    for each in corpus("wpt-url/urltestdata.json"):
        if isinstance(each, dict) and each.get("protocol") in ("http:", "https:") and "://" in each["input"]:
            path = re.sub("^[^/?#]*", "", each["input"].partition("://")[2])
            yield re.split("[?#]", path, maxsplit=1)[0], each["pathname"]


def test_a_path_of_the_published_urls_is_the_one_that_browsers_read_or_none():
    pairs = [(written, read) for written, read in _browsed() if written.startswith("/")]
    assert len(pairs) > 100
    unlike = [(written, read) for written, read in pairs if paths.canonical(written) not in ("", paths.canonical(read))]
    assert unlike == []
