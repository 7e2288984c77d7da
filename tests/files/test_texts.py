"""Texts in files beside policies: which are read, and when anew."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from errno import EMFILE
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from authz.api import decode
from authz.files import directory, texts
from authz.files.directory import Reader
from authz.files.texts import FileTexts
from authz.model.declared import Contents, Declared, Stray
from authz.model.issuer import Issuer, KeySource
from authz.model.reference import Missing, Reference
from authz.service.ports import SourceError
from tests.files.test_directory import GOOD, Mount, another, codes, names
from tests.files.test_watch import Watched, watched


def a_file(folder: Path, name: str) -> Reference:
    return Reference("File", "", name, str(folder))


def read(folder: Path, name: str, root: Path | None = None) -> str | Missing:
    """What is read of one file that a policy in `folder` refers to."""
    reference = a_file(folder, name)
    return FileTexts([root or folder]).read([reference])[reference]


def why(found: str | Missing) -> str:
    assert isinstance(found, Missing)
    return found.why


def test_files_beside_and_below_are_read(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "acme.jsonl").write_text("{}\n")
    (tmp_path / "shop").mkdir()
    for folder, name in ((tmp_path, "keys/acme.jsonl"), (tmp_path, "./keys/acme.jsonl"), (tmp_path / "shop", "../keys/acme.jsonl")):
        assert read(folder, name, tmp_path) == "{}\n"


def test_of_a_policy_that_is_named_itself_the_root_is_its_directory(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(GOOD)
    (tmp_path / "acme.jsonl").write_text("{}")
    assert read(tmp_path, "acme.jsonl", tmp_path / "policy.yaml") == "{}"
    below = tmp_path / "below"
    below.mkdir()
    assert "outside" in why(read(below, "../acme.jsonl", below / "policy.yaml"))


def test_what_is_outside_is_not_read_whatever_leads_there(tmp_path: Path) -> None:
    root, other = tmp_path / "policies", tmp_path / "policies-of-others"
    for folder in (root, other):
        folder.mkdir()
        (folder / "acme.jsonl").write_text("{}")
    (root / "link.jsonl").symlink_to(other / "acme.jsonl")
    (root / "out").symlink_to(other)
    for name in ("../policies-of-others/acme.jsonl", "link.jsonl", "out/acme.jsonl", "../none", "..", ".", "a/..", "out/../acme.jsonl"):
        assert "outside of the policies' directory" in why(read(root, name)), name
    # A policy that is elsewhere gets nothing out of this directory either.
    assert "outside" in why(read(other, "../policies/acme.jsonl", root))


@pytest.mark.parametrize("name", [".hidden", ".git/config", "..data/acme.jsonl", "keys/.acme", "a/..b", "..."])
def test_hidden_names_are_refused(tmp_path: Path, name: str) -> None:
    assert "hidden" in why(read(tmp_path, name))


@pytest.mark.parametrize("name", ["", "/etc/passwd", "a\0b", "\ud800"])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    assert "no name of a file" in why(read(tmp_path, name))


def test_why_a_text_is_missing_says_what_to_do(tmp_path: Path) -> None:
    assert why(read(tmp_path, "none.jsonl")) == "the file none.jsonl: there is no such file; create it, or correct the name"
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in why(read(tmp_path, "folder"))
    assert "no regular file" in why(read(tmp_path, "pipe"))
    (tmp_path / "raw").write_bytes(b"\xff")
    assert "UTF-8" in why(read(tmp_path, "raw"))
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(texts.MAX_BYTES + 1)
    assert "larger than 32 MiB" in why(read(tmp_path, "large"))
    assert "cannot be read" in why(read(tmp_path, "x" * 300))
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read" in why(read(tmp_path, "loop"))
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert "outside" in why(read(tmp_path, "zero"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says which files are open")
def test_nothing_stays_open(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "raw").write_bytes(b"\xff")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("folder", "raw", "none"):
        read(tmp_path, name)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_of_the_greatest_size_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "MAX_BYTES", 3)
    (tmp_path / "a").write_text("abc")
    (tmp_path / "b").write_text("abcd")
    assert read(tmp_path, "a") == "abc"
    assert "larger" in why(read(tmp_path, "b"))


def test_an_unchanged_file_is_not_read_again_and_stays_the_very_same_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    whole = texts._data
    monkeypatch.setattr(texts, "_data", lambda where: (reads.append(where.name), whole(where))[1])
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"text of {name}")
    one, other = a_file(tmp_path, "a"), a_file(tmp_path, "b")
    reader = FileTexts([tmp_path])
    before = dict(reader.read([one, other, one]))
    (tmp_path / "b").write_text("another text")
    after = reader.read([one, other])
    assert reads == ["a", "b", "b"]
    assert after[one] is before[one]
    assert after[other] == "another text"
    (tmp_path / "new").write_text("text of a")
    (tmp_path / "new").replace(tmp_path / "a")
    assert reader.read([one, other])[one] is before[one], "written anew as it was"
    assert reads == ["a", "b", "b", "a"]


def test_signatures_tell_of_every_change(tmp_path: Path) -> None:
    reader, file = FileTexts([tmp_path]), tmp_path / "a"
    reader.read([a_file(tmp_path, "a")])
    seen = [reader.signatures()]
    assert reader.seen() == seen[0]
    file.write_text("a")
    seen.append(reader.signatures())
    (tmp_path / "new").write_text("b")
    (tmp_path / "new").replace(file)
    seen.append(reader.signatures())
    file.chmod(0)
    seen.append(reader.signatures())
    file.unlink()
    seen.append(reader.signatures())
    assert all(one != other for one, other in pairwise(seen))
    assert seen[0] == seen[-1]
    reader.read([])
    assert reader.signatures() == {}


def test_what_could_not_be_read_for_a_moment_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("text")
    reference, reader = a_file(tmp_path, "a"), FileTexts([tmp_path])

    def fails(where: Path) -> bytes:
        raise OSError(EMFILE, os.strerror(EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(texts, "_data", fails)
        assert "Too many open files" in why(reader.read([reference])[reference])
    assert reader.signatures() != reader.seen()
    assert reader.read([reference]) == {reference: "text"}
    assert reader.signatures() == reader.seen()


def test_what_is_no_file_is_left_to_others(tmp_path: Path) -> None:
    assert FileTexts([tmp_path]).read([Reference("Secret", "shop", "acme", "a")]) == {}


# With the policies that refer to them.


@pytest.fixture
def refers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies refer to the file that a comment of theirs names, `# refers: keys.jsonl`."""

    def read(text: str, file: str) -> list[Declared | Stray]:
        found = decode.read(text, file)
        name = text.partition("# refers: ")[2].partition("\n")[0]
        return [_referring(each, a_file(Path(file).parent, name)) if name and isinstance(each, Declared) else each for each in found]

    monkeypatch.setattr(directory, "read", read)


