"""Records of API keys in an update: read once, in short steps, and whatever is not used is told."""

import json
from hashlib import sha256

import pytest

from authz.model.cluster import Cluster
from authz.model.reference import FILE, Reference
from authz.service.api_keys import KeyRecords
from authz.service.readers import Sources
from authz.service.update import Updater
from tests.builders import Installation, a_manifest, declared

KEYS = Reference(FILE, "", "keys.jsonl", ".")
POLICY = """
hosts: [api.example.com]
apiKeys: [{name: subscriptions, from: {file: keys.jsonl}, in: [{header: x-key}]}]
rules: [{name: all, allow: [{name: subscribers, apiKey: {from: subscriptions}}]}]
"""


def a_line(name: str, key: str | None = None, **more: object) -> str:
    digest = sha256((key or f"{name}.secret").encode()).hexdigest()
    return json.dumps({"id": name, "digest": f"sha256:{digest}", "subscription": "acme", "scopes": ["orders"], **more})


def an_updater() -> Updater:
    there = Installation()
    return Updater(there.updater._operator, there.ring, there.memory, sources=Sources(KeyRecords()))


def problems(*lines: str) -> list[tuple[str, str, str]]:
    report = an_updater().apply(declared(a_manifest(POLICY)), Cluster(texts={KEYS: "\n".join(lines)}))
    return [(each.code, each.severity.value, each.what) for each in report.states[0].problems]


def test_good_records_are_no_problem() -> None:
    assert problems(a_line("k1"), a_line("k2")) == []


def test_a_bad_record_is_a_warning_and_takes_no_other_key_away() -> None:
    ((code, severity, what),) = problems(a_line("k1"), a_line("k2", states="Active"))
    assert (code, severity) == ("AZ214", "warning")
    assert "did you mean state?" in what


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (a_line("k1", "another"), "2 different records have this id"),
        (a_line("k2", "k1.secret"), "another record is of the same key"),
        (a_line("k2").replace("sha256:", "hmac-sha256:"), "no digest key is given (--api-key-digest-key)"),
    ],
)
def test_records_that_do_not_count_are_told(second: str, words: str) -> None:
    found = problems(a_line("k1"), second)
    assert all((code, severity) == ("AZ214", "warning") for code, severity, _ in found)
    assert any(words in what for _, _, what in found)


def test_many_records_are_read_in_short_steps_and_not_again_at_the_next_update() -> None:
    updater = an_updater()
    cluster = Cluster(texts={KEYS: "\n".join(a_line(f"k{at}") for at in range(20_000))})
    policies = declared(a_manifest(POLICY))

    def steps() -> int:
        return sum(1 for _ in updater.steps(policies, cluster))

    assert steps() > 400
    assert steps() < 20
