"""What `when` sees of the rule that it belongs to."""

import pytest

from authz.model.policy import PathKind, PathMatch, RequestMatch
from authz.model.principal import Rank
from authz.model.reason import Reason
from authz.policy.when import when_member
from tests.builders import a_request
from tests.policy.given import a_view

MATCHES = (
    RequestMatch(PathMatch(PathKind.TEMPLATE, "/users/{id}"), ("POST",)),
    RequestMatch(PathMatch(PathKind.TEMPLATE, "/{kind}/7"), ("GET", "HEAD")),
)


@pytest.mark.parametrize(
    ("method", "text", "reason"),
    [
        ("POST", "request.pathParams.id == '7'", None),
        ("GET", "request.pathParams.kind == 'users'", None),
        ("GET", "request.pathParams.id == '7'", Reason.EXPRESSION_ERROR),
        ("DELETE", "'id' in request.pathParams || 'kind' in request.pathParams", Reason.EXPRESSION_FALSE),
    ],
)
def test_parameters_are_those_of_the_template_that_the_request_fits_by_path_and_method(method, text, reason):
    member = when_member(text, (), MATCHES, Rank.NOT_PERMITTED, ("when",))
    failure = member(a_view(a_request(method, "/users/7")))
    assert (failure.reason if failure is not None else None) is reason
