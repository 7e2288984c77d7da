"""What proxies tell of a client's certificate."""

from base64 import b64encode
from hashlib import sha256
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.authn.forwarded_certificate import MAX_TEXT, from_client_cert, from_peer, from_pem_header, from_xfcc
from authz.model.certificate import Chain
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason


def pem(der: bytes, label: str = "CERTIFICATE") -> str:
    return f"-----BEGIN {label}-----\n{b64encode(der).decode()}\n-----END {label}-----\n"


LEAF, MIDDLE, OTHER = b"leaf\xfb\xff\xfe", b"middle", b"other"
CERT, CHAIN, FORGED = quote(pem(LEAF), safe=""), quote(pem(LEAF) + pem(MIDDLE), safe=""), quote(pem(OTHER), safe="")
HASH = sha256(LEAF).hexdigest()
WHOLE = Chain(LEAF, (MIDDLE,))


def is_unreadable(found: object) -> bool:
    return isinstance(found, Failure) and found.reason is Reason.CERT_UNTRUSTED and found.rank is Rank.UNREADABLE


@pytest.mark.parametrize("read", [from_peer, from_pem_header, from_xfcc, from_client_cert])
def test_where_nothing_is_told_there_is_none(read):
    assert read("") is None


@pytest.mark.parametrize("read", [from_peer, from_pem_header])
@pytest.mark.parametrize(
    ("text", "chain"),
    [
        (CERT, Chain(LEAF)),
        (CHAIN, WHOLE),
        (quote(pem(LEAF)), Chain(LEAF)),  # As nginx does: a slash is left as it is.
        (pem(LEAF).replace("\n", "%0A"), Chain(LEAF)),  # As Envoy's oldest do: a plus sign is left, too.
        (pem(LEAF).strip().replace("\n", "\t"), Chain(LEAF)),
        (pem(LEAF).strip().replace("\n", " "), Chain(LEAF)),
        (quote(pem(LEAF).replace("\n", "\r\n")), Chain(LEAF)),
    ],
)
def test_pem_is_read_as_proxies_write_it(read, text, chain):
    assert read(text) == chain


@pytest.mark.parametrize("read", [from_peer, from_pem_header])
@pytest.mark.parametrize(
    "text",
    [
        "(null)",
        "-",
        " ",
        CERT[:-9],
        CERT.replace("BEGIN", "BEGUN"),
        CERT + "%",
        CERT + "%0",
        CERT + "%GG",
        CERT + "%00",
        CERT + "x",
        f"{CERT},{CERT}",
        CERT + "\xe4",
        quote(pem(LEAF, "PRIVATE KEY")),
        quote(pem(LEAF) + pem(LEAF, "PRIVATE KEY")),
        quote(pem(LEAF, "TRUSTED CERTIFICATE")),
        quote(pem(b"")),
        quote(CERT),
        quote("-----BEGIN CERTIFICATE-----\nQUJ\n-----END CERTIFICATE-----"),
        quote(pem(LEAF) * 9),
        quote(pem(bytes(MAX_TEXT))),
        b64encode(LEAF).decode(),
    ],
)
def test_what_is_no_pem_of_certificates_is_unreadable(read, text):
    assert is_unreadable(read(text))


def test_eight_certificates_may_be_told():
    found = from_pem_header(quote(pem(LEAF) + pem(MIDDLE) * 7))
    assert found == Chain(LEAF, (MIDDLE,) * 7)


@pytest.mark.parametrize(
    ("header", "chain"),
    [
        (f'By=spiffe://us;Hash={HASH};Cert="{CERT}";Subject="CN=client1,O=Acme\\, \\"Inc\\"";URI=a;URI=b;DNS=c', Chain(LEAF)),
        (f'Hash={HASH};Cert="{CERT}";Chain="{CHAIN}";Subject="";URI=', WHOLE),
        (f'Hash={HASH.upper()};Chain="{CHAIN}"', WHOLE),
        (f"hash={HASH};CERT={CERT}", Chain(LEAF)),
        (f'Hash={"0" * 64};Cert="{FORGED}",Hash={HASH};Cert="{CERT}"', Chain(LEAF)),
        (f'Cert="{FORGED}";Subject="x", Hash={HASH};Cert="{CERT}"', Chain(LEAF)),
        (f'Subject="a,Hash=1;Cert=\\"{FORGED}\\"";Cert="{CERT}"', Chain(LEAF)),
        (f'Subject="ends in a backslash\\\\";Cert="{CERT}"', Chain(LEAF)),
        (f'Cert="{CERT}";Future=1', Chain(LEAF)),
    ],
)
def test_the_last_element_of_xfcc_counts(header, chain):
    assert from_xfcc(header) == chain


