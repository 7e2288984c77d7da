"""A policy, compiled."""

import pytest

from authz.model.definitions import Definitions
from authz.model.issuer import Place, PlaceKind
from authz.model.policy import Answer, Denied, ForwardedHeader, Item, JwtCondition, Mode, PathKind, PathMatch, RequestMatch
from authz.model.reason import Reason
from authz.policy.compiled import broken_policy, compile_policy
from tests.builders import HOST
from tests.policy.given import ANYONE, STAFF, FakeReader, FakeReaders, a_policy, a_rule, a_view, an_issuer, compiled


def _match(value="/orders", kind=PathKind.PREFIX, *methods):
    return RequestMatch(PathMatch(kind, value), methods)


@pytest.mark.parametrize(
    ("matches", "method", "path", "fits"),
    [
        ((), "DELETE", "/anything", True),
        ((RequestMatch(methods=("GET", "HEAD")),), "HEAD", "/anything", True),
        ((RequestMatch(methods=("GET", "HEAD")),), "POST", "/anything", False),
        ((RequestMatch(methods=("GET",)),), "get", "/anything", False),
        ((_match(),), "DELETE", "/orders/7", True),
        ((_match(),), "DELETE", "/billing", False),
        ((_match("/orders", PathKind.PREFIX, "GET"),), "GET", "/orders", True),
        ((_match("/orders", PathKind.PREFIX, "GET"),), "POST", "/orders", False),
        ((_match("/orders", PathKind.PREFIX, "GET"),), "GET", "/billing", False),
        ((_match("/a"), _match("/b")), "GET", "/b/x", True),
        ((_match("/a"), _match("/b")), "GET", "/c", False),
    ],
)
def test_a_rule_is_for_the_requests_that_any_of_its_matches_fits(matches, method, path, fits):
    policy = compiled(a_policy(rules=(a_rule(matches=matches),)))
    assert (policy.rule_for(method, path) is not None) is fits


def test_the_first_rule_that_matches_decides():
    policy = compiled(a_policy(rules=(a_rule("one", matches=(_match("/a"),)), a_rule("two"), a_rule("three"))))
    assert policy.rule_for("GET", "/a").name == "one"
    assert policy.rule_for("GET", "/b").name == "two"


def test_rules_in_shadow_are_not_there():
    policy = compiled(a_policy(rules=(a_rule("tried", mode=Mode.SHADOW), a_rule("real"))))
    assert policy.rule_for("GET", "/").name == "real"
    assert [(rule.name, rule.at) for rule in policy.shadow_rules] == [("tried", 0)]
    assert [(rule.name, rule.at) for rule in policy.rules] == [("real", 1)]


@pytest.mark.parametrize(
    ("prefixes", "patterns", "path", "covers"),
    [
        ((), (HOST,), "/", True),
        ((), ("other.example",), "/", False),
        (("/orders",), (HOST, "*.example.com"), "/orders/7", True),
        (("/orders",), (HOST,), "/ordersx", False),
        (("/orders/",), (HOST,), "/orders", True),
        (("/",), (HOST,), "/orders", True),
    ],
)
def test_a_policy_covers_its_hosts_below_its_prefixes(prefixes, patterns, path, covers):
    assert compiled(a_policy(path_prefixes=prefixes)).covers(patterns, path) is covers


def test_items_know_where_they_stand():
    policy = compiled(a_policy(deny=(ANYONE,), rules=(a_rule(mode=Mode.SHADOW), a_rule(deny=(ANYONE,), allow=(STAFF, ANYONE)))))
    (rule,) = policy.rules
    assert policy.deny[0].path == ("spec", "deny", 0)
    assert rule.path == ("spec", "rules", 1)
    assert rule.deny[0].path == ("spec", "rules", 1, "deny", 0)
    assert [each.item.path for each in rule.alternatives] == [("spec", "rules", 1, "allow", 0), ("spec", "rules", 1, "allow", 1)]


def test_one_reader_is_made_for_each_set_of_issuers_and_for_the_policys_audiences():
    made = []

    class Readers(FakeReaders):
        def tokens(self, issuers, audiences):
            made.append(([issuer.name for issuer in issuers], audiences))
            return FakeReader()

    other = Item("other", jwt=JwtCondition(("partner",)))
    issuers = {name: an_issuer(name) for name in ("idp", "partner")}
    policy = a_policy(audiences=("orders", "billing"), rules=(a_rule("one", allow=(STAFF, other)), a_rule("two", allow=(STAFF,))))
    compile_policy(policy, Definitions(issuers), frozenset(), Readers(FakeReader()))
    assert sorted(made) == [(names, ("orders", "billing")) for names in (["idp"], ["idp", "partner"], ["partner"])]


def test_an_alternative_without_a_token_is_guarded_only_where_the_rule_reads_tokens():
    policy = compiled(a_policy(rules=(a_rule("open"), a_rule("mixed", allow=(STAFF, ANYONE)))))
    opened, mixed = policy.rules
    assert opened.alternatives[0].guard is None
    assert all(alternative.guard is not None for alternative in mixed.alternatives)


