"""Client addresses: reading, sets, and finding the client's."""

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authz.model.operator import ClientAddress
from authz.model.policy import AddressCondition, AddressRange
from authz.policy import addresses
from authz.policy.addresses import UNKNOWN, AddressSet, parse
from tests.builders import a_request
from tests.corpora import corpus

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)
MAPPED = ipaddress.ip_network("::ffff:0:0/96")
PROXIES = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    "text", ["192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "2001:DB8::1", "64:ff9b::192.0.2.1"]
)
def test_an_address_in_its_usual_form_is_read(text):
    assert addresses.text(parse(text)) == str(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "192.0.2.1 ",
        " 192.0.2.1",
        "192.0.2.01",
        "0300.0250.0.1",
        "0xc0.0.2.1",
        "3221225985",
        "192.0.513",
        "192.0.2",
        "192.0.2.1.1",
        "192.0.2.256",
        "192.0.2.1:80",
        "192.0.2.1/32",
        "[::1]",
        "[::1]:80",
        "::1%eth0",
        "fe80::1%1",
        "fe80::1%",
        ":::1",
        "1::2::3",
        "12345::",
        "::192.0.2.01",
        "192.0.2.1\x00",
        "::1\x00",
        "192.0.2.1\n",
        "192.0.2.\u0661",
        "\ud800",
        "unknown",
        "_hidden",
        "localhost",
        "192.0.2.1,192.0.2.2",
    ],
)
def test_an_address_in_any_other_form_is_unknown(text):
    assert parse(text) == UNKNOWN


@pytest.mark.parametrize("text", ["::ffff:192.0.2.1", "::FFFF:192.0.2.1", "::ffff:c000:201", "0:0:0:0:0:ffff:192.0.2.1"])
def test_an_ipv4_address_in_ipv6_form_is_the_ipv4_address(text):
    assert parse(text) == parse("192.0.2.1")
    assert addresses.text(parse(text)) == "192.0.2.1"


@given(V4 | V6)
def test_text_is_what_parse_reads(address):
    mapped = getattr(address, "ipv4_mapped", None)
    assert addresses.text(parse(str(address))) == str(mapped or address)


def test_unknown_reads_unknown():
    assert addresses.text(UNKNOWN) == "unknown"


@given(st.text(max_size=20))
def test_parse_accepts_nothing_that_ipaddress_refuses(text):
    if parse(text) != UNKNOWN:
        assert ipaddress.ip_address(text)


@st.composite
def _networks(draw):
    address = draw(V4 | V6)
    return ipaddress.ip_network((address, draw(st.integers(0, address.max_prefixlen))), strict=False)


@given(st.lists(_networks(), max_size=8), st.lists(V4 | V6, max_size=5), st.data())
def test_a_set_of_networks_holds_what_ipaddress_says(networks, others, data):
    networks = [net for net in networks if not str(net).startswith("::ffff:")]
    wanted = addresses.set_of(AddressCondition(tuple(str(net) for net in networks)))
    inside = [net[data.draw(st.integers(0, net.num_addresses - 1))] for net in networks]
    for address in (*others, *inside):
        plain = getattr(address, "ipv4_mapped", None) or address
        assert (parse(str(address)) in wanted) is any(plain in net for net in networks)


@given(st.lists(st.tuples(V4, V4) | st.tuples(V6, V6), max_size=8), st.lists(V4 | V6, min_size=1, max_size=5))
def test_a_set_of_ranges_holds_what_lies_between_their_ends(ends, asked):
    pairs = [tuple(sorted(pair)) for pair in ends]
    pairs = [(a, b) for a, b in pairs if (parse(str(a)) >> 128) == (parse(str(b)) >> 128)]
    wanted = addresses.set_of(AddressCondition((), tuple(AddressRange(str(a), str(b)) for a, b in pairs)))
    for address in (*asked, *(end for pair in pairs for end in pair)):
        value = parse(str(address))
        assert (value in wanted) is any(parse(str(a)) <= value <= parse(str(b)) for a, b in pairs)


def test_ranges_that_touch_or_overlap_become_one():
    wanted = AddressSet([(5, 9), (1, 4), (7, 8), (20, 30), (9, 12)])
    assert [each for each in range(35) if each in wanted] == [*range(1, 13), *range(20, 31)]


