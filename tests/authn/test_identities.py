"""What a policy asks of a client certificate."""

from dataclasses import fields, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from authz.authn.certificates import Authority
from authz.authn.identities import identity_problem, identity_test
from authz.model.certificate import Certificate, CertificateIdentity, Chain
from tests.authn.pki import NOW, a_ca, a_leaf, dn, elements, san, tlv

NAMES = [
    x509.DNSName("a.partner.example"),
    x509.DNSName("*.star.example"),
    x509.DNSName("Upper.example"),
    x509.UniformResourceIdentifier("spiffe://td/ns/shop/sa/orders"),
    x509.UniformResourceIdentifier("spiffe://td/ns2/a"),
    x509.UniformResourceIdentifier("spiffe://td/up/../ns3/a"),
    x509.UniformResourceIdentifier("spiffe://td/enc/%2e%2e"),
    x509.UniformResourceIdentifier("spiffe://td/query/a?b"),
    x509.RFC822Name("Ann@Partner.example"),
]
SUBJECT = dn((NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Contoso, Inc."), (NameOID.COMMON_NAME, "client1"))


def made(subject: x509.Name = SUBJECT, **how) -> Certificate:
    root = a_ca("root")
    found = Authority(root.pem).verify(a_leaf(root, san(*NAMES), subject=subject, **how).chain(), NOW)
    assert isinstance(found, Certificate)
    return found


CERTIFICATE = made(serial=0x0ABC1)


def matches(certificate: Certificate = CERTIFICATE, **asked: str) -> bool:
    identity = CertificateIdentity(**asked)
    assert identity_problem(identity) == ""
    return identity_test(identity)(certificate)


def colons(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


@pytest.mark.parametrize("name", ["sha256", "sha1", "issuer_sha256", "issuer_sha1"])
def test_a_thumbprint_is_compared_without_regard_to_case_and_colons(name):
    digits = getattr(CERTIFICATE, name)
    assert matches(**{name: digits})
    assert matches(**{name: digits.upper()})
    assert matches(**{name: colons(digits.upper())})
    assert not matches(**{name: digits[::-1]})


@pytest.mark.parametrize("written", ["abc1", "ABC1", "0ABC1", "00:0a:bc:1", "000000abc1"])
def test_a_serial_number_is_compared_as_a_number(written):
    assert matches(serial=written)


@pytest.mark.parametrize("written", ["abc10", "bc1", "1abc1"])
def test_another_serial_number_is_another(written):
    assert not matches(serial=written)


@pytest.mark.parametrize(
    "written",
    [
        "CN=client1,O=Contoso\\, Inc.,C=DE",
        'CN=client1, O="Contoso, Inc.", C=DE',
        'C=DE, O="Contoso, Inc.", CN=client1',
        'C = DE, O = "Contoso, Inc." , CN = client1',
        "cn=client1,o=Contoso\\2c Inc.,c=DE",
        "2.5.4.3=client1,OID.2.5.4.10=Contoso\\, Inc.,C=DE",
    ],
)
def test_a_subject_is_compared_by_relative_names_in_either_direction(written):
    assert matches(subject=written)


@pytest.mark.parametrize(
    "written",
    [
        "CN=client1",
        "O=Contoso\\, Inc.,CN=client1,C=DE",
        "CN=Client1,O=Contoso\\, Inc.,C=DE",
        "CN=client1+O=Contoso\\, Inc.,C=DE",
        "CN=client1,O=Contoso\\, Inc. ,C=DE,L=x",
        "CN=client1\\ ,O=Contoso\\, Inc.,C=DE",
        'CN=client1,O="Contoso, Inc. ",C=DE',
    ],
)
def test_another_subject_is_another(written):
    assert not matches(subject=written)


def test_a_relative_name_of_several_attributes_has_no_order():
    pair = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.USER_ID, "7")])
    certificate = made(x509.Name([x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "o")]), pair]))
    assert matches(certificate, subject="UID=7+CN=a,O=o")
    assert matches(certificate, subject="O=o, CN=a + UID=7")
    assert not matches(certificate, subject="CN=a,O=o")


def test_values_are_read_with_their_escapes():
    certificate = made(dn((NameOID.COMMON_NAME, ' #ä+"\\ ')))
    assert matches(certificate, subject='CN=\\ #\\C3\\A4\\+\\"\\\\\\ ')
    assert matches(certificate, subject='CN=" #ä+\\"\\\\ "')
    assert matches(certificate, subject=certificate.subject)


def test_an_issuer_and_a_common_name_are_compared_exactly():
    assert matches(issuer="CN=root")
    assert not matches(issuer="CN=Root")
    assert matches(common_name="client1")
    assert not matches(common_name="client")
    assert not matches(common_name="CLIENT1")


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        ("a.partner.example", True),
        ("A.Partner.example", True),
        ("*.partner.example", True),
        ("upper.example", True),
        ("*.star.example", True),
        ("*.example", True),
        ("partner.example", False),
        ("b.star.example", False),
        ("client1", False),
        ("*.a.partner.example", False),
    ],
)
def test_a_star_in_a_policy_is_one_label_and_in_a_certificate_only_itself(written, holds):
    assert matches(dns_name=written) is holds


