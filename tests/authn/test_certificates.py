"""Client certificates against an authority."""

import time
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from authz.authn.authorities import AuthorityError
from authz.authn.certificates import Authority
from authz.model.certificate import Certificate, Chain
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from tests.authn.pki import DAY, NOW, Fields, Node, a_ca, a_key, a_leaf, cn, dn, elements, issue, resigned, san, tlv, usage, weak_key

ROOT = a_ca(days=(-30, 30))
MIDDLE = a_ca("middle", ROOT, days=(-30, 30))


def verified(leaf: Node, *told: Node, by: Node = ROOT, now: float = NOW) -> Certificate:
    found = Authority(by.pem).verify(leaf.chain(*told), now)
    assert isinstance(found, Certificate), found
    return found


def refused(leaf: Node, *told: Node, by: Node = ROOT, now: float = NOW) -> Failure:
    found = Authority(by.pem).verify(leaf.chain(*told), now)
    assert isinstance(found, Failure), found
    return found


def test_a_certificate_that_the_authority_issued_is_verified_and_says_what_it_is():
    names = san(
        x509.DNSName("a.partner.example"),
        x509.UniformResourceIdentifier("spiffe://td/ns/a"),
        x509.RFC822Name("x@partner.example"),
        x509.IPAddress(ip_address("192.0.2.7")),
    )
    subject = dn((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Contoso, Inc."), (NameOID.COMMON_NAME, "client1"))
    leaf = a_leaf(ROOT, names, subject=subject, serial=0x0ABC)
    found = verified(leaf)
    assert found.subject == "CN=client1,O=Contoso\\, Inc.,C=DE"
    assert (found.common_name, found.serial, found.issuer) == ("client1", "abc", "CN=root")
    assert found.sha256 == leaf.certificate.fingerprint(hashes.SHA256()).hex()
    assert found.sha1 == leaf.certificate.fingerprint(hashes.SHA1()).hex()
    assert found.issuer_sha256 == ROOT.certificate.fingerprint(hashes.SHA256()).hex()
    assert found.issuer_sha1 == ROOT.certificate.fingerprint(hashes.SHA1()).hex()
    assert (found.dns_names, found.uris) == (("a.partner.example",), ("spiffe://td/ns/a",))
    assert (found.emails, found.ip_addresses) == (("x@partner.example",), ("192.0.2.7",))
    assert (found.begins, found.expires) == (NOW - DAY, NOW + DAY)
    assert found.chain == (leaf.certificate, ROOT.certificate)
    assert found.facts == {
        "subject": found.subject,
        "commonName": "client1",
        "issuer": "CN=root",
        "serial": "abc",
        "sha256": found.sha256,
        "dnsNames": ["a.partner.example"],
        "uris": ["spiffe://td/ns/a"],
        "emails": ["x@partner.example"],
    }


@pytest.mark.parametrize("told", [(MIDDLE,), (MIDDLE, ROOT), (ROOT, a_ca("other"), MIDDLE)])
def test_an_intermediate_may_be_told_in_any_order_and_with_others(told):
    found = verified(a_leaf(MIDDLE), *told)
    assert [each.subject.rfc4514_string() for each in found.chain] == ["CN=client", "CN=middle", "CN=root"]


def test_an_intermediate_may_be_the_authoritys_own():
    both = Authority(MIDDLE.pem + ROOT.pem)
    assert isinstance(both.verify(a_leaf(MIDDLE).chain(), NOW), Certificate)


def test_an_intermediate_beside_a_root_is_no_anchor():
    stranger = a_ca("stranger")
    foreign = a_ca("foreign", stranger)
    found = Authority(ROOT.pem + foreign.pem).verify(a_leaf(foreign).chain(), NOW)
    assert isinstance(found, Failure)
    assert found.reason is Reason.CERT_UNTRUSTED


def test_an_intermediate_alone_is_the_anchor():
    assert verified(a_leaf(MIDDLE), by=MIDDLE).chain[-1] == MIDDLE.certificate
    assert refused(a_leaf(ROOT), by=MIDDLE).reason is Reason.CERT_UNTRUSTED


def test_a_certificate_of_a_cross_signed_authority_is_verified_by_both_roots():
    old, new = a_ca("old"), a_ca("new")
    crossed = a_ca("new", old, key=new.key)
    leaf = a_leaf(new)
    assert verified(leaf, by=new).chain[-1] == new.certificate
    assert verified(leaf, crossed, by=old).chain[-1] == old.certificate
    assert refused(leaf, by=old).reason is Reason.CERT_UNTRUSTED


def test_neither_alternative_names_nor_a_key_identifier_need_be_there():
    assert verified(a_leaf(ROOT, with_aki=False)).dns_names == ()


def test_a_clients_key_may_be_of_ed25519():
    assert verified(a_leaf(ROOT, key=ed25519.Ed25519PrivateKey.generate())).common_name == "client"


def test_several_common_names_are_none():
    subject = dn((NameOID.COMMON_NAME, "a"), (NameOID.COMMON_NAME, "b"))
    assert verified(a_leaf(ROOT, subject=subject)).common_name == ""


def test_the_largest_serial_number_is_read():
    assert verified(a_leaf(ROOT, serial=(1 << 159) - 1)).serial == f"{(1 << 159) - 1:x}"


UNKNOWN_CRITICAL = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
NOT_CA = (x509.BasicConstraints(ca=False, path_length=None), True)
STRANGER = a_ca("root")
UNDER_LIMIT = a_ca("two", a_ca("one", ROOT, length=0))


@pytest.mark.parametrize(
    ("leaf", "told"),
    [
        pytest.param(a_leaf(STRANGER), (), id="another authority of the same name"),
        pytest.param(a_leaf(STRANGER), (STRANGER,), id="that authority told as well"),
        pytest.param(a_leaf(None, subject=cn("client")), (), id="self-signed"),
        pytest.param(a_leaf(None, subject=cn("root")), (), id="self-signed, with the authority's name"),
        pytest.param(a_leaf(MIDDLE), (), id="without its intermediate"),
        pytest.param(a_leaf(ROOT, eku=None), (), id="without extended key usage"),
        pytest.param(a_leaf(ROOT, eku=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])), (), id="for servers"),
        pytest.param(a_leaf(ROOT, eku=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])), (), id="for anything"),
        pytest.param(a_leaf(ROOT, UNKNOWN_CRITICAL), (), id="with an unknown critical extension"),
        pytest.param(a_ca("client", ROOT), (), id="a CA's own"),
        pytest.param(a_leaf(ROOT, key=ec.generate_private_key(ec.SECP256K1())), (), id="with a key on another curve"),
        pytest.param(a_leaf(ROOT, key=weak_key()), (), id="with a short RSA key"),
        pytest.param(a_leaf(a_leaf(ROOT, NOT_CA)), (a_leaf(ROOT, NOT_CA),), id="by one who is no CA"),
        pytest.param(a_leaf(ROOT, san(x509.DNSName("a\0.example"))), (), id="with NUL in a DNS name"),
        pytest.param(a_leaf(ROOT, san(x509.DNSName("a b.example"))), (), id="with a space in a DNS name"),
        pytest.param(a_leaf(ROOT, san(x509.UniformResourceIdentifier("spiffe://td/a\0b"))), (), id="with NUL in a URI"),
        pytest.param(a_leaf(ROOT, san(x509.RFC822Name("a\r@b.example"))), (), id="with CR in an address"),
        pytest.param(a_leaf(ROOT, subject=cn("client\0.evil")), (), id="with NUL in the subject"),
        pytest.param(a_leaf(ROOT, subject=cn("tneilc\u202e")), (), id="with a mark of direction in the subject"),
        pytest.param(a_leaf(UNDER_LIMIT), (UNDER_LIMIT,), id="below a CA that cannot be found"),
    ],
)
def test_a_certificate_that_nobody_vouches_for_is_untrusted(leaf, told):
    failure = refused(leaf, *told)
    assert failure.reason is Reason.CERT_UNTRUSTED
    assert failure.rank is Rank.NOT_VERIFIED
    assert "\0" not in failure.got
    assert "\u202e" not in failure.got