def test_unknown_is_in_no_set():
    everything = addresses.set_of(AddressCondition(("0.0.0.0/0", "::/0")))
    assert UNKNOWN not in everything
    assert parse("192.0.2.1") in everything
    assert parse("::1") in everything
    assert UNKNOWN not in AddressSet(())


@pytest.mark.parametrize(("everything", "address"), [("0.0.0.0/0", "::1"), ("::/0", "192.0.2.1"), ("::/0", "::ffff:192.0.2.1")])
def test_the_prefixes_of_one_family_do_not_reach_into_the_other(everything, address):
    assert parse(address) not in addresses.set_of(AddressCondition((everything,)))


@pytest.mark.parametrize("cidr", ["192.0.2.0/24", "192.0.2.1", "192.0.2.1/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "::1", "::1/128"])
def test_a_network_in_its_usual_form_has_no_problem(cidr):
    assert addresses.cidr_problem(cidr) == ""


@pytest.mark.parametrize(
    ("cidr", "why"),
    [
        ("192.0.2.0/33", "is no CIDR"),
        ("192.0.2.0/024", "plain number"),
        ("192.0.2.0/", "plain number"),
        ("192.0.2.0/-1", "plain number"),
        ("192.0.2.0/24 ", "plain number"),
        ("192.0.2.0/255.255.255.0", "plain number"),
        ("10.0.0.0/0.255.255.255", "plain number"),
        ("192.0.2.0/2\u0664", "is no CIDR"),
        ("192.0.2.0/24/24", "plain number"),
        ("192.0.02.0/24", "is no IPv4 or IPv6 address"),
        ("office", "is no IPv4 or IPv6 address"),
        ("fe80::1%eth0/64", "is no IPv4 or IPv6 address"),
        ("192.0.2.7/24", "did you mean 192.0.2.0/24?"),
        ("2001:db8::1/32", "did you mean 2001:db8::/32?"),
        ("::ffff:192.0.2.0/120", "write it as IPv4"),
        ("::FFFF:192.0.2.0/120", "write it as IPv4"),
        ("::/129", "is no CIDR"),
    ],
)
def test_a_network_in_any_other_form_is_refused(cidr, why):
    assert why in addresses.cidr_problem(cidr)


@pytest.mark.parametrize("cidr", ["0::ffff:192.0.2.0/120", "0:0:0:0:0:ffff:c000:200/120", "0000::ffff:192.0.2.1"])
def test_ipv4_in_ipv6_form_is_refused_in_every_spelling(cidr):
    assert "write it as IPv4" in addresses.cidr_problem(cidr)


@given(_networks())
def test_whatever_network_has_no_problem_can_be_compiled_and_holds_its_own_ends(network):
    cidr = str(network)
    # Among the addresses of a wider network those that stand for IPv4 are no IPv6.
    assume(network.version == 4 or not network.overlaps(MAPPED))
    if not addresses.cidr_problem(cidr):
        wanted = addresses.set_of(AddressCondition((cidr,)))
        assert parse(str(network[0])) in wanted
        assert parse(str(network[-1])) in wanted


@pytest.mark.parametrize(
    ("first", "last"), [("192.0.2.1", "192.0.2.9"), ("192.0.2.1", "192.0.2.1"), ("::1", "::9"), ("::ffff:192.0.2.1", "192.0.2.9")]
)
def test_a_range_from_low_to_high_has_no_problem(first, last):
    assert addresses.range_problem(AddressRange(first, last)) == ""


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        ("192.0.2.9", "192.0.2.1", "192.0.2.9 is after 192.0.2.1"),
        ("192.0.2.1", "::1", "different families"),
        ("::1", "192.0.2.1", "different families"),
        ("192.0.2.01", "192.0.2.9", "192.0.2.01 is no IPv4 or IPv6 address"),
        ("192.0.2.1", "last", "last is no IPv4 or IPv6 address"),
    ],
)
def test_a_range_in_any_other_form_is_refused(first, last, why):
    assert why in addresses.range_problem(AddressRange(first, last))


# Finding the client's address.