@pytest.mark.parametrize(
    ("sans", "holds"),
    [
        (("a.b.partner.example",), False),
        (("*.partner.example",), True),
        (("f*o.partner.example",), False),
        ((".partner.example",), False),
        (("xpartner.example",), False),
        (("a.partner.example.",), False),
        ((), False),
    ],
)
def test_a_star_takes_no_more_and_no_less_than_one_label(sans, holds):
    assert matches(replace(CERTIFICATE, dns_names=sans), dns_name="*.partner.example") is holds


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        ("spiffe://td/ns/shop/sa/orders", True),
        ("spiffe://td/ns/shop/sa", False),
        ("spiffe://td/ns/shop/sa/Orders", False),
        ("spiffe://td/ns/*", True),
        ("spiffe://td/ns/shop/sa/*", True),
        ("spiffe://td/*", True),
        ("spiffe://td/ns/shop/sa/orders/*", False),
        ("spiffe://other/*", False),
        ("spiffe://td/n/*", False),
        ("spiffe://td/up/*", False),
        ("spiffe://td/enc/*", False),
        ("spiffe://td/query/*", False),
    ],
)
def test_a_uri_is_compared_exactly_or_by_whole_segments(written, holds):
    assert matches(uri=written) is holds


def test_an_address_is_compared_exactly_but_for_its_domain():
    assert matches(email="Ann@partner.EXAMPLE")
    assert not matches(email="ann@partner.example")
    assert not matches(email="Ann@example")


def test_everything_that_is_asked_must_hold():
    assert matches(common_name="client1", dns_name="*.partner.example", sha256=CERTIFICATE.sha256)
    assert not matches(common_name="client1", dns_name="*.partner.example", sha256="0" * 64)
    assert not matches(common_name="other", dns_name="*.partner.example")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "asks for nothing"),
        ({"sha256": "9f"}, "sha256: not 64"),
        ({"sha256": "g" * 64}, "not 64"),
        ({"sha256": "٣" * 64}, "not 64"),
        ({"sha1": "0" * 64}, "not 40"),
        ({"issuer_sha1": ":"}, "not 40"),
        ({"serial": "xyz"}, "serial"),
        ({"serial": "0"}, "serial"),
        ({"serial": ":"}, "serial"),
        ({"subject": "client1"}, "RFC 4514"),
        ({"subject": "CN=a,"}, "RFC 4514"),
        ({"subject": "CN=a;O=b"}, "RFC 4514"),
        ({"subject": "/C=DE/CN=a"}, "RFC 4514"),
        ({"subject": "CN=#0c0161"}, "RFC 4514"),
        ({"subject": "CN="}, "empty"),
        ({"subject": "CN=a\\x"}, "backslash"),
        ({"subject": 'CN="a'}, "RFC 4514"),
        ({"subject": "CN=\\ff"}, "UTF-8"),
        ({"subject": "FOO=a"}, "FOO is unknown"),
        ({"subject": "CN=a+CN=a"}, "twice"),
        ({"issuer": "CN=" + "a" * 3000}, "longer"),
        ({"common_name": "a\0b"}, "characters"),
        ({"dns_name": "*"}, "DNS"),
        ({"dns_name": "*."}, "DNS"),
        ({"dns_name": "a.*.example"}, "DNS"),
        ({"dns_name": "a*.example"}, "DNS"),
        ({"dns_name": "münchen.example"}, "DNS"),
        ({"dns_name": "a.example."}, "DNS"),
        ({"dns_name": "a.example\n"}, "DNS"),
        ({"uri": "orders"}, "URI"),
        ({"uri": "spiffe://td/*/sa"}, "star"),
        ({"uri": "spiffe://*"}, "star"),
        ({"uri": "spiffe://td/ns*"}, "star"),
        ({"uri": "spiffe://td/ns//*"}, "star"),
        ({"email": "ann"}, "e-mail"),
        ({"email": "a@b@c"}, "e-mail"),
    ],
)
def test_what_nobody_can_mean_is_a_problem_and_matches_nothing(asked, words):
    identity = CertificateIdentity(**asked)
    assert words in identity_problem(identity)
    assert identity_test(identity)(CERTIFICATE) is False


def test_a_holder_can_change_the_thumbprint_and_not_the_serial_number():
    leaf = a_leaf(SHARED_ROOT, serial=0x0ABC)
    r, s = decode_dss_signature(leaf.certificate.signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # Of P-256: (r, order - s) is as good as (r, s).
    signed = elements(elements(leaf.der)[0][1])[:2]
    other = encode_dss_signature(r, order - s)
    frame = b"".join(tlv(*each) for each in signed) + tlv(0x03, b"\0" + other)
    found = AUTHORITY.verify(Chain(tlv(0x30, frame)), NOW)
    assert isinstance(found, Certificate)
    assert matches(found, serial="0abc", issuer="CN=root")
    assert not matches(found, sha256=leaf.certificate.fingerprint(hashes.SHA256()).hex())


@given(st.builds(CertificateIdentity, **{each.name: st.text(max_size=12) for each in fields(CertificateIdentity)}))
def test_nothing_written_breaks_it(identity):
    problem = identity_problem(identity)
    assert isinstance(identity_test(identity)(CERTIFICATE), bool)
    assert not problem or identity_test(identity)(CERTIFICATE) is False


@given(
    st.lists(
        st.tuples(
            st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.USER_ID]),
            st.text(
                st.characters(min_codepoint=32, codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp", "Cs"]), min_size=1, max_size=8
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_subject_as_it_is_shown_is_itself(attributes):
    subject = dn(*attributes)
    if len(subject.rfc4514_string()) == 0:
        return
    root = SHARED_ROOT
    found = AUTHORITY.verify(a_leaf(root, subject=subject, key=SHARED_KEY).chain(), NOW)
    assert isinstance(found, Certificate)
    assert matches(found, subject=found.subject)


SHARED_ROOT = a_ca("root")
SHARED_KEY = SHARED_ROOT.key
AUTHORITY = Authority(SHARED_ROOT.pem)
