"""Hosts: canonical form and patterns."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.policy import hosts
from tests.corpora import corpus

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=5).map(".".join)


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("api.example.com:8443", "api.example.com"),
        ("API.example.com.:443", "api.example.com"),
        ("localhost", "localhost"),
        ("a_b.example", "a_b.example"),
        ("a._tcp.example", "a._tcp.example"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("[::1]", "[::1]"),
        ("[::1]:8080", "[::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("xn--caf-dma.example", "xn--caf-dma.example"),
    ],
)
def test_a_host_is_read_in_lower_case_without_port_and_trailing_dot(sent, canonical):
    assert hosts.canonical(sent) == canonical


@pytest.mark.parametrize(
    "sent",
    [
        "",
        ".",
        "a.example,b.example",
        "user@a.example",
        "a.example/",
        "a example",
        " a.example",
        "a.example\n",
        "a.example\x00",
        "a..example",
        "a.example..",
        ".a.example",
        "-a.example",
        "a-.example",
        "a.example:",
        "a.example:http",
        "a.example:123456",
        "a.example:8443.",
        "::1",
        "[::1",
        "[::1%eth0]",
        "[.1]",
        "[::::]",
        "[1.2.3.4]",
        "[1:2:3:4:5:6:7:8:9]",
        "[:]",
        "[a.example]",
        "café.example",
        "\u212a.example",
        "*.example",
        "a%2eexample",
        "a" * 261,
    ],
)
def test_what_is_no_host_has_no_canonical_form(sent):
    assert hosts.canonical(sent) == ""


@given(st.text(max_size=30) | NAMES)
def test_canonical_is_idempotent(text):
    canonical = hosts.canonical(text)
    assert not canonical or hosts.canonical(canonical) == canonical


@given(NAMES, st.sampled_from(["", "."]), st.sampled_from(["", ":80", ":65535"]))
def test_every_spelling_of_a_name_is_one_host(name, dot, port):
    assert hosts.canonical(name.upper() + dot + port) == name


@given(NAMES)
def test_whatever_a_policy_may_name_is_its_own_canonical_form(name):
    assert hosts.is_pattern(name)
    assert hosts.canonical(name) == name


@pytest.mark.parametrize("text", ["api.example.com", "*.example.com", "*.com", "localhost", "192.0.2.1", "xn--caf-dma.example"])
def test_a_policy_may_name_canonical_names_and_wildcards(text):
    assert hosts.is_pattern(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "**.example.com",
        "*.*.example.com",
        "a.*.example.com",
        "*example.com",
        "API.example.com",
        "api.example.com.",
        "api.example.com:443",
        "https://api.example.com",
        "a_b.example",
        "a..b",
        "-a.example",
        "a-.example",
        "café.example",
        "[::1]",
        f"{'a' * 64}.example",
        ".".join(["a" * 63] * 4),
    ],
)
def test_a_policy_may_not_name_anything_else(text):
    assert not hosts.is_pattern(text)


def test_wildcards_are_listed_closest_first_and_never_cover_the_bare_name():
    assert hosts.wildcards("a.b.example.com") == ["*.b.example.com", "*.example.com", "*.com"]
    assert hosts.wildcards("localhost") == []


@given(NAMES)
def test_every_wildcard_of_a_host_is_a_pattern_that_ends_it(name):
    for pattern in hosts.wildcards(name):
        assert hosts.is_pattern(pattern)
        assert name.endswith(pattern[1:])
        assert name != pattern[2:]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("API.example.com", "api.example.com"),
        ("api.example.com:8443", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("*.Example.com", "*.example.com"),
        ("https://api.example.com", ""),
        ("*", ""),
        ("*.", ""),
        ("a_b.example", ""),
        ("[::1]", ""),
        ("", ""),
    ],
)
def test_what_was_meant_by_a_host_with_capitals_port_or_dot(written, meant):
    assert hosts.repaired(written) == meant


@given(st.text("aB-._*:8 ", max_size=12))
def test_what_is_proposed_may_be_written(text):
    assert hosts.repaired(text) == "" or hosts.is_pattern(hosts.repaired(text))


# What browsers make of a host.


def _published():
    """The authority as written, and the host as browsers read it, of each URL of the vectors that is http or https."""
    for each in corpus("wpt-url/urltestdata.json"):
        if isinstance(each, dict) and "hostname" in each and each["protocol"] in ("http:", "https:"):
            written = re.split("[/?#]", each["input"].partition("://")[2], maxsplit=1)[0]
            yield from ((text, each["hostname"]) for text in (written, each["host"]))


def test_a_host_of_the_published_urls_is_the_one_that_browsers_read_or_none():
    pairs = list(_published())
    assert len(pairs) > 300
    unlike = {written for written, read in pairs if hosts.canonical(written) not in ("", read.removesuffix("."))}
    # Browsers write these anew before they send them, so they come from nobody's browser; of those in brackets no policy can speak.
    numbers = re.compile(r"(?:(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.|$))+")
    assert not [host for host in unlike if hosts.is_pattern(host) and not numbers.fullmatch(host)]
