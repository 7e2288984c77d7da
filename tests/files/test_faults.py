"""Files as a broken disk, an impatient editor or a mad script leaves them: nothing opens that was closed."""

import os
import time
from pathlib import Path

import pytest

from authz.files.directory import Reader
from authz.model.operator import ClientAddress, Operator
from tests.builders import Installation, a_manifest, a_request, a_token, issuer_yaml

# The worst case: where no policy covers a request, it passes.
OPEN_ELSEWHERE = Operator(ClientAddress(), unprotected_all=True)
CLOSED = a_manifest(
    f"""
    rules:
    - name: admin
      matches: [{{path: {{type: PathPrefix, value: /admin}}}}]
      allow: []
    - name: rest
      allow: [{{name: users, jwt: {{issuers: [idp]}}}}]
    audiences: [orders]
    issuers: [{issuer_yaml()}]
    hosts: [api.example.com]
    """
)
ADMIN = a_request(target="/admin")


class Folder:
    """A directory of policies, and a service that goes by it."""

    def __init__(self, path: Path, operator: Operator = OPEN_ELSEWHERE) -> None:
        self.path = path
        self.reader = Reader([path])
        self.installation = Installation(operator=operator)

    def look(self) -> None:
        contents = self.reader.read()
        self.installation.report = self.installation.updater.apply(list(contents.declared))

    def write(self, name: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        (self.path / name).write_bytes(data)
        self.look()

    def reason(self, request=ADMIN) -> str:  # type: ignore[no-untyped-def]
        return str(self.installation.decide(request).reason.value)


def test_a_disk_that_is_full_at_any_octet_of_a_file_opens_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("closed.yaml", CLOSED)
    assert folder.reason() == "rule.deny"
    data = CLOSED.encode()
    # From `hosts` on a shorter file is a whole policy for a shorter host: what is written there is what counts.
    for length in range(len(data) - len("hosts: [api.example.com]\n") + 1):
        folder.write("closed.yaml", data[:length])
        assert folder.reason() == "rule.deny", data[:length][-40:]
        assert folder.reason(a_request(token=a_token())) == "rule.allow"


def test_a_file_that_flaps_between_good_and_broken_changes_nothing_until_it_says_something_else(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("closed.yaml", CLOSED)
    for broken in [b"", b"{", b"\xff", b"kind: AuthPolicy", CLOSED.encode()[:300], CLOSED.replace("rules", "rulse").encode()] * 5:
        folder.write("closed.yaml", broken)
        assert folder.reason() == "rule.deny", broken
        folder.write("closed.yaml", CLOSED)
        assert folder.reason() == "rule.deny"
    folder.write("closed.yaml", CLOSED.replace("allow: []", "allow: [{name: anyone, anonymous: {}}]"))
    assert folder.reason() == "rule.allow"


def test_a_file_that_comes_and_goes_counts_while_it_is_there(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for _ in range(10):
        folder.write("closed.yaml", CLOSED)
        assert folder.reason() == "rule.deny"
        (tmp_path / "closed.yaml").unlink()
        folder.look()
        assert folder.reason() == "policy.unprotected"


def many(folder: Path, count: int) -> None:
    for number in range(count):
        spec = f"hosts: [h{number}.example.com]\nrules: [{{name: all, allow: []}}]"
        (folder / f"{number:05}.yaml").write_text(a_manifest(spec, f"p{number}"))


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.nightly)])
def test_of_many_files_only_those_that_changed_are_read_again(tmp_path: Path, count: int) -> None:
    many(tmp_path, count)
    folder = Folder(tmp_path)
    began = time.process_time()
    folder.look()
    first = time.process_time() - began
    assert len(folder.installation.report.states) == count
    for number in (0, count // 2, count - 1):
        assert folder.reason(a_request(host=f"h{number}.example.com")) == "rule.deny"
    began = time.process_time()
    folder.write("00007.yaml", a_manifest("hosts: [h7.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]", "p7"))
    assert time.process_time() - began < first / 2
    assert folder.reason(a_request(host="h7.example.com")) == "rule.allow"
    assert folder.reason(a_request(host="h8.example.com")) == "rule.deny"
    os.truncate(tmp_path / "00008.yaml", 0)
    folder.look()
    assert folder.reason(a_request(host="h8.example.com")) == "rule.deny"