PLACES = (Place(PlaceKind.HEADER, "x-token"), Place(PlaceKind.COOKIE, "session"), Place(PlaceKind.QUERY, "token"))


def test_credentials_are_removed_in_every_place_where_some_issuer_reads_used_or_not():
    policy = a_policy(issuers=(an_issuer(places=PLACES),))
    (rule,) = compiled(policy, issuers={"idp": policy.issuers[0], "other": an_issuer("other")}).rules
    allow = rule.alternatives[0].judge(a_view())
    assert allow.remove_headers == ("authorization", "x-token")
    assert (allow.strip_queries, allow.strip_cookies) == ({"token"}, {"session"})


def test_credentials_are_kept_where_the_rule_says_so():
    policy = a_policy(issuers=(an_issuer(places=PLACES),), rules=(a_rule(keep_credentials=True),))
    (rule,) = compiled(policy, owned=frozenset({"x-auth-id"})).rules
    allow = rule.alternatives[0].judge(a_view())
    assert (allow.remove_headers, allow.strip_queries, allow.strip_cookies) == (("x-auth-id",), frozenset(), frozenset())


def test_a_forwarded_header_of_another_policy_is_removed_here():
    rule = a_rule(forward=(ForwardedHeader("x-auth-plan", value="gold"),))
    owned = frozenset({"x-auth-plan", "x_auth-plan", "x-auth-id"})
    (found,) = compiled(a_policy(rules=(rule,)), owned=owned).rules
    allow = found.alternatives[0].judge(a_view())
    assert allow.set_headers == (("x-auth-plan", "gold"),)
    assert allow.remove_headers == ("authorization", "x-auth-id", "x_auth-plan")


def test_a_rule_challenges_by_every_scheme_that_its_alternatives_read():
    places = {
        "idp": PLACES,
        "one": (Place(PlaceKind.HEADER, "authorization", "Bearer"), Place(PlaceKind.HEADER, "x-token")),
        "two": (Place(PlaceKind.HEADER, "authorization", "Token"), Place(PlaceKind.HEADER, "x-other", "Bearer")),
    }
    items = {name: Item(name, jwt=JwtCondition((name,))) for name in places}
    rules = (a_rule("bare", allow=(items["idp"],)), a_rule("several", allow=(items["one"], ANYONE, items["two"])), a_rule("open"))
    issuers = {name: an_issuer(name, places=some) for name, some in places.items()}
    found = compiled(a_policy(rules=rules), issuers=issuers).rules
    assert [tuple(challenge.scheme for challenge in rule.challenges) for rule in found] == [("Bearer",), ("Bearer", "Token"), ()]


@pytest.mark.parametrize("preflight", [True, False])
def test_a_preflight_is_answered_only_where_the_policy_says_so(preflight):
    policy = compiled(a_policy(preflight=preflight), owned=frozenset({"x-auth-id"}))
    assert (policy.preflight is not None) is preflight
    if preflight:
        assert policy.preflight.reason is Reason.PREFLIGHT_ALLOW
        assert policy.preflight.remove_headers == ("authorization", "x-auth-id")


OURS = Denied(Answer(404, "no"), Answer(410, "gone"))


@pytest.mark.parametrize(
    ("own", "unauthenticated", "forbidden"),
    [
        (None, OURS.unauthenticated, OURS.forbidden),
        (Denied(), OURS.unauthenticated, OURS.forbidden),
        (Denied(unauthenticated=Answer(499)), Answer(499), OURS.forbidden),
        (Denied(forbidden=Answer(message="mine")), OURS.unauthenticated, Answer(message="mine")),
    ],
)
def test_a_rules_own_words_for_a_denial_come_before_the_policys(own, unauthenticated, forbidden):
    (rule,) = compiled(a_policy(denied=OURS, rules=(a_rule(denied=own),))).rules
    assert rule.denied == Denied(unauthenticated, forbidden)


def test_no_rule_is_denied_in_the_policys_own_words():
    none = compiled(a_policy(denied=OURS)).none
    assert (none.reason, none.status, none.policy, none.rule) == (Reason.RULE_NONE, 410, "shop/orders", "")


def test_a_broken_policy_answers_503_in_nobodys_words():
    policy = broken_policy(a_policy(denied=OURS, preflight=True))
    assert (policy.broken.reason, policy.broken.status, policy.broken.policy) == (Reason.POLICY_INVALID, 503, "shop/orders")
    assert policy.rules == policy.shadow_rules == policy.deny == ()
    assert policy.preflight is None
    assert policy.covers((HOST,), "/")


def test_a_broken_policy_keeps_its_mode():
    assert broken_policy(a_policy(mode=Mode.SHADOW)).is_shadow
    assert not broken_policy(a_policy()).is_shadow