def test_a_leaf_by_a_certificate_that_is_no_ca_is_untrusted():
    for not_a_ca in (a_leaf(ROOT, NOT_CA), a_leaf(ROOT), issue(cn("v"), ROOT, [(usage(), True)])):
        assert refused(a_leaf(not_a_ca), not_a_ca).reason is Reason.CERT_UNTRUSTED


def test_a_ca_that_may_not_sign_certificates_vouches_for_none():
    ca = a_ca("middle", ROOT, key_usage=usage(cert_sign=False))
    assert refused(a_leaf(ca), ca).reason is Reason.CERT_UNTRUSTED


def test_a_path_longer_than_an_authority_allows_is_untrusted():
    one = a_ca("one", ROOT, length=0)
    two = a_ca("two", one)
    assert isinstance(verified(a_leaf(one), one), Certificate)
    assert refused(a_leaf(two), one, two).reason is Reason.CERT_UNTRUSTED


def test_an_intermediate_with_an_unknown_critical_extension_is_untrusted():
    ca = a_ca("middle", ROOT, more=[UNKNOWN_CRITICAL])
    assert refused(a_leaf(ca), ca).reason is Reason.CERT_UNTRUSTED


def _constrained(permitted: list[x509.GeneralName], *, critical: bool = True) -> Node:
    return a_ca("middle", ROOT, more=[(x509.NameConstraints(permitted, None), critical)])


