"""What a directory of policies holds, and what it keeps of what it held."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from authz.files.directory import MAX_BYTES, Reader
from authz.model.declared import Contents
from authz.service.ports import SourceError
from tests.builders import Installation, a_manifest, a_request

GOOD = a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]")
CLOSED = a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: []}]")


def another(name: str, host: str = "b.example.com") -> str:
    return GOOD.replace("name: orders", f"name: {name}").replace("api.example.com", host)


def names(contents: Contents) -> list[str]:
    return sorted(each.name.name for each in contents.declared)


def codes(contents: Contents) -> list[str]:
    return sorted(problem.code for stray in contents.strays for problem in stray.problems)


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_files_of_known_kinds_are_read(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"orders{suffix}").write_text(GOOD)
    contents = Reader([tmp_path]).read()
    assert names(contents) == ["orders"]
    assert contents.files == 1
    assert contents.declared[0].file == str(tmp_path / f"orders{suffix}")
    assert contents.strays == ()


@pytest.mark.parametrize("name", [".hidden.yaml", "..data", "orders.txt", "orders.yaml~", "orders.yaml.bak", "README", "orders.YAML.swp"])
def test_other_names_are_left_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this: is not a policy")
    assert Reader([tmp_path]).read() == Contents((), (), 0)


def test_directories_below_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for folder, name in (("a/b", "one"), (".git", "two"), ("..2026_11_24", "three")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "policy.yaml").write_text(another(name))
    assert names(Reader([tmp_path]).read()) == ["one"]


def test_a_file_may_be_named_itself_whatever_it_is_called(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(GOOD)
    assert names(Reader([file]).read()) == ["orders"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(GOOD)
    contents = Reader([tmp_path, file]).read()
    assert (names(contents), contents.files, contents.strays) == (["orders"], 1, ())


@pytest.mark.parametrize("make", [lambda path: path / "none", lambda path: path / ("x" * 300)], ids=["missing", "impossible"])
def test_a_place_that_is_not_there_is_a_fault(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    place = make(tmp_path)
    with pytest.raises(SourceError, match="x" * 300 if "x" * 300 in str(place) else "none"):
        Reader([place]).read()


def test_a_directory_that_goes_is_a_fault_and_no_removal(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "orders.yaml").write_text(GOOD)
    reader = Reader([folder])
    reader.read()
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError):
        reader.read()
    with pytest.raises(SourceError):
        reader.signatures()
    (tmp_path / "elsewhere").rename(folder)
    assert names(reader.read()) == ["orders"]


def test_a_directory_without_permission_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(SourceError, match="policies: Permission denied"):
        Reader([tmp_path / "policies"]).read()


def test_an_empty_directory_holds_nothing(tmp_path: Path) -> None:
    assert Reader([tmp_path]).read() == Contents((), (), 0)


def test_several_documents_of_one_file_count(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("---\n".join([GOOD, another("two"), "kind: ConfigMap\napiVersion: v1\n"]))
    contents = Reader([tmp_path]).read()
    assert names(contents) == ["orders", "two"]
    assert codes(contents) == ["AZ114"]
    assert contents.faults == ()


def test_one_bad_object_keeps_its_own_last_good_version_while_others_load(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(GOOD + "---\n" + another("two"))
    reader, installation = Reader([tmp_path]), Installation()
    installation.updater.apply(reader.read().declared)
    file.write_text(
        GOOD.replace("allow:", "alow:") + "---\n" + another("two", "c.example.com") + "---\n" + another("three", "d.example.com")
    )
    report = installation.updater.apply(reader.read().declared)
    assert {str(state.name): (state.accepted, state.in_force) for state in report.states} == {
        "shop/orders": (False, True),
        "shop/two": (True, True),
        "shop/three": (True, True),
    }
    hosts = ("api.example.com", "b.example.com", "c.example.com", "d.example.com")
    reasons = [installation.decide(a_request(host=host)).reason.value for host in hosts]
    assert reasons == ["rule.allow", "policy.none", "rule.allow", "rule.allow"]


def test_of_two_objects_with_one_name_the_first_counts_and_the_other_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(CLOSED)
    contents = Reader([tmp_path]).read()
    assert [each.file for each in contents.declared] == [str(tmp_path / "a.yaml")]
    ((stray),) = contents.strays
    (problem,) = stray.problems
    assert (problem.code, problem.file, problem.line) == ("AZ206", str(tmp_path / "b.yaml"), 3)
    assert str(tmp_path / "a.yaml") in problem.what
    assert not stray.is_fault


def test_of_two_objects_with_one_name_in_one_file_the_first_counts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + "---\n" + CLOSED)
    contents = Reader([tmp_path]).read()
    assert contents.declared[0].policy is not None
    assert contents.declared[0].policy.rules[0].allow
    assert codes(contents) == ["AZ206"]


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"\n",
        b"# only words\n",
        b"---\n",
        GOOD.encode()[:70],
        b"{",
        b"\xff\xfe",
        b"a: b: c",
        b"null",
        b"[]",
        b"- a",
        b"kind: AuthPolicy",
    ],
)
def test_a_half_written_file_keeps_what_it_held(tmp_path: Path, half: bytes) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(GOOD + "---\n" + another("two"))
    (tmp_path / "other.yaml").write_text(another("three"))
    reader = Reader([tmp_path])
    before = reader.read()
    file.write_bytes(half)
    contents = reader.read()
    assert names(contents) == ["orders", "three", "two"]
    assert len(contents.faults) == 1
    assert contents.faults[0].problems[0].file == str(file)
    assert {each.name.name: each.policy for each in contents.declared} == {each.name.name: each.policy for each in before.declared}
    assert names(reader.read()) == ["orders", "three", "two"], "and so at the next look"


def test_a_file_that_was_half_written_and_is_whole_again_says_what_it_holds_now(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    reader = Reader([tmp_path])
    file.write_text(GOOD + "---\n" + another("two"))
    reader.read()
    for half in ("{", "", "kind: AuthPolicy"):
        file.write_text(half)
        assert names(reader.read()) == ["orders", "two"]
    file.write_text(another("two"))
    contents = reader.read()
    assert (names(contents), contents.strays) == (["two"], ())


def test_a_document_that_cannot_be_read_keeps_what_the_file_held_beside_what_it_holds_now(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    reader = Reader([tmp_path])
    file.write_text(GOOD + "---\n" + another("two"))
    reader.read()
    file.write_text("- what was this?\n---\n" + another("two", "c.example.com"))
    contents = reader.read()
    assert names(contents) == ["orders", "two"]
    assert {each.policy.hosts for each in contents.declared if each.policy} == {("api.example.com",), ("c.example.com",)}


def test_a_file_that_never_could_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text("{")
    contents = Reader([tmp_path]).read()
    assert contents.declared == ()
    assert len(contents.faults) == 1


def test_a_removed_file_is_removed_with_what_it_held(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    reader = Reader([tmp_path])
    file.write_text(GOOD)
    reader.read()
    file.unlink()
    assert reader.read() == Contents((), (), 0)
    file.write_text("{")
    assert reader.read().declared == (), "nothing is remembered of a file that was away"


def test_a_large_file_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    contents = Reader([tmp_path]).read()
    assert codes(contents) == ["AZ101"]
    assert "4 MiB" in contents.strays[0].problems[0].what


def test_a_link_that_leads_nowhere_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").symlink_to(tmp_path / "none")
    contents = Reader([tmp_path]).read()
    assert codes(contents) == ["AZ101"]
    assert contents.faults


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(another("two"))
    reader = Reader([tmp_path])
    before = {each.name.name: each for each in reader.read().declared}
    (tmp_path / "b.yaml").write_text(another("two", "longer.example.com"))
    after = {each.name.name: each for each in reader.read().declared}
    assert after["orders"] is before["orders"]
    assert after["two"] is not before["two"]


def test_signatures_tell_of_every_change(tmp_path: Path) -> None:
    reader = Reader([tmp_path])
    seen = [reader.signatures()]
    (tmp_path / "a.yaml").write_text(GOOD)
    seen.append(reader.signatures())
    os.utime(tmp_path / "a.yaml", ns=(1, 1))
    seen.append(reader.signatures())
    (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
    seen.append(reader.signatures())
    (tmp_path / "b.yaml").unlink()
    seen.append(reader.signatures())
    assert seen[0] == seen[4] == {}
    assert all(one != other for one, other in pairwise(seen))


class Mount:
    """A volume as the kubelet writes it: files are links into `..data`, which is swapped for another directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version = 0
        path.mkdir()

    def publish(self, **files: str) -> None:
        self._version += 1
        version = self.path / f"..2026_11_24_{self._version}"
        version.mkdir()
        for name, text in files.items():
            (version / f"{name}.yaml").write_text(text)
        fresh = self.path / "..data_tmp"
        fresh.symlink_to(version.name)
        fresh.rename(self.path / "..data")
        for name in files:
            link = self.path / f"{name}.yaml"
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}.yaml")
        for link in self.path.glob("*.yaml"):
            if not link.exists():
                link.unlink()


