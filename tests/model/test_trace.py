"""The steps of a decision."""

from authz.model.trace import Step, Trace


def test_a_trace_keeps_its_steps_in_order():
    trace = Trace()
    trace.note(Step(0, "policy"))
    trace.note(Step(1, "allow", "staff", holds=False))
    assert [step.what for step in trace.steps] == ["policy", "allow"]


def test_two_traces_share_nothing():
    first = Trace()
    first.note(Step(0, "policy"))
    assert Trace().steps == []
