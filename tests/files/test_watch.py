"""Changes of a real directory, as they happen."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from authz.files import watch
from authz.files.directory import Reader
from authz.model.declared import Contents
from authz.service.ports import SourceError
from tests.files.test_directory import CLOSED, GOOD, Mount, another, names

Seen = asyncio.Queue[Contents | SourceError]


class Watched:
    """What a watch has told so far."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    async def next(self, within: float = 5.0) -> Contents | SourceError:
        return await asyncio.wait_for(self._seen.get(), within)

    async def until(self, found: Callable[[Contents | SourceError], bool], within: float) -> float:
        """Return how many seconds it took until something was told that `found` likes."""
        began = monotonic()
        while not found(await self.next(within - (monotonic() - began))):
            pass
        return monotonic() - began

    def told_nothing(self) -> bool:
        return self._seen.empty()


def watched(folder: Path, story: Callable[[Watched], Awaitable[None]]) -> None:
    async def run() -> None:
        reader = Reader([folder])
        with suppress(SourceError):
            reader.read()
        seen: Seen = asyncio.Queue()

        async def follow() -> None:
            async for contents in watch.changes(folder, reader):
                seen.put_nowait(contents)

        task = asyncio.create_task(follow())
        try:
            await _awake(folder, seen)
            await story(Watched(seen))
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(asyncio.wait_for(run(), 20))


async def _awake(folder: Path, seen: Seen) -> None:
    """Return once the watch tells of changes: it takes the system a moment to set it up."""
    if not folder.is_dir():  # noqa: ASYNC240 - a look
        await asyncio.sleep(0.1)
        return
    probe = folder / "probe.yaml"
    for number in range(4):
        probe.write_text(another("probe", f"p{number}.example.com"))
        with suppress(TimeoutError):
            await asyncio.wait_for(seen.get(), 0.3)
            break
    else:
        raise TimeoutError("the watch tells nothing")
    probe.unlink()
    await asyncio.wait_for(seen.get(), 5)
    while not seen.empty():
        seen.get_nowait()


def holds(*wanted: str) -> Callable[[Contents | SourceError], bool]:
    return lambda contents: isinstance(contents, Contents) and names(contents) == sorted(wanted)


def test_a_change_is_seen_in_less_than_a_second(tmp_path: Path) -> None:
    async def story(seen: Watched) -> None:
        file = tmp_path / "orders.yaml"
        file.write_text(GOOD)
        assert await seen.until(holds("orders"), 5) < 1
        file.write_text(another("renamed"))
        assert await seen.until(holds("renamed"), 5) < 1
        file.unlink()
        assert await seen.until(holds(), 5) < 1

    watched(tmp_path, story)


def test_a_change_in_a_directory_below_is_seen(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()

    async def story(seen: Watched) -> None:
        (tmp_path / "team" / "orders.yaml").write_text(GOOD)
        assert await seen.until(holds("orders"), 5) < 1

    watched(tmp_path, story)


def test_the_swap_of_a_kubernetes_volume_is_seen_in_less_than_a_second(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "policies")
    mount.publish(orders=GOOD)

    async def story(seen: Watched) -> None:
        for version in range(3):
            mount.publish(orders=CLOSED if version % 2 else GOOD, more=another(f"more{version}"))
            assert await seen.until(holds("orders", f"more{version}"), 5) < 1

    watched(mount.path, story)


def test_files_that_are_no_policies_are_not_told_of(tmp_path: Path) -> None:
    async def story(seen: Watched) -> None:
        (tmp_path / "notes.txt").write_text("nothing")
        (tmp_path / ".orders.yaml.swp").write_text("nothing")
        (tmp_path / "orders.yaml").write_text(GOOD)
        assert await seen.until(holds("orders"), 5) < 1
        assert seen.told_nothing()

    watched(tmp_path, story)


def test_a_directory_that_vanishes_is_told_once_as_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()

    async def story(seen: Watched) -> None:
        shutil.rmtree(folder)
        assert await seen.until(lambda contents: isinstance(contents, SourceError), 5) < 1
        assert seen.told_nothing()

    watched(folder, story)


def test_a_directory_that_comes_back_is_seen_and_followed(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()

    async def story(seen: Watched) -> None:
        shutil.rmtree(folder)
        await seen.until(lambda contents: isinstance(contents, SourceError), 5)
        folder.mkdir()
        (folder / "orders.yaml").write_text(GOOD)
        assert await seen.until(holds("orders"), 2) < 2
        (folder / "more.yaml").write_text(another("more"))
        assert await seen.until(holds("orders", "more"), 2.5) < 1

    watched(folder, story)


def test_a_directory_that_was_not_there_is_seen_when_it_comes(tmp_path: Path) -> None:
    folder = tmp_path / "policies"

    async def story(seen: Watched) -> None:
        folder.mkdir()
        (folder / "orders.yaml").write_text(GOOD)
        assert await seen.until(holds("orders"), 8) < 3

    watched(folder, story)


def test_a_directory_is_followed_whatever_those_above_it_are_called(tmp_path: Path) -> None:
    folder = tmp_path / "node_modules" / "policies"
    folder.mkdir(parents=True)

    async def story(seen: Watched) -> None:
        (folder / "orders.yaml").write_text(GOOD)
        assert await seen.until(holds("orders"), 3) < 1

    watched(folder, story)


def test_a_change_without_notice_is_seen_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def looks(directory: Path) -> object:
        while True:
            await asyncio.sleep(0.02)
            yield

    monkeypatch.setattr(watch, "_notices", looks)

    async def story(seen: Watched) -> None:
        (tmp_path / "orders.yaml").write_text(GOOD)
        assert await seen.until(holds("orders"), 5) < 1

    watched(tmp_path, story)


def test_files_that_never_come_to_rest_are_read_all_the_same(tmp_path: Path) -> None:
    async def story(seen: Watched) -> None:
        busy = True

        async def scribble() -> None:
            number = 0
            while busy:
                number += 1
                # Beside and then in place: a file that is read while it is being written is another matter.
                (tmp_path / ".busy").write_text(another("busy", f"b{number}.example.com") + "#" * number)
                (tmp_path / ".busy").replace(tmp_path / "busy.yaml")
                await asyncio.sleep(0.01)

        writer = asyncio.create_task(scribble())
        try:
            await seen.until(holds("busy"), 5)
        finally:
            busy = False
            await writer

    watched(tmp_path, story)


def test_a_directory_that_goes_between_look_and_reading_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader([tmp_path])

    def gone() -> Contents:
        raise SourceError("gone")

    monkeypatch.setattr(reader, "read", gone)

    async def notices(directory: Path) -> object:
        (tmp_path / "orders.yaml").write_text(GOOD)
        yield

    monkeypatch.setattr(watch, "_notices", notices)

    async def story() -> list[str]:
        return [str(contents) async for contents in watch.changes(tmp_path, reader)]

    assert asyncio.run(story()) == ["gone"]


def test_a_change_between_the_first_reading_and_the_watch_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def looks(directory: Path) -> object:
        for _ in range(3):
            yield

    monkeypatch.setattr(watch, "_notices", looks)
    reader = Reader([tmp_path])
    reader.read()
    (tmp_path / "orders.yaml").write_text(GOOD)

    async def story() -> int:
        return len([contents async for contents in watch.changes(tmp_path, reader)])

    assert asyncio.run(story()) == 1
