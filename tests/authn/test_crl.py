"""Revocation lists."""

import time
from base64 import b64encode, encodebytes

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from authz.authn.certificates import Authority
from authz.authn.crl import Revocations, Standing, distribution_points
from authz.model.certificate import Certificate
from authz.model.reason import Reason
from tests.authn.pki import NOW, Node, a_ca, a_crl, a_leaf, cn, usage

ROOT = a_ca("root", days=(-30, 30))
MIDDLE = a_ca("middle", ROOT)
LEAF = a_leaf(MIDDLE, serial=77)
POINT = x509.UniformResourceIdentifier("http://crl.example/middle.crl")


def verified(leaf: Node = LEAF, *told: Node, by: Node = ROOT) -> Certificate:
    found = Authority(by.pem).verify(leaf.chain(*told), NOW)
    assert isinstance(found, Certificate), found
    return found


PATH = verified(LEAF, MIDDLE)
GOOD = (a_crl(ROOT, 5), a_crl(MIDDLE, 5))


def standing(*texts: str | bytes, certificate: Certificate = PATH, now: float = NOW) -> Standing:
    return Revocations(texts).status(certificate, now).standing


def as_pem(der: bytes) -> str:
    return f"-----BEGIN X509 CRL-----\n{b64encode(der).decode()}\n-----END X509 CRL-----\n"


def points(*names: x509.GeneralName, **more) -> tuple[x509.ExtensionType, bool]:
    given = {"full_name": list(names), "relative_name": None, "reasons": None, "crl_issuer": None} | more
    return x509.CRLDistributionPoints([x509.DistributionPoint(**given)]), False


def scope(**given) -> tuple[x509.ExtensionType, bool]:
    nothing = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**nothing | given), True


def test_a_path_of_which_nothing_is_listed_is_good():
    assert standing(*GOOD) is Standing.GOOD
    assert Revocations(GOOD).status(PATH, NOW).failure is None


@pytest.mark.parametrize(
    "texts",
    [
        [as_pem(GOOD[0]) + as_pem(GOOD[1])],
        [as_pem(each) for each in GOOD],
        [as_pem(each).encode() for each in GOOD],
        [b64encode(each).decode() for each in GOOD],
        [encodebytes(each).decode() for each in GOOD],
        [encodebytes(each) for each in GOOD],
    ],
)
def test_lists_are_read_in_pem_and_in_base64_too(texts):
    assert standing(*texts) is Standing.GOOD


def test_a_listed_certificate_is_revoked():
    status = Revocations([GOOD[0], a_crl(MIDDLE, 5, 77)]).status(PATH, NOW)
    assert status.standing is Standing.REVOKED
    assert status.failure is not None
    assert status.failure.reason is Reason.CERT_REVOKED
    assert status.got == "CN=client, revoked by CN=middle"


def test_a_listed_intermediate_takes_everybody_below_with_it():
    serial = MIDDLE.certificate.serial_number
    assert standing(a_crl(ROOT, serial), GOOD[1]) is Standing.REVOKED
    assert standing(a_crl(ROOT, serial)) is Standing.REVOKED


def test_a_number_that_another_issuer_lists_says_nothing():
    assert standing(a_crl(ROOT, 77), GOOD[1]) is Standing.GOOD


def test_the_anchor_needs_no_list():
    middle_alone = verified(LEAF, by=MIDDLE)
    assert standing(GOOD[1], certificate=middle_alone) is Standing.GOOD


MUTE = a_ca("middle", ROOT, key_usage=usage(crl_sign=False))
DELTA = (x509.DeltaCRLIndicator(1), True)
STRANGE = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
OF_ANOTHER = (x509.CertificateIssuer([x509.DirectoryName(cn("other"))]), True)