def test_names_outside_of_what_an_intermediate_may_name_are_untrusted():
    ca = _constrained([x509.DNSName("partner.example")])
    assert verified(a_leaf(ca, san(x509.DNSName("a.partner.example"))), ca).dns_names == ("a.partner.example",)
    assert refused(a_leaf(ca, san(x509.DNSName("a.shop.example"))), ca).reason is Reason.CERT_UNTRUSTED


@pytest.mark.parametrize("critical", [True, False])
def test_constraints_on_directory_names_are_refused(critical):
    ca = _constrained([x509.DirectoryName(cn("someone"))], critical=critical)
    assert refused(a_leaf(ca), ca).reason is Reason.CERT_UNTRUSTED


def test_a_flood_of_name_constraints_ends_soon():
    permitted = [x509.DNSName(f"{at}.example") for at in range(1000)]
    ca = _constrained([*permitted])
    leaf = a_leaf(ca, san(*(x509.DNSName(f"{at}.other.example") for at in range(900))))
    begun = time.monotonic()
    assert refused(leaf, ca).reason is Reason.CERT_UNTRUSTED
    assert time.monotonic() - begun < 5


def test_intermediates_that_sign_each_other_end_soon():
    key = a_key()
    circle = [a_ca("middle", key=key) for _ in range(7)]
    begun = time.monotonic()
    assert refused(a_leaf(circle[0], days=(-9, -8)), *circle).reason is Reason.CERT_UNTRUSTED
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("days", [(-3, -2), (2, 3)])
def test_a_certificate_out_of_its_time_is_expired(days):
    failure = refused(a_leaf(ROOT, days=days))
    assert failure.reason is Reason.CERT_EXPIRED
    assert "CN=client, issued by CN=root" in failure.got


def test_an_intermediate_or_a_root_out_of_its_time_is_expired():
    middle = a_ca("middle", ROOT, days=(-3, -0.5))
    assert refused(a_leaf(middle, days=(-0.7, 1)), middle).reason is Reason.CERT_EXPIRED
    late = a_ca("middle", ROOT, days=(0.5, 0.9))
    assert refused(a_leaf(late), late).reason is Reason.CERT_EXPIRED
    root = a_ca("gone", days=(-9, -2))
    assert refused(a_leaf(root, days=(-8, 1)), by=root).reason is Reason.CERT_EXPIRED