def test_a_volume_of_kubernetes_is_read_through_its_links(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "policies")
    mount.publish(orders=GOOD, two=another("two"))
    reader = Reader([mount.path])
    contents = reader.read()
    assert (names(contents), contents.files) == (["orders", "two"], 2)
    before = reader.signatures()
    mount.publish(orders=CLOSED, three=another("three"))
    assert reader.signatures() != before
    contents = reader.read()
    assert names(contents) == ["orders", "three"]
    assert next(each.policy for each in contents.declared if each.name.name == "orders").rules[0].allow == ()  # type: ignore[union-attr]


def test_a_file_that_is_nested_very_deep_is_a_fault_and_not_the_end(tmp_path: Path) -> None:
    (tmp_path / "deep.yaml").write_text("[" * 300_000)
    program = "import sys, pathlib, authz.files.directory as d; print(len(d.Reader([pathlib.Path(sys.argv[1])]).read().faults))"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "1")


def test_a_link_to_the_directory_itself_does_not_multiply_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(GOOD)
    (tmp_path / "again").symlink_to(".")
    assert Reader([tmp_path]).read().files == 1


def test_a_broken_file_that_is_renamed_keeps_what_it_held(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(a_manifest("hosts: [api.example.com]\nrules: [{name: none, allow: []}]"))
    reader = Reader([tmp_path])
    reader.read()
    (tmp_path / "a.yaml").write_text("spec: [")
    assert [str(each.name) for each in reader.read().declared] == ["shop/orders"]
    (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
    assert [str(each.name) for each in reader.read().declared] == ["shop/orders"]
    (tmp_path / "b.yaml").unlink()
    assert reader.read().declared == ()


def test_a_pipe_or_device_is_a_fault_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    found = Reader([tmp_path]).read()
    assert len(found.faults) == 2


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.yaml").write_text(a_manifest("hosts: [api.example.com]\nrules: [{name: none, allow: []}]"))
    (tmp_path / "policies" / "out").symlink_to(tmp_path / "elsewhere")
    assert Reader([tmp_path / "policies"]).read().declared == ()