def _referring(each: Declared, reference: Reference) -> Declared:
    if each.policy is None:
        return each
    issuer = Issuer("idp", "https://idp.example.com", KeySource(jwks_from=reference), ("RS256",), 0, ())
    return replace(each, policy=replace(each.policy, issuers=(issuer,)))


def referring(name: str, policy: str = GOOD) -> str:
    return f"{policy}# refers: {name}\n"


def text(contents: Contents, folder: Path, name: str) -> Any:
    return contents.cluster.texts[a_file(folder, name)]


pytestmark = pytest.mark.usefixtures("refers")


def test_texts_come_with_the_policies_that_refer_to_them(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(referring("acme.jsonl"))
    reader = Reader([tmp_path])
    contents = reader.read()
    assert contents.cluster.grants is None
    assert "there is no such file" in why(text(contents, tmp_path, "acme.jsonl"))
    before = reader.seen()
    assert reader.signatures() == before
    (tmp_path / "acme.jsonl").write_text("{}")
    assert reader.signatures() != before, "it appears later"
    contents = reader.read()
    assert text(contents, tmp_path, "acme.jsonl") == "{}"
    assert reader.signatures() == reader.seen()
    (tmp_path / "acme.jsonl").unlink()
    assert reader.signatures() != reader.seen()
    assert isinstance(text(reader.read(), tmp_path, "acme.jsonl"), Missing)
    (tmp_path / "orders.yaml").write_text(GOOD)
    assert reader.read().cluster.texts == {}


def test_a_volume_of_kubernetes_is_read_through_its_links(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "policies")
    mount.publish(orders=referring("keys.yaml"), keys='{"id": "k1"}')
    reader = Reader([mount.path])
    contents = reader.read()
    assert (text(contents, mount.path, "keys.yaml"), names(contents), contents.strays) == ('{"id": "k1"}', ["orders"], ())
    known = text(contents, mount.path, "keys.yaml")
    mount.publish(orders=referring("keys.yaml"), keys='{"id": "k1"}', two=another("two"))
    assert text(reader.read(), mount.path, "keys.yaml") is known
    before = reader.seen()
    mount.publish(orders=referring("keys.yaml"), keys='{"id": "k2"}')
    assert reader.signatures() != before
    assert text(reader.read(), mount.path, "keys.yaml") == '{"id": "k2"}'


@pytest.mark.parametrize("held", ["", "{", '{"id": "k1"}\n', "a: b: c", "kind: ConfigMap"])
def test_a_file_that_is_referred_to_is_no_policy_whatever_its_name_says(tmp_path: Path, held: str) -> None:
    (tmp_path / "keys.yaml").write_text(held)
    reader = Reader([tmp_path])
    assert codes(reader.read()) != []
    (tmp_path / "orders.yaml").write_text(referring("keys.yaml"))
    contents = reader.read()
    assert (names(contents), contents.strays, contents.files) == (["orders"], (), 1)
    assert text(contents, tmp_path, "keys.yaml") == held


def test_a_file_that_is_larger_than_policies_may_be_is_no_fault_where_it_is_referred_to(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(referring("keys.json"))
    (tmp_path / "keys.json").write_text("\n" * (directory.MAX_BYTES + 1))
    contents = Reader([tmp_path]).read()
    assert contents.strays == ()
    assert len(text(contents, tmp_path, "keys.json")) == directory.MAX_BYTES + 1


def test_policies_count_though_somebody_refers_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(referring("orders.yaml"))
    (tmp_path / "two.yaml").write_text(another("two"))
    (tmp_path / "three.yaml").write_text(referring("two.yaml", another("three", "c.example.com")))
    reader = Reader([tmp_path])
    assert names(reader.read()) == ["orders", "three", "two"]
    (tmp_path / "two.yaml").write_text("{")
    contents = reader.read()
    assert names(contents) == ["orders", "three", "two"], "it keeps what it held"
    assert len(contents.faults) == 1


def test_a_new_file_that_is_referred_to_is_not_taken_for_a_policy_that_went(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(referring("keys.yaml"))
    (tmp_path / "two.yaml").write_text(another("two"))
    reader = Reader([tmp_path])
    reader.read()
    (tmp_path / "two.yaml").rename(tmp_path / "keys.yaml")
    (tmp_path / "keys.yaml").write_text("{")
    contents = reader.read()
    assert (names(contents), contents.strays) == (["orders"], ())


def test_what_the_last_sound_version_refers_to_is_read_while_the_newest_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(referring("acme.jsonl"))
    (tmp_path / "acme.jsonl").write_text("{}")
    reader = Reader([tmp_path])
    reader.read()
    for broken in ("{", GOOD.replace("rules:", "rulez:")):
        file.write_text(broken)
        assert text(reader.read(), tmp_path, "acme.jsonl") == "{}"
    file.write_text(GOOD)
    assert reader.read().cluster.texts == {}


def test_changes_of_a_text_are_seen_as_changes_of_policies_are(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(referring("keys/acme.jsonl"))

    def says(wanted: str) -> Callable[[Contents | SourceError], bool]:
        return lambda contents: isinstance(contents, Contents) and text(contents, tmp_path, "keys/acme.jsonl") == wanted

    async def story(seen: Watched) -> None:
        file = tmp_path / "keys" / "acme.jsonl"
        file.parent.mkdir()
        file.write_text("one")
        assert await seen.until(says("one"), 5) < 1
        file.write_text("two")
        assert await seen.until(says("two"), 5) < 1

    watched(tmp_path, story)


def test_texts_that_are_replaced_whole_are_never_seen_in_part(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(referring("acme.jsonl"))
    lines = 20_000
    beside = tmp_path / ".acme.jsonl.new"

    async def story(seen: Watched) -> None:
        for number in range(30):
            beside.write_text(f"{number:08}\n" * lines)
            beside.replace(tmp_path / "acme.jsonl")
            await asyncio.sleep(0.005)
        told = ""
        while told != f"{29:08}":
            contents = await seen.next()
            assert isinstance(contents, Contents)
            found = text(contents, tmp_path, "acme.jsonl")
            if not isinstance(found, Missing):
                told, whole = found[:8], len(found)
                assert (whole, set(found.split("\n"))) == (9 * lines, {told, ""})

    watched(tmp_path, story)
