"""The request as the proxy described it."""

import pytest

from authz.model.request import Request


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/orders/7", "/orders/7", ""),
        ("/orders?a=1&b=2", "/orders", "a=1&b=2"),
        ("/orders?", "/orders", ""),
        ("/orders?a?b", "/orders", "a?b"),
        ("", "", ""),
        ("?a=1", "", "a=1"),
    ],
)
def test_the_query_is_split_off_at_the_first_question_mark(target, path, query):
    request = Request("GET", "api.example.com", target, {})
    assert (request.path, request.query) == (path, query)


def test_peer_and_named_policy_are_unknown_where_nothing_is_said():
    request = Request("GET", "api.example.com", "/", {})
    assert (request.peer, request.policy) == ("", "")
