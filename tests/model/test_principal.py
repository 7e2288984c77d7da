"""Who was verified, or why nobody was."""

import pytest

from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from tests.policy.given import a_principal


def test_the_ranks_of_failures_are_in_the_designed_order():
    assert sorted(Rank) == [Rank.ANONYMOUS, Rank.NOT_PRESENTED, Rank.UNREADABLE, Rank.NOT_VERIFIED, Rank.NOT_PERMITTED]


@pytest.mark.parametrize("reason", list(Reason))
def test_a_failure_is_ours_where_its_answer_is_503(reason):
    assert Failure(reason, Rank.NOT_VERIFIED).ours is (reason.status == 503)


def test_a_failure_shows_its_reason_and_its_two_sides():
    assert repr(Failure(Reason.TOKEN_AUDIENCE, Rank.NOT_VERIFIED, "orders", "billing")) == (
        "Failure(token.audience, want='orders', got='billing')"
    )


@pytest.mark.parametrize(("claims", "subject"), [({"sub": "alice"}, "alice"), ({}, ""), ({"sub": 7}, ""), ({"sub": None}, "")])
def test_a_subject_is_the_sub_claim_where_it_is_text(claims, subject):
    assert a_principal(**claims).subject == subject