@pytest.mark.parametrize(
    "of_middle",
    [
        pytest.param(None, id="none at all"),
        pytest.param(a_crl(a_ca("middle"), 5), id="signed by another of this name"),
        pytest.param(a_crl(a_ca("other"), 5), id="of another issuer"),
        pytest.param(a_crl(ROOT, 5, issuer=cn("middle")), id="signed by the one above"),
        pytest.param(a_crl(MIDDLE, 5, days=(-2, -0.1)), id="out of date"),
        pytest.param(a_crl(MIDDLE, 5, days=(0.1, 2)), id="of tomorrow"),
        pytest.param(a_crl(MIDDLE, 5, extensions=[DELTA]), id="a delta"),
        pytest.param(a_crl(MIDDLE, 5, extensions=[STRANGE]), id="with an unknown critical extension"),
        pytest.param(a_crl(MIDDLE, 5, entry=[OF_ANOTHER]), id="with an entry of another issuer"),
        pytest.param(a_crl(MIDDLE, 5, entry=[STRANGE]), id="with an entry that cannot be understood"),
        pytest.param(a_crl(MIDDLE, 5, extensions=[scope(indirect_crl=True)]), id="indirect"),
        pytest.param(a_crl(MIDDLE, 5, extensions=[scope(only_contains_ca_certs=True)]), id="of CAs only"),
        pytest.param(a_crl(MIDDLE, 5, extensions=[scope(only_contains_user_certs=True)]), id="of users only"),
        pytest.param(a_crl(MIDDLE, 5, extensions=[scope(only_contains_attribute_certs=True)]), id="of attributes only"),
        pytest.param(
            a_crl(MIDDLE, 5, extensions=[scope(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}))]), id="of some reasons"
        ),
        pytest.param(a_crl(MIDDLE, 5, extensions=[scope(full_name=[POINT])]), id="of a point that the certificate does not name"),
        pytest.param(b"\x30\x03garbage", id="garbage"),
        pytest.param("", id="empty"),
        pytest.param(MIDDLE.pem, id="no list"),
        pytest.param(a_crl(MIDDLE, 5)[:-7], id="cut off"),
        pytest.param(a_crl(MIDDLE, 5) + b"\0", id="with an octet too many"),
    ],
)
def test_without_a_list_that_can_be_used_nothing_is_known(of_middle):
    texts = [GOOD[0]] if of_middle is None else [GOOD[0], of_middle]
    status = Revocations(texts).status(PATH, NOW)
    assert status.standing is Standing.UNKNOWN
    assert status.failure is not None
    assert status.failure.reason is Reason.CERT_REVOCATION_UNKNOWN
    assert status.failure.undecided
    assert status.got == "CN=client: no list of CN=middle that can be used now"


@pytest.mark.parametrize(
    "bad", [b"\x30\x03garbage", "", MIDDLE.pem, a_crl(MIDDLE, 5, extensions=[DELTA]), a_crl(MIDDLE, 5, entry=[STRANGE])]
)
def test_a_list_that_is_not_used_is_told_and_spoils_no_other(bad):
    found = Revocations([bad, *GOOD])
    assert len(found.problems) == 1
    assert found.problems[0].startswith("revocation list 1: ")
    assert found.status(PATH, NOW).standing is Standing.GOOD


def test_a_signature_that_was_changed_is_none():
    der = bytearray(a_crl(MIDDLE, 5))
    der[-1] ^= 1
    assert standing(GOOD[0], bytes(der)) is Standing.UNKNOWN


def test_an_issuer_that_may_not_sign_lists_signs_none():
    path = verified(a_leaf(MUTE), MUTE)
    assert standing(GOOD[0], a_crl(MUTE, 5), certificate=path) is Standing.UNKNOWN


def test_both_ends_belong_to_the_time_of_a_list():
    of_root, of_middle = a_crl(ROOT, days=(-1, 1)), a_crl(MIDDLE, days=(-0.25, 0.25))
    quarter = 86400 / 4
    for now, expected in (
        (quarter, Standing.GOOD),
        (quarter + 1, Standing.UNKNOWN),
        (-quarter, Standing.GOOD),
        (-quarter - 1, Standing.UNKNOWN),
    ):
        assert standing(of_root, of_middle, now=NOW + now) is expected


def test_a_certificate_on_hold_is_revoked_until_a_newer_list_releases_it():
    hold = (x509.CRLReason(x509.ReasonFlags.certificate_hold), False)
    held = a_crl(MIDDLE, 77, days=(-0.5, 0.5), entry=[hold])
    newer = a_crl(MIDDLE, 5, days=(-0.25, 0.5))
    assert standing(GOOD[0], held) is Standing.REVOKED
    assert standing(GOOD[0], held, newer) is standing(GOOD[0], newer, held) is Standing.GOOD


