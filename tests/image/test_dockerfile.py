"""The Dockerfile copies and calls image/build.py, and does nothing else that a test could not run here."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its words, comments and continuations taken out."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for name, words in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, words))
    return found


def test_it_has_two_stages_and_the_last_is_empty_but_for_the_tree() -> None:
    build, final = stages()
    assert re.fullmatch(r"python:3\.\d+-slim-\w+ AS build", build[0][1]), "a base image is named with its tag"
    assert final[0] == ("FROM", "scratch")
    assert [words for name, words in final if name in ("COPY", "ADD")] == ["--from=build /image /"]
    assert not [name for name, _ in final if name == "RUN"]


def test_the_build_stage_only_copies_and_calls_the_script() -> None:
    build, _ = stages()
    assert {name for name, _ in build} == {"FROM", "WORKDIR", "COPY", "RUN"}
    assert [words for name, words in build if name == "RUN"] == ['["python", "image/build.py", "/image"]']


def test_everything_that_is_copied_is_there_and_is_sent_to_the_builder() -> None:
    build, _ = stages()
    copied = {source for name, words in build if name == "COPY" for source in words.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*", "nothing is sent to the builder that is not named"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_the_user_is_a_number_that_is_not_root() -> None:
    _, final = stages()
    (user,) = (words for name, words in final if name == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "Kubernetes' runAsNonRoot cannot judge a name"


def test_nothing_is_installed_without_a_hash_and_no_index_is_named() -> None:
    script = (ROOT / "image" / "build.py").read_text()
    assert script.count('"install"') == 1
    assert "--require-hashes" in script
    assert "--only-binary" in script, "a source distribution would bring build dependencies that nobody pinned"
    pinned = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if re.match(r"[a-z0-9]", line)]
    assert len(pinned) > 10
    assert all("==" in line for line in pinned)
    for text in (script, (ROOT / "Dockerfile").read_text(), (ROOT / "requirements.lock").read_text()):
        assert "index-url" not in text
        assert "://" not in text