def test_one_that_is_out_of_its_time_and_of_nobodys_is_untrusted():
    assert refused(a_leaf(STRANGER, days=(-3, -2))).reason is Reason.CERT_UNTRUSTED
    assert refused(a_leaf(ROOT, days=(-3, -2), eku=None)).reason is Reason.CERT_UNTRUSTED


def test_an_expired_intermediate_beside_the_path_does_not_make_it_expired():
    other = a_ca("root", days=(-9, -8))
    assert refused(a_leaf(STRANGER), other).reason is Reason.CERT_UNTRUSTED


@pytest.mark.parametrize(("now", "holds"), [(NOW + DAY, True), (NOW + DAY + 0.5, False), (NOW - DAY, True), (NOW - DAY - 0.5, False)])
def test_both_ends_belong_to_the_time_of_a_certificate(now, holds):
    found = AUTHORITY.verify(LEAF.chain(), now)
    assert isinstance(found, Certificate) is holds


def test_the_time_of_a_path_is_what_all_its_certificates_share():
    middle = a_ca("middle", ROOT, days=(-0.5, 0.25))
    found = verified(a_leaf(middle), middle)
    assert (found.begins, found.expires) == (NOW - DAY / 2, NOW + DAY / 4)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -1e30, 0.0, 1e18])
def test_no_time_is_too_strange(now):
    assert isinstance(Authority(ROOT.pem).verify(a_leaf(ROOT).chain(), now), Failure)


def test_a_name_of_another_kind_matches_nothing():
    other = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x03a\x00b")
    found = verified(a_leaf(ROOT, san(other)))
    assert (found.dns_names, found.uris, found.emails, found.ip_addresses) == ((), (), (), ())


def _extensions_twice(fields: Fields) -> Fields:
    *others, (tag, wrapped) = fields
    ((_, listed),) = elements(wrapped)
    return [*others, (tag, tlv(0x30, listed + tlv(*elements(listed)[0])))]


def _with(old: bytes, new: bytes):
    return lambda fields: [(tag, content.replace(old, new)) for tag, content in fields]


