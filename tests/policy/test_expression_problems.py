"""What is wrong with the expression of an item."""

import pytest

from authz.model.operator import ClientAddress, ListedGateway, Operator
from authz.model.policy import ApiKeyCondition, CertificateCondition, Item, JwtCondition, PolicyName
from authz.policy.expression_problems import expression_problems

PATH = ("spec", "rules", 0, "allow", 0, "when")
SAID = Operator(ClientAddress())
AT_A_GATEWAY = Operator(gateways=(ListedGateway(PolicyName("infra", "edge"), ClientAddress()),))
EVERY = {"jwt": JwtCondition(("idp",)), "api_key": ApiKeyCondition("keys", ()), "certificate": CertificateCondition("partners")}


def found(text, operator=SAID, *, attached=False, **members):
    return list(expression_problems(Item("it", when=text, **members), PATH, operator, attached=attached))


def codes(*given, **more):
    return [each.code for each in found(*given, **more)]


def test_a_mistake_is_told_with_line_and_column_and_nothing_after_it():
    (problem,) = found("true &&\n  request.metod == 'GET' && jwt.sub == 'x'")
    assert (problem.code, problem.path) == ("AZ327", PATH)
    assert problem.what.startswith("line 2, column ")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("jwt.sub == 'x'", ["jwt"]),
        ("apiKey.id == 'x'", ["apiKey"]),
        ("clientCertificate.commonName == 'x'", ["clientCertificate"]),
        ("jwt.sub == apiKey.id", ["apiKey", "jwt"]),
    ],
)
def test_a_credential_that_the_item_does_not_ask_for_is_told(text, names):
    problems = found(text)
    assert [each.code for each in problems] == ["AZ328"] * len(names)
    assert all(f"add {name} to the item" in each.what for name, each in zip(names, problems, strict=True))
    assert codes(text, **EVERY) == []


def test_an_address_takes_the_operators_word():
    assert codes("clientIP == '192.0.2.1'", Operator()) == ["AZ307"]
    assert codes("clientIP == '192.0.2.1'") == []
    assert codes("request.method == 'GET'", Operator()) == []


def test_a_gateways_own_word_is_enough_for_a_policy_that_is_attached():
    assert codes("clientIP == '192.0.2.1'", AT_A_GATEWAY, attached=True) == []
    assert codes("clientIP == '192.0.2.1'", AT_A_GATEWAY) == ["AZ307"]
