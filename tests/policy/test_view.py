"""One check as the compiled policies see it."""

from authz.model.trace import Step, Trace
from authz.policy import addresses
from authz.policy.view import View
from tests.builders import a_request
from tests.policy.given import FakeReader, a_principal, a_view


def test_the_address_is_looked_for_once():
    asked = []

    def address_of(request):
        asked.append(request)
        return addresses.UNKNOWN

    view = View(a_request(), "/", 0, address_of, None)
    assert [view.address, view.address] == [addresses.UNKNOWN, addresses.UNKNOWN]
    assert len(asked) == 1


def test_an_identity_is_looked_for_once_while_the_same_reader_is_asked():
    view, reader = a_view(), FakeReader(a_principal(sub="alice"))
    assert view.identity(reader) is view.identity(reader) is reader.found
    assert reader.asked == 1


def test_another_reader_finds_its_own_identity_and_neither_looks_twice():
    view, one, other = a_view(), FakeReader(a_principal(sub="alice")), FakeReader()
    assert view.identity(one) is one.found
    assert view.identity(other) is other.found
    assert view.identity(one) is one.found
    assert (one.asked, other.asked) == (1, 1)


def test_steps_are_kept_only_where_somebody_records_them():
    trace = Trace()
    a_view().note(Step(0, "policy"))
    a_view(trace=trace).note(Step(0, "policy"))
    assert trace.steps == [Step(0, "policy")]
