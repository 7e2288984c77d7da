"""What the operator says."""

from authz.model.operator import ClientAddress, Operator


def test_an_operator_who_said_nothing_protects_everything_and_knows_no_client_address():
    said = Operator()
    assert said.client_address is None
    assert said.unprotected == frozenset()
    assert not said.unprotected_all
    assert said.identity_headers == frozenset()


def test_without_a_header_the_client_is_the_peer():
    assert ClientAddress().header == ""
