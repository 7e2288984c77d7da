"""An alternative that asks for several credentials remembers what it made of the same callers, and of no others."""

from authz.model.decision import Allow
from authz.model.definitions import ApiKeySet, Definitions
from authz.model.issuer import Place, PlaceKind
from authz.model.policy import ApiKeyCondition, ForwardedHeader, Item, JwtCondition
from authz.model.principal import Caller, Failure
from authz.model.reason import Reason
from authz.model.trace import Trace
from authz.policy.alternatives import Alternative
from authz.policy.parts import Parts
from tests.builders import a_request
from tests.policy.given import UNAVAILABLE, FakeReader, FakeReaders, a_policy, a_principal, a_view, an_issuer, with_header

ITEM = Item("both", jwt=JwtCondition(("idp",)), api_key=ApiKeyCondition("own", ("orders",)), headers=with_header("x-tenant"))
BLUE = {"x-tenant": "blue"}


class _Readers(FakeReaders):
    def __init__(self, token: FakeReader, key: FakeReader) -> None:
        super().__init__(token)
        self.key = key

    def api_keys(self, key_set: ApiKeySet) -> FakeReader:
        return self.key


def _key(identity: str, *scopes: str) -> Caller:
    return Caller("own", identity, {"id": identity, "subscription": f"of {identity}", "labels": {}, "scopes": frozenset(scopes)})


def _made(token: FakeReader, key: FakeReader) -> Alternative:
    definitions = Definitions({"idp": an_issuer()}, {"own": ApiKeySet("own", (), (Place(PlaceKind.HEADER, "x-key"),))})
    parts = Parts(a_policy(), definitions, frozenset(), _Readers(token, key))
    forward = (ForwardedHeader("x-auth-plan", claim=("subscription",), credential="apiKey"),)
    return Alternative(parts.item(ITEM, ("allow", 0)), parts.allow(Reason.RULE_ALLOW, "read"), forward, None)


def _judged(alternative: Alternative, headers: dict[str, str] = BLUE, trace: Trace | None = None) -> Allow | Failure:
    return alternative.judge(a_view(a_request(headers=headers), trace=trace))


def test_the_same_callers_get_the_same_answer_and_the_other_members_are_asked_again():
    alternative = _made(FakeReader(a_principal()), FakeReader(_key("k1", "orders")))
    first = _judged(alternative)
    assert isinstance(first, Allow)
    assert _judged(alternative) is first
    assert isinstance(_judged(alternative, {}), Failure)
    assert _judged(alternative) is first
    assert _judged(alternative, trace=Trace()) is not first


def test_another_second_caller_gets_its_own_answer():
    key = FakeReader(_key("k1", "orders"))
    alternative = _made(FakeReader(a_principal()), key)
    assert _judged(alternative).set_headers == (("x-auth-plan", "of k1"),)
    key.found = _key("k2", "*")
    assert _judged(alternative).set_headers == (("x-auth-plan", "of k2"),)
    key.found = _key("k3", "billing")
    assert _judged(alternative).reason is Reason.APIKEY_SCOPE
    key.found = UNAVAILABLE
    assert _judged(alternative).reason is Reason.KEYS_UNAVAILABLE
