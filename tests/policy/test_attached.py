"""Which of the policies of a Gateway and of a route decides, and whose `deny` counts before."""

from hypothesis import given
from hypothesis import strategies as st

from authz.model.policy import Mode, PolicyName, Target, TargetKind
from authz.policy.attached import Attachments
from authz.policy.compiled import broken_policy
from tests.policy.given import a_policy, compiled

ROUTE, GATEWAY = PolicyName("shop", "orders"), PolicyName("shop", "gw")
TO_ROUTE, TO_GATEWAY = Target(TargetKind.HTTP_ROUTE, "orders"), Target(TargetKind.GATEWAY, "gw")


def _policy(name, *targets, **changes):
    return a_policy(name, hosts=(), targets=targets or (TO_ROUTE,), **changes)


def _attachments(*policies):
    """Every policy attached, in order of age, and what was lost: (loser, winner, what)."""
    attachments, lost = Attachments(), []
    for policy in sorted((each if hasattr(each, "age") else compiled(each) for each in policies), key=lambda each: each.age):
        lost += [(policy.name, winner.name, what) for winner, what in attachments.enter(policy)]
    return attachments, lost


def _facts(attached):
    names = [
        tuple(each.name.removeprefix("shop/") for each in some) for some in (attached.before, attached.shadows, attached.shadow_denies)
    ]
    return (attached.decider.name.removeprefix("shop/") if attached.decider else None, *names)


def _of(*policies, route=ROUTE, gateway=GATEWAY):
    return _facts(_attachments(*policies)[0].of(route, gateway))


def test_without_a_policy_nobody_decides():
    assert _of() == (None, (), (), ())
    assert _of(_policy("a"), route=PolicyName("shop", "other")) == (None, (), (), ())


def test_a_gateways_policy_decides_for_its_routes_that_have_none():
    assert _of(_policy("base", TO_GATEWAY)) == ("base", (), (), ())
    assert _of(_policy("base", TO_GATEWAY), gateway=PolicyName("shop", "other")) == (None, (), (), ())


def test_a_routes_policy_replaces_the_gateways_rules_and_not_its_deny():
    assert _of(_policy("base", TO_GATEWAY), _policy("own")) == ("own", ("base",), (), ())


def test_under_override_the_gateways_rules_stay_and_the_routes_deny_still_counts_after_the_gateways():
    assert _of(_policy("base", TO_GATEWAY, override=True), _policy("own")) == ("base", ("base", "own"), (), ())


def test_a_policy_that_is_attached_to_both_is_asked_once():
    assert _of(_policy("both", TO_GATEWAY, TO_ROUTE)) == ("both", (), (), ())


def test_targets_are_of_the_policys_own_namespace():
    stranger = a_policy("own", "stranger", hosts=(), targets=(TO_ROUTE, TO_GATEWAY))
    assert _of(stranger) == (None, (), (), ())
    assert _of(stranger, route=PolicyName("stranger", "orders")) == ("stranger/own", (), (), ())


def test_of_two_policies_of_one_target_the_older_decides_and_the_loser_is_told():
    old, new = _policy("z", created="2026-01-01T00:00:00Z"), _policy("a", created="2026-01-02T00:00:00Z")
    attachments, lost = _attachments(new, old)
    assert _facts(attachments.of(ROUTE, GATEWAY)) == ("z", (), (), ())
    assert lost == [("shop/a", "shop/z", "HTTPRoute shop/orders")]


def test_of_two_policies_of_one_age_the_first_by_name_decides():
    attachments, lost = _attachments(_policy("b", TO_GATEWAY), _policy("a", TO_GATEWAY))
    assert _facts(attachments.of(ROUTE, GATEWAY))[0] == "a"
    assert lost == [("shop/b", "shop/a", "Gateway shop/gw")]


