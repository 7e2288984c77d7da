"""What an operator should look at."""

from authz.model.advice import ADVICE
from authz.model.reason import Reason


def test_there_is_advice_for_every_reason_and_for_nothing_else():
    assert list(ADVICE) == list(Reason)


def test_no_two_reasons_share_their_advice():
    assert len(set(ADVICE.values())) == len(ADVICE)