EDITS = {
    "nothing": lambda fields: fields,
    "of version 1": lambda fields: [each for each in fields if each[0] not in (0xA0, 0xA3)],
    "of version 1 with extensions": lambda fields: [each for each in fields if each[0] != 0xA0],
    "of a version of the future": lambda fields: [(0xA0, b"\x02\x01\x09"), *fields[1:]],
    "an extension twice": _extensions_twice,
    "without extensions": lambda fields: fields[:-1],
    "a negative serial number": lambda fields: [fields[0], (0x02, b"\xff\x01"), *fields[2:]],
    "no serial number but zero": lambda fields: [fields[0], (0x02, b"\x00"), *fields[2:]],
    "a serial number of a kilobyte": lambda fields: [fields[0], (0x02, b"\x7f" * 1024), *fields[2:]],
    "a DNS name that is not ASCII": _with(b"a.partner", b"\xc3\xa4partner"),
    "a DNS name that is not UTF-8": _with(b"a.partner", b"\xff.partner"),
    "another algorithm than it is signed with": _with(bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303")),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_certificate_of_a_form_that_none_has_is_refused(what):
    chain = resigned(a_leaf(ROOT, san(x509.DNSName("a.partner"))), ROOT, EDITS[what])
    found = AUTHORITY.verify(chain, NOW)
    if what == "nothing":
        assert isinstance(found, Certificate)
    else:
        assert isinstance(found, Failure)
        assert found.reason is Reason.CERT_UNTRUSTED


def test_an_intermediate_of_version_1_is_no_ca():
    ca = resigned(MIDDLE, ROOT, EDITS["of version 1"])
    assert isinstance(AUTHORITY.verify(Chain(a_leaf(MIDDLE).der, (ca.leaf,)), NOW), Failure)


@pytest.mark.parametrize("what", EDITS)
@pytest.mark.parametrize("old", [b"middle", b"root"])
def test_an_intermediate_of_a_form_that_none_has_breaks_nothing(what, old):
    strange = resigned(MIDDLE, ROOT, lambda fields: _with(old, b"\xff" + old[1:])(EDITS[what](fields)))
    found = AUTHORITY.verify(Chain(a_leaf(MIDDLE).der, (strange.leaf,)), NOW)
    assert isinstance(found, Failure)
    assert found.reason is Reason.CERT_UNTRUSTED


def test_a_signature_over_sha_1_is_none():
    def over_sha_1(fields: Fields) -> Fields:
        return [(tag, bytes.fromhex("06072a8648ce3d0401") if at == 2 else content) for at, (tag, content) in enumerate(fields)]

    found = AUTHORITY.verify(resigned(a_leaf(ROOT), ROOT, over_sha_1, hashes.SHA1()), NOW)
    assert isinstance(found, Failure)
    assert found.reason is Reason.CERT_UNTRUSTED
    ca = resigned(MIDDLE, ROOT, over_sha_1, hashes.SHA1())
    assert isinstance(AUTHORITY.verify(Chain(a_leaf(MIDDLE).der, (ca.leaf,)), NOW), Failure)


@given(st.binary(max_size=200), st.lists(st.binary(max_size=50), max_size=3))
def test_no_octets_break_it(leaf, told):
    assert isinstance(AUTHORITY.verify(Chain(leaf, tuple(told)), NOW), Failure)


@given(st.integers(0, 600), st.integers(0, 255))
def test_no_octet_changed_makes_another_certificate_of_it(at, octet):
    der = bytearray(LEAF.der)
    at %= len(der)
    der[at] = octet
    found = AUTHORITY.verify(Chain(bytes(der)), NOW)
    if isinstance(found, Certificate):
        # Of the frame around a signature some bits mean nothing; what is signed is the same.
        assert found.chain[0].tbs_certificate_bytes == LEAF.certificate.tbs_certificate_bytes


AUTHORITY, LEAF = Authority(ROOT.pem), a_leaf(ROOT)


def test_what_a_failure_tells_is_short():
    failure = refused(a_leaf(STRANGER, subject=cn("x" * 60)))
    assert len(failure.got) < 600
    many = dn(*((NameOID.ORGANIZATIONAL_UNIT_NAME, f"{at}" * 20) for at in range(1, 50)))
    assert len(refused(a_leaf(STRANGER, subject=many)).got) < 600


def test_two_chains_of_the_same_octets_differ_by_where_a_certificate_ends():
    assert Chain(b"ab", (b"c",)).digest != Chain(b"a", (b"bc",)).digest
    assert Chain(b"a").digest == Chain(b"a").digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no certificate"),
        ("just text", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate 1 cannot be read"),
        ("-----BEGIN CERTIFICATE-----\n", "without its END"),
        ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----", "not base64"),
        (ROOT.pem + "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", "private key"),
        (ROOT.pem + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "something else"),
        (a_leaf(ROOT).pem, "not a CA's"),
        (ROOT.pem + a_leaf(ROOT).pem, "certificate 2 (CN=client) is not a CA's"),
        (issue(cn("v"), None, [(x509.BasicConstraints(ca=True, path_length=None), True)]).pem, "no key usage"),
        (a_ca(key_usage=usage(cert_sign=False)).pem, "keyCertSign"),
        ("x" * (2 * 1024 * 1024 + 1), "larger"),
    ],
)
def test_a_pem_that_cannot_be_used_is_refused_with_the_remedy(text, words):
    with pytest.raises(AuthorityError) as caught:
        Authority(text)
    assert words in str(caught.value)


def test_text_around_the_certificates_of_an_authority_does_no_harm():
    bundle = f"# our CA\n{ROOT.pem}\nsubject=CN=middle\n{MIDDLE.pem}{ROOT.pem}"
    assert isinstance(Authority(bundle).verify(a_leaf(MIDDLE).chain(), NOW), Certificate)
