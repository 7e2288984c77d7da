"""What the upstream sees."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.model.issuer import AUTHORIZATION_BEARER, Place, PlaceKind
from authz.model.policy import ForwardedHeader
from authz.policy import forwarding
from authz.policy.forwarding import Credentials, cookie_without, query_names
from tests.builders import a_request
from tests.policy.given import a_principal

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
PRINTABLE = {chr(code) for code in range(0x20, 0x7F)}
SESSION = Place(PlaceKind.COOKIE, "session")
ACCESS_TOKEN = Place(PlaceKind.QUERY, "access_token")


@pytest.mark.parametrize("name", ["x-auth-subject", "X-Auth-Subject", "x-auth-a_b", "x-auth-1", "x-auth-a-b-c-d"])
def test_a_policy_may_forward_names_that_begin_with_x_auth(name):
    assert forwarding.name_problem(name, frozenset()) == ""


def test_a_policy_may_forward_a_name_that_the_operator_gave_away():
    assert forwarding.name_problem("Remote-User", frozenset({"remote-user"})) == ""
    assert "--identity-header remote-user" in forwarding.name_problem("Remote-User", frozenset())


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x-auth-",
        "x-auth--id",
        "-x-auth-id",
        "x-auth-id_",
        "x-auth-é",
        "x-auth-id\n",
        "x-auth id",
        "x-auth.id",
        "x-auth-" + "a" * 64,
        "x_auth_id",
        "x-authorized",
        "authorization",
    ],
)
def test_a_policy_may_not_forward_other_names(name):
    assert forwarding.name_problem(name, frozenset())


@pytest.mark.parametrize("name", ["Host", "connection", "Transfer-Encoding", "te", "upgrade", "content-length", "keep-alive"])
def test_a_hop_by_hop_header_is_nobodys_to_give_away(name):
    assert "hop-by-hop" in forwarding.name_problem(name, frozenset({name.lower()}))


def test_a_name_with_too_many_separators_is_refused_because_its_look_alikes_are_too_many():
    assert forwarding.name_problem("x-auth-a-b-c-d", frozenset()) == ""
    assert "look-alikes" in forwarding.name_problem("x-auth-a-b-c-d-e", frozenset())


@pytest.mark.parametrize("value", ["gold", "a b", "!", "~", "x" * 4096])
def test_a_printable_value_can_be_sent(value):
    assert forwarding.value_problem(value) == ""


@pytest.mark.parametrize("value", ["", " ", " gold", "gold ", "a\nb", "a\rb", "a\tb", "gold\n", "a\x00", "é", "x" * 4097])
def test_any_other_value_cannot_be_sent(value):
    assert "printable ASCII" in forwarding.value_problem(value)


def test_look_alikes_differ_in_dash_and_underscore_at_every_place():
    assert forwarding.variants("X-Auth_Id") == {"x-auth-id", "x-auth_id", "x_auth-id", "x_auth_id"}
    assert forwarding.variants("plain") == {"plain"}


@given(st.from_regex(r"[a-z]{1,3}([-_][a-z]{1,3}){0,5}", fullmatch=True))
def test_every_look_alike_has_the_same_look_alikes(name):
    spellings = forwarding.variants(name)
    assert name in spellings
    assert len(spellings) == 2 ** (name.count("-") + name.count("_"))
    assert all(forwarding.variants(spelling) == spellings for spelling in spellings)


def test_the_spellings_of_several_names_are_one_set():
    assert forwarding.all_variants(["a-b", "c"]) == {"a-b", "a_b", "c"}
    assert forwarding.all_variants([]) == frozenset()


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("alice", "alice"),
        ("Alice Smith", "Alice Smith"),
        (" alice ", "%20alice%20"),
        ("100%", "100%25"),
        ("café", "caf%C3%A9"),
        ("a\r\nx-auth-admin: 1", "a%0D%0Ax-auth-admin: 1"),
        ("a\x00b", "a%00b"),
        ("a,b", "a,b"),
        (7, "7"),
        (True, "true"),
        (1.5, ""),
        (None, ""),
        ("", ""),
        ({"a": 1}, ""),
        (["a", "b"], "a,b"),
        (["a b", "c,d", "e%"], "a%20b,c%2Cd,e%25"),
        (["a", "", None, {"x": 1}, 7], "a,7"),
        ([], ""),
    ],
)
def test_a_claim_as_a_header_value(claim, value):
    assert forwarding.header_value({"c": claim}, ("c",)) == value


def test_an_absent_claim_is_no_value():
    assert forwarding.header_value({}, ("a", "b")) == ""


@pytest.mark.parametrize(("claim", "is_sent"), [("a" * 4096, True), ("a" * 4097, False), ("é" * 700, False), (["a" * 100] * 50, False)])
def test_a_value_that_is_too_long_to_be_sent_is_told_apart_from_none(claim, is_sent):
    assert (forwarding.header_value({"c": claim}, ("c",)) is not None) is is_sent


@given(TEXT)
def test_the_value_of_a_text_claim_can_be_sent_and_read_back(text):
    value = forwarding.header_value({"c": text}, ("c",))
    assert set(value) <= PRINTABLE
    assert value == value.strip(" ")
    assert unquote(value) == text


@given(st.lists(TEXT, max_size=5))
def test_the_value_of_a_list_can_be_sent_and_read_back(texts):
    value = forwarding.header_value({"c": texts}, ("c",))
    assert set(value) <= PRINTABLE - {" "}
    assert [unquote(part) for part in value.split(",") if value] == texts


def test_fixed_values_and_claims_are_forwarded_and_absent_ones_are_not():
    forward = (
        ForwardedHeader("X-Auth-Plan", value="gold"),
        ForwardedHeader("X-Auth-Subject", claim=("sub",)),
        ForwardedHeader("X-Auth-Tenant", claim=("tenant",)),
    )
    assert forwarding.values_of(forward, {"jwt": a_principal(sub="alice")}) == (("x-auth-plan", "gold"), ("x-auth-subject", "alice"))


def test_the_header_whose_value_is_too_long_is_named():
    long = ForwardedHeader("x-auth-groups", claim=("groups",))
    assert forwarding.values_of((ForwardedHeader("x-auth-plan", value="gold"), long), {"jwt": a_principal(groups="g" * 5000)}) is long


# Taking credentials away.


def test_headers_are_known_in_lower_case():
    places = Credentials([AUTHORIZATION_BEARER, Place(PlaceKind.HEADER, "X-Token")])
    assert (places.headers, places.queries, places.cookies) == ({"authorization", "x-token"}, frozenset(), frozenset())


def test_cookies_and_query_parameters_are_known_by_name():
    places = Credentials([SESSION, ACCESS_TOKEN, Place(PlaceKind.COOKIE, "Session")])
    assert (places.headers, places.queries, places.cookies) == (frozenset(), {"access_token"}, {"session", "Session"})


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("access_token=x", ("access_token",)),
        ("a=1&access_token=x&b=2", ("access_token",)),
        ("access_token=x&access_token=y", ("access_token",)),
        ("access%5Ftoken=x", ("access%5Ftoken",)),
        ("%61ccess_token=x&access_token=y", ("%61ccess_token", "access_token")),
        ("access_token", ("access_token",)),
        ("access_token=", ("access_token",)),
        ("Access_Token=x", ()),
        ("access_tokens=x", ()),
        ("a=access_token", ()),
        ("", ()),
    ],
)
def test_a_query_parameter_is_removed_by_the_raw_name_that_was_sent(query, names):
    assert query_names(a_request(target=f"/orders?{query}"), frozenset({"access_token"})) == names


def test_a_name_with_a_space_is_found_in_each_of_its_spellings():
    request = a_request(target="/?access+token=x&access%20token=y")
    assert query_names(request, frozenset({"access token"})) == ("access+token", "access%20token")


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ("session=x", ""),
        ("session=x;", ""),
        ("a=1; session=x; b=2", "a=1; b=2"),
        ("session=x; a=1", "a=1"),
        ("a=1; session=x", "a=1"),
        ("session=x; session=y", ""),
        ("session=x,a=1", "a=1"),
        ("a=1, session=x", "a=1"),
        ("session =x; a=1", "a=1"),
        ("session; a=1", "a=1"),
        ("prefs=1,2,3; session=x", "prefs=1,2,3"),
        ("\tsession=x; a=1", "a=1"),
        ("a=1", None),
        ("a=1,2; b", None),
        ("Session=x", None),
        ("a=session", None),
        ("", None),
    ],
)
def test_a_cookie_is_cut_out_and_the_others_stay_as_they_were(sent, left):
    assert cookie_without(a_request(headers={"cookie": sent}), frozenset({"session"})) == left


def test_without_cookies_there_is_nothing_to_cut_out():
    assert cookie_without(a_request(), frozenset({"session"})) is None


def test_a_cookie_that_is_no_text_is_left_out_once_the_header_is_written_anew():
    without = frozenset({"session"})
    assert cookie_without(a_request(headers={"cookie": "a=1; b=\udcff; session=x"}), without) == "a=1"
    assert cookie_without(a_request(headers={"cookie": "a=1; b=\udcff"}), without) is None


@given(st.text("ab=;, \tsession", max_size=40))
def test_whatever_a_cookie_header_looks_like_the_credential_is_gone(sent):
    left = cookie_without(a_request(headers={"cookie": sent}), frozenset({"session"}))
    kept = (sent if left is None else left).replace(",", ";").split(";")
    assert "session" not in {part.partition("=")[0].strip() for part in kept}