def test_a_younger_override_does_not_win_against_an_older_policy_of_the_same_gateway():
    base, forced = _policy("base", TO_GATEWAY, created="2026-01-01"), _policy("forced", TO_GATEWAY, override=True, created="2026-01-02")
    assert _of(base, forced, _policy("own")) == ("own", ("base",), (), ())


def test_a_broken_policy_decides_only_where_no_sound_one_does():
    broken = broken_policy(_policy("a", created="2026-01-01T00:00:00Z"))
    assert _of(broken) == ("a", (), (), ())
    assert _of(broken, _policy("b", created="2026-01-02T00:00:00Z")) == ("b", (), (), ())


def test_a_policy_in_shadow_takes_nobodys_place_and_loses_to_nobody():
    tried = _policy("a", created="2026-01-01", mode=Mode.SHADOW)
    attachments, lost = _attachments(tried, _policy("own", created="2026-01-02"))
    assert _facts(attachments.of(ROUTE, GATEWAY)) == ("own", (), ("a",), ())
    assert lost == []


def test_of_a_gateways_policy_in_shadow_only_deny_would_count_beside_a_routes_own_policy():
    tried = _policy("tried", TO_GATEWAY, mode=Mode.SHADOW)
    assert _of(tried) == (None, (), ("tried",), ())
    assert _of(tried, _policy("own")) == ("own", (), (), ("tried",))
    forced = _policy("forced", TO_GATEWAY, mode=Mode.SHADOW, override=True)
    assert _of(forced, _policy("own")) == ("own", (), ("forced",), ())


def test_of_a_routes_policy_in_shadow_only_deny_would_count_under_override():
    tried = _policy("tried", mode=Mode.SHADOW)
    assert _of(tried, _policy("base", TO_GATEWAY)) == ("base", (), ("tried",), ())
    assert _of(tried, _policy("base", TO_GATEWAY, override=True)) == ("base", (), (), ("tried",))


# Held against the words of the design, read plainly.

SOME = st.lists(
    st.builds(
        lambda name, where, created, shadow, override, broken: (name, where, created, shadow, override and where == "gateway", broken),
        st.sampled_from("abcdef"),
        st.sampled_from(["route", "gateway", "elsewhere"]),
        st.sampled_from(["2026-01-01", "2026-01-02"]),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    unique_by=lambda each: each[0],
    max_size=6,
)


def _made(name, where, created, shadow, override, broken):
    target = {"route": TO_ROUTE, "gateway": TO_GATEWAY, "elsewhere": Target(TargetKind.HTTP_ROUTE, "other")}[where]
    policy = _policy(name, target, created=created, mode=Mode.SHADOW if shadow else Mode.ENFORCE, override=override)
    return broken_policy(policy) if broken else compiled(policy)


def _plainly(some):
    in_force = [each for each in some if not each[3]]

    def winner(where):
        return min((each for each in in_force if each[1] == where), key=lambda each: (each[5], each[2], each[0]), default=None)

    above, own = winner("gateway"), winner("route")
    if above is None or own is None:
        return (own or above or (None,))[0], ()
    return (above[0], (above[0], own[0])) if above[4] else (own[0], (above[0],))


@given(SOME.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_who_decides_is_what_the_design_says_whatever_order_policies_arrive_in(orders):
    some, permuted = orders
    assert _of(*(_made(*each) for each in permuted))[:2] == _plainly(some)


@given(SOME)
def test_a_policy_in_shadow_changes_neither_who_decides_nor_whose_deny_counts(some):
    without = [each for each in some if not each[3]]
    assert _of(*(_made(*each) for each in some))[:2] == _of(*(_made(*each) for each in without))[:2]


@given(SOME)
def test_every_policy_in_shadow_of_the_route_or_its_gateway_is_told_once(some):
    _, _, shadows, shadow_denies = _of(*(_made(*each) for each in some))
    assert sorted([*shadows, *shadow_denies]) == sorted(each[0] for each in some if each[3] and each[1] != "elsewhere")