@pytest.mark.parametrize(
    "header",
    [
        f'Hash={"0" * 64};Cert="{CERT}"',
        f'Hash={HASH};Cert="{FORGED}"',
        f'Cert="{FORGED}";Chain="{CHAIN}"',
        f'Cert="{CHAIN}";Chain="{CHAIN}"',
        f'Cert="{CERT}";Cert="{CERT}"',
        f'Hash={HASH};hash={HASH};Cert="{CERT}"',
        f'Cert="{CERT}',
        f'Cert="{CERT}"x',
        f'Cert="{CERT}",',
        f'Cert="{CERT}";',
        f',Cert="{CERT}"',
        f'garbage,Cert="{CERT}"',
        f'By="open,Cert="{CERT}"',
        'Cert="nothing"',
        f'Cert="{CERT}"' + " " * MAX_TEXT,
        "=",
        ";",
    ],
)
def test_xfcc_that_contradicts_itself_or_has_another_form_is_unreadable(header):
    assert is_unreadable(from_xfcc(header))


@pytest.mark.parametrize(
    "header", [f"Hash={HASH}", f'Hash={HASH};Subject="CN=client"', f'Cert="{CERT}",Hash={HASH}', "By=x", f'Hash={HASH};Cert=""']
)
def test_a_hash_alone_is_not_enough_and_the_remedy_is_told(header):
    failure = from_xfcc(header)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.CERT_MISSING
    assert failure.undecided
    assert "set_current_client_cert_details {cert: true, chain: true}" in failure.want


def sf(*octets: bytes) -> str:
    return ", ".join(f":{b64encode(each).decode()}:" for each in octets)


@pytest.mark.parametrize(
    ("cert", "chain", "expected"),
    [
        (sf(LEAF), "", Chain(LEAF)),
        (f"  {sf(LEAF)} ", sf(MIDDLE), WHOLE),
        (sf(LEAF), sf(MIDDLE, OTHER), Chain(LEAF, (MIDDLE, OTHER))),
        (sf(LEAF), f"{sf(MIDDLE)},{sf(OTHER)}", Chain(LEAF, (MIDDLE, OTHER))),
    ],
)
def test_rfc_9440_is_read(cert, chain, expected):
    assert from_client_cert(cert, chain) == expected


@pytest.mark.parametrize(
    ("cert", "chain"),
    [
        ("", sf(MIDDLE)),
        (f"{sf(LEAF)},{sf(LEAF)}", ""),
        (f"{sf(LEAF)};a=1", ""),
        (sf(b""), ""),
        (sf(LEAF), sf(b"")),
        (sf(LEAF), f"{sf(MIDDLE)},"),
        (sf(LEAF), f"({sf(MIDDLE)})"),
        (sf(LEAF), sf(*[MIDDLE] * 8)),
        (sf(LEAF) + "\n", ""),
        (CERT, ""),
        (b64encode(LEAF).decode(), ""),
        (sf(bytes(MAX_TEXT)), ""),
        (sf(LEAF), sf(bytes(MAX_TEXT))),
    ],
)
def test_what_is_not_of_rfc_9440s_form_is_unreadable(cert, chain):
    assert is_unreadable(from_client_cert(cert, chain))


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [CERT, CHAIN, sf(LEAF), "By=", "Hash=", "Cert=", '"', "\\", ",", ";", "%", "-----BEGIN ", "-----", "CERTIFICATE", HASH]
        ),
        st.text(max_size=8),
    ),
    max_size=12,
).map("".join)


@given(PIECES, PIECES)
def test_no_text_breaks_a_reader_and_no_failure_repeats_it(text, more):
    for found in (from_peer(text), from_pem_header(text), from_xfcc(text), from_client_cert(text, more)):
        assert found is None or isinstance(found, Chain | Failure)
        if isinstance(found, Failure):
            assert CERT not in found.want + found.got
        if isinstance(found, Chain):
            assert found.leaf
            assert len(found.intermediates) < 8


@given(st.binary(min_size=1, max_size=50), st.lists(st.binary(min_size=1, max_size=50), max_size=7))
def test_what_is_written_is_read(leaf, told):
    every = Chain(leaf, tuple(told))
    text = quote("".join(map(pem, (leaf, *told))), safe="")
    assert from_peer(text) == every
    assert from_xfcc(f'By=x;Hash={sha256(leaf).hexdigest()};Chain="{text}"') == every
    assert from_client_cert(sf(leaf), sf(*told)) == every