def _found(setting, *, peer="203.0.113.7", **headers):
    request = a_request(peer=peer, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return addresses.text(addresses.finder(setting)(request))


def test_nothing_is_found_until_the_operator_says_how():
    assert _found(None) == "unknown"


@pytest.mark.parametrize(
    ("peer", "client"), [("203.0.113.7", "203.0.113.7"), ("::ffff:203.0.113.7", "203.0.113.7"), ("", "unknown"), ("/run/socket", "unknown")]
)
def test_the_peer_is_the_client_where_the_operator_says_so(peer, client):
    assert _found(ClientAddress(), peer=peer, x_forwarded_for="198.51.100.1") == client


XFF = {
    # hops, appended, what arrives: the client
    "nothing before Envoy": (0, True, "198.51.100.1,10.0.0.1", "10.0.0.1"),
    "one proxy before Envoy": (1, True, "198.51.100.1,10.0.0.1", "198.51.100.1"),
    "one proxy, forged entries before": (1, True, "1.1.1.1, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
    "one proxy, not appended": (1, False, "198.51.100.1", "198.51.100.1"),
    "one proxy, not appended, forged before": (1, False, "1.1.1.1,198.51.100.1", "198.51.100.1"),
    "two proxies": (2, True, "198.51.100.1,10.0.0.2,10.0.0.1", "198.51.100.1"),
    "two proxies, not appended": (2, False, "198.51.100.1,10.0.0.2", "198.51.100.1"),
    "a list that is too short": (2, True, "198.51.100.1,10.0.0.1", "unknown"),
    "a list that is too short, not appended": (2, False, "198.51.100.1", "unknown"),
    "an entry with a port": (1, True, "198.51.100.1:4711,10.0.0.1", "unknown"),
    "an entry that is no address": (1, True, "unknown,10.0.0.1", "unknown"),
    "an empty entry": (1, True, ",10.0.0.1", "unknown"),
    "an empty list": (1, False, "", "unknown"),
    "IPv6": (1, True, "2001:db8::1, fd00::1", "2001:db8::1"),
}


@pytest.mark.parametrize("case", XFF)
def test_the_client_is_the_entry_before_the_trusted_hops(case):
    hops, appended, sent, client = XFF[case]
    assert _found(ClientAddress("x-forwarded-for", hops, appended, PROXIES), peer="10.0.0.1", x_forwarded_for=sent) == client


def test_a_list_that_is_absent_is_unknown_and_never_the_peer():
    assert _found(ClientAddress("x-forwarded-for", 1, appended=True, trusted=PROXIES), peer="10.0.0.1") == "unknown"


@pytest.mark.parametrize(
    "setting", [ClientAddress("x-forwarded-for", 1, appended=True, trusted=PROXIES), ClientAddress("x-real-ip", trusted=PROXIES)]
)
def test_a_peer_that_is_no_trusted_proxy_is_the_client_itself(setting):
    headers = {"x_forwarded_for": "198.51.100.1,10.0.0.1", "x_real_ip": "198.51.100.1"}
    assert _found(setting, peer="203.0.113.7", **headers) == "203.0.113.7"
    assert _found(setting, peer="", **headers) == "unknown"
    assert _found(setting, peer="::ffff:10.0.0.1", **headers) == "198.51.100.1"
    assert _found(setting, peer="fd00::1", **headers) == "198.51.100.1"


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        ("198.51.100.1", "198.51.100.1"),
        (" 198.51.100.1 ", "198.51.100.1"),
        ("198.51.100.1,198.51.100.2", "unknown"),
        ("198.51.100.1:80", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_header_with_one_address_is_read_where_the_operator_names_it(sent, client):
    assert _found(ClientAddress("x-real-ip", trusted=PROXIES), peer="10.0.0.1", x_real_ip=sent) == client


def test_a_header_that_is_absent_is_unknown_and_never_the_peer():
    assert _found(ClientAddress("x-real-ip", trusted=PROXIES), peer="10.0.0.1") == "unknown"


# What others published.


def test_published_addresses_are_read_as_published():
    for text, canonical in corpus("ip-parsing/ip_vectors.json")["valid"]:
        assert addresses.text(parse(text)) == addresses.text(parse(canonical or text)) != "unknown", text


def test_published_oddities_are_unknown():
    vectors = corpus("ip-parsing/ip_vectors.json")
    odd = [text for name, listed in vectors.items() if name == "invalid" or "reject" in name.lower() for text in listed]
    assert len(odd) > 20
    assert [text for text in odd if parse(text) != UNKNOWN] == []


def test_published_memberships_hold():
    vectors = corpus("ip-parsing/ip_vectors.json")
    cases = next(listed for name, listed in vectors.items() if name.startswith("match_cases"))
    for cidr, address, inside in cases:
        assert (parse(address) in addresses.set_of(AddressCondition((cidr,)))) is inside, (cidr, address)
