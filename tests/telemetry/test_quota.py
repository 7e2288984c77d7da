"""How many lines decisions get."""

from authz.telemetry.quota import Quota


def test_each_policy_and_reason_gets_its_lines_in_each_second() -> None:
    quota = Quota(2)
    taken = [quota.takes(policy, reason, now) for now in (10.0, 10.9, 11.0) for policy in "ab" for reason in "xy" for _ in range(3)]
    assert taken == [True, True, False] * 4 + [False] * 12 + [True, True, False] * 4


def test_all_together_get_ten_times_as_many() -> None:
    quota = Quota(2)
    assert sum(quota.takes(str(number), "x", 10.0) for number in range(1000)) == 20
    assert sum(quota.takes(str(number), "x", 11.0) for number in range(1000)) == 20


def test_what_was_left_out_is_summed_up_once_the_second_is_over() -> None:
    quota = Quota(1)
    for policy, lines in (("a", 4), ("b", 2), ("c", 1)):
        for _ in range(lines):
            quota.takes(policy, "x", 10.0)
    assert quota.left_out(10.5) == {}
    most = [{"policy": "a", "reason": "x", "lines": 3}, {"policy": "b", "reason": "x", "lines": 1}]
    assert quota.left_out(11.0) == {"lines": 4, "most": most}
    assert quota.left_out(12.0) == {}


def test_the_sum_of_several_seconds_is_kept_until_somebody_asks_and_names_the_largest() -> None:
    quota = Quota(1)
    for second in range(100):
        for policy in range(12):
            quota.takes(str(policy), "x", second)
            quota.takes(str(policy), "x", second)
    told = quota.left_out(100)
    assert (told["lines"], len(told["most"])) == (100 * 14, 8)  # type: ignore[arg-type]


def test_a_clock_that_is_set_back_begins_another_second() -> None:
    quota = Quota(1)
    assert [quota.takes("a", "x", now) for now in (10.0, 9.0, 9.5)] == [True, True, False]


def test_allows_denials_and_faults_use_up_nothing_of_each_other() -> None:
    quota = Quota(2)
    assert sum(quota.takes(str(number), "rule.allow", 10.0, "allow") for number in range(100)) == 20
    assert quota.takes("shop/orders", "rule.deny", 10.0)
    assert quota.takes("", "internal.error", 10.0, "fault")


def test_names_that_anybody_can_make_up_are_cut_and_kept_in_a_bounded_number() -> None:
    quota = Quota(1)
    for number in range(5000):
        quota.takes(f"{number}/{'x' * 100_000}", "policy.mismatch", 10.0)
    told = quota.left_out(11.0)
    assert told["lines"] == 4990
    assert len(str(told)) < 6000
    assert {"policy": "", "reason": "others", "lines": 3990} in told["most"]  # type: ignore[operator]