def test_an_entry_that_removes_revokes_nothing():
    removed = (x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)
    assert standing(GOOD[0], a_crl(MIDDLE, 77, entry=[removed])) is Standing.GOOD


def test_a_newer_list_that_revokes_wins_and_a_forged_one_changes_nothing():
    assert standing(*GOOD, a_crl(MIDDLE, 77, days=(-0.1, 0.5))) is Standing.REVOKED
    assert standing(GOOD[0], a_crl(MIDDLE, 77), a_crl(a_ca("middle"), 5, days=(-0.1, 0.5))) is Standing.REVOKED


def test_of_two_lists_of_one_time_each_revokes():
    assert standing(*GOOD, a_crl(MIDDLE, 77)) is standing(GOOD[0], a_crl(MIDDLE, 77), GOOD[1]) is Standing.REVOKED


def test_a_list_of_a_point_covers_the_certificates_that_name_it():
    of_point = a_crl(MIDDLE, 78, extensions=[scope(full_name=[POINT])])
    assert standing(GOOD[0], of_point, certificate=verified(a_leaf(MIDDLE, points(POINT)), MIDDLE)) is Standing.GOOD
    assert standing(GOOD[0], of_point, certificate=verified(a_leaf(MIDDLE, points(POINT), serial=78), MIDDLE)) is Standing.REVOKED


def test_urls_of_lists_are_those_of_the_whole_path():
    uri = x509.UniformResourceIdentifier
    middle = a_ca("middle", ROOT, more=[points(uri("https://crl.example/root.crl"))])
    leaf = a_leaf(middle, points(uri("ldap://crl.example/x"), POINT, uri("http://crl.example/a b"), x509.DNSName("x"), POINT))
    assert distribution_points(verified(leaf, middle)) == ("http://crl.example/middle.crl", "https://crl.example/root.crl")
    assert distribution_points(PATH) == ()
    partial = points(POINT, reasons=frozenset({x509.ReasonFlags.key_compromise}))
    indirect = points(POINT, crl_issuer=[x509.DirectoryName(cn("other"))])
    for each in (partial, indirect):
        assert distribution_points(verified(a_leaf(ROOT, each))) == ()


def test_a_hundred_thousand_entries_are_read_once_and_asked_quickly():
    entries = [x509.RevokedCertificateBuilder().serial_number(at).revocation_date(_date()).build() for at in range(100_000, 200_000)]
    built = x509.CertificateRevocationListBuilder(revoked_certificates=entries).issuer_name(MIDDLE.certificate.subject)
    der = built.last_update(_date()).next_update(LEAF.certificate.not_valid_after_utc)
    found = Revocations([GOOD[0], der.sign(MIDDLE.key, _sha256()).public_bytes(Encoding.DER)])
    assert found.status(PATH, NOW).standing is Standing.GOOD
    listed = verified(a_leaf(MIDDLE, serial=150_000), MIDDLE)
    begun = time.monotonic()
    for _ in range(1000):
        assert found.status(listed, NOW).standing is Standing.REVOKED
    assert time.monotonic() - begun < 1


def _date():
    return LEAF.certificate.not_valid_before_utc


def _sha256():
    return LEAF.certificate.signature_hash_algorithm


@given(st.lists(st.one_of(st.binary(max_size=80), st.text(max_size=80)), max_size=4))
def test_no_text_breaks_it(texts):
    found = Revocations(texts)
    assert len(found.problems) == len(texts)
    assert found.status(PATH, NOW).standing is Standing.UNKNOWN


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_octet_changed_makes_another_list_of_it(at, difference):
    der = bytearray(BYTES)
    der[at % len(der)] ^= difference
    if standing(GOOD[0], bytes(der)) is not Standing.UNKNOWN:
        # Of the frame around a signature some bits mean nothing; what is signed is the same.
        assert x509.load_der_x509_crl(bytes(der)).tbs_certlist_bytes == x509.load_der_x509_crl(BYTES).tbs_certlist_bytes


BYTES = a_crl(MIDDLE, 5, 6, 7)
