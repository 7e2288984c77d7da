"""Tokens that are bound to certificates."""

from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.authn import pem
from authz.authn.bound import binding_failure
from authz.model.principal import Failure
from authz.model.reason import Reason
from tests.corpora import corpus

DER = b"a certificate"
THUMBPRINT = urlsafe_b64encode(sha256(DER).digest()).rstrip(b"=").decode()


def test_a_token_that_is_bound_to_nothing_is_anybodys():
    assert binding_failure({}, None) is None
    assert binding_failure({"sub": "a"}, DER) is None


def test_a_token_is_its_holders():
    assert binding_failure({"cnf": {"x5t#S256": THUMBPRINT}}, DER) is None
    assert binding_failure({"cnf": {"x5t#S256": THUMBPRINT, "future": 1}}, DER) is None


@pytest.mark.parametrize(
    ("cnf", "der", "got"),
    [
        ({"x5t#S256": THUMBPRINT}, None, "no certificate"),
        ({"x5t#S256": THUMBPRINT}, b"another", "another certificate"),
        ({"x5t#S256": THUMBPRINT}, b"", "another certificate"),
        ({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, DER, "bound to another key"),
        ({"jwk": {"kty": "EC"}}, DER, "bound to another key"),
        ({"x5t#S256": THUMBPRINT, "jkt": "x"}, DER, "bound to another key"),
        ({"x5t#S256": THUMBPRINT, "kid": "x"}, DER, "bound to another key"),
        ({"X5T#S256": THUMBPRINT}, DER, "bound to another key"),
        ({}, DER, "bound to another key"),
        ({"x5t#S256": THUMBPRINT + "="}, DER, "another value"),
        ({"x5t#S256": THUMBPRINT + "\n"}, DER, "another value"),
        ({"x5t#S256": THUMBPRINT[:-1]}, DER, "another value"),
        ({"x5t#S256": sha256(DER).hexdigest()}, DER, "another value"),
        ({"x5t#S256": [THUMBPRINT]}, DER, "another value"),
        ({"x5t#S256": None}, DER, "another value"),
        (None, DER, "another value"),
        (THUMBPRINT, DER, "another value"),
        ([{"x5t#S256": THUMBPRINT}], DER, "another value"),
    ],
)
def test_a_bound_token_is_nobody_elses(cnf, der, got):
    failure = binding_failure({"cnf": cnf}, der)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.TOKEN_BINDING
    assert failure.got == got
    assert THUMBPRINT not in failure.want


def test_the_example_of_rfc_8705_is_bound_to_its_certificate():
    example = corpus("rfc-vectors/rfc_vectors.json")["rfc8705"]
    ((_, der),) = pem.blocks(example["certificate_pem"], alone=True)
    assert binding_failure({"cnf": {"x5t#S256": example["x5t#S256"]}}, der) is None
    assert binding_failure({"cnf": {"x5t#S256": example["x5t#S256"]}}, der + b"\0") is not None


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=50), lambda each: st.dictionaries(st.sampled_from(["x5t#S256", "jkt", "a"]), each)
    )
)
def test_only_the_right_thumbprint_binds(cnf):
    assert binding_failure({"cnf": cnf}, DER) is not None
