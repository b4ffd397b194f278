"""A node's cache: filled once, by one process; room is made of what nobody uses; a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.ground.refusal import refusal
from pipelines.store.node_cache import NodeCache
from tests.worlds.elsewhere import elsewhere
from tests.worlds.here import ROOT

Fill = Callable[[Path], None]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[NodeCache]:
    made = NodeCache(tmp_path / "cache", 1000)
    yield made
    made.release()


def files_of(count: int, size: int = 100) -> Fill:
    def fill(folder: Path) -> None:
        for number in range(count):
            (folder / f"{number}.bin").write_bytes(bytes(size))

    return fill


def never(folder: Path) -> None:
    pytest.fail("filled again")


def names(cache: NodeCache) -> list[str]:
    return [row.name for row in cache.kept()]


def test_a_folder_is_filled_once_and_kept_for_the_next(cache: NodeCache, tmp_path: Path) -> None:
    first = cache.folder("images/a", files_of(3))
    assert sorted(path.name for path in first.iterdir()) == ["0.bin", "1.bin", "2.bin"]
    assert NodeCache(tmp_path / "cache", 1000).folder("images/a", never) == first
    assert [(row.name, row.bytes, row.whole) for row in cache.kept()] == [("images-a", 300, True)]


def test_whoever_asks_for_a_folder_leaves_word_of_its_last_use(
    cache: NodeCache, tmp_path: Path
) -> None:
    cache.folder("a", files_of(1))
    cache.folder("b", files_of(1))
    for name, time in (("a", 1), ("b", 2)):
        os.utime(tmp_path / "cache" / name / "whole.json", (time, time))
    assert names(cache) == ["a", "b"]
    cache.folder("a", never)
    assert names(cache) == ["b", "a"]


def test_a_fill_that_fails_leaves_no_folder_and_the_next_goes_on_from_it(cache: NodeCache) -> None:
    def half(folder: Path) -> None:
        (folder / "0.bin").write_bytes(bytes(100))
        raise ValueError("the line is cut")

    def rest(folder: Path) -> None:
        assert (folder / "0.bin").stat().st_size == 100
        (folder / "1.bin").write_bytes(bytes(50))

    with pytest.raises(ValueError, match="the line is cut"):
        cache.folder("a", half)
    assert [(row.bytes, row.whole) for row in cache.kept()] == [(100, False)]
    assert len(list(cache.folder("a", rest).iterdir())) == 2


@pytest.mark.parametrize("damage", ["shorter", "gone", "marker"])
def test_what_is_damaged_is_brought_anew(cache: NodeCache, damage: str) -> None:
    folder = cache.folder("a", files_of(2))
    if damage == "shorter":
        (folder / "1.bin").write_bytes(b"")
    elif damage == "gone":
        (folder / "1.bin").unlink()
    else:
        (folder.parent / "whole.json").write_text("")
    assert cache.folder("a", files_of(2)) == folder
    assert [path.stat().st_size for path in sorted(folder.iterdir())] == [100, 100]
    assert sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) == ["files"]


def test_the_longest_unused_makes_room_and_never_what_is_in_use(
    cache: NodeCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = NodeCache(tmp_path / "cache", 1000)
    for number, name in enumerate(("used", "old", "older", "new")):
        before.folder(name, files_of(2))
        mark = tmp_path / "cache" / name / "whole.json"
        os.utime(mark, ((time := (0, 2, 1, 3)[number]), time))
    before.release()
    cache.folder("used", never)
    os.utime(tmp_path / "cache" / "used" / "whole.json", (0, 0))
    cache.folder("b", files_of(4), lambda: 400)  # 1200 bytes in all: one has to go
    assert names(cache) == ["used", "old", "new", "b"]
    cache.folder("c", files_of(7))  # not told beforehand: room is made when it is there
    assert names(cache) == ["used", "b", "c"]  # 1300 bytes, all of it in use
    assert "over cluster.cache_gib, all in use" in capsys.readouterr().out


@pytest.mark.parametrize("needs", [None, lambda: 1100])
def test_what_is_larger_than_the_cache_is_refused(
    cache: NodeCache, needs: Callable[[], int] | None
) -> None:
    with pytest.raises(ValueError, match=r"cluster\.cache_gib: images/a takes .* more than"):
        cache.folder("images/a", files_of(11), needs)
    assert names(cache) == []


@pytest.mark.parametrize("told", ["by the system", "in a refusal"])
def test_a_disk_that_fills_up_is_told_and_holds_no_rest(cache: NodeCache, told: str) -> None:
    def fill(folder: Path) -> None:
        (folder / "0.bin").write_bytes(bytes(100))
        error = OSError(errno.ENOSPC, "No space left on device", str(folder))
        if told == "by the system":
            raise error
        raise refusal(folder, fault="cannot be written") from error

    with pytest.raises(ValueError, match=r"disk of node .* is full .*free.*set LIMBER_CACHE"):
        cache.folder("a", fill)
    assert names(cache) == []


def test_a_disk_without_room_is_told_before_anything_is_brought(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path / "cache", float("inf"))
    with pytest.raises(ValueError, match=r"is full \(1,000,000,000,000,000,000 bytes are needed"):
        cache.folder("a", never, lambda: 10**18)
    cache.release()


def test_clearing_removes_all_but_what_is_used(cache: NodeCache, tmp_path: Path) -> None:
    before = NodeCache(tmp_path / "cache", 1000)
    before.folder("a", files_of(1))
    before.folder("b", files_of(2))
    before.release()
    cache.folder("b", never)
    assert [(row.name, row.bytes) for row in cache.clear()] == [("a", 100)]
    assert names(cache) == ["b"]
    cache.folder("a", files_of(1))


PROCESS = """
import sys
from pathlib import Path
from pipelines.store.node_cache import NodeCache

def fill(folder):
    print("fills", flush=True)
    sys.stdin.readline()
    (folder / "0.bin").write_bytes(bytes(600))

print(NodeCache(Path(sys.argv[1]), 1000).folder("a", fill), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that asks for `a`, tells when it fills it, and goes on by lines of ours."""
    begun: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROCESS, str(tmp_path / "cache")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        begun.append(subprocess.Popen(command, cwd=ROOT, env=elsewhere(), text=True, **pipes))  # type: ignore[call-overload]
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.contract
def test_of_two_processes_one_brings_and_the_other_waits(
    start: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = start()
    assert said(first) == "fills\n"
    second = start()
    assert f"waiting for process {first.pid}" in said(second)
    go_on(first)
    whole = f"{tmp_path / 'cache' / 'a' / 'files'}\n"
    assert (said(first), said(second)) == (whole, whole)


@pytest.mark.contract
def test_who_waits_takes_over_when_the_bringer_dies(
    start: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = start()
    assert said(first) == "fills\n"
    second = start()
    assert "waiting for process" in said(second)
    first.send_signal(signal.SIGKILL)
    assert said(second) == "fills\n"
    go_on(second)
    assert said(second) == f"{tmp_path / 'cache' / 'a' / 'files'}\n"


@pytest.mark.contract
def test_what_another_process_uses_stays_until_it_ends(
    start: Callable[[], subprocess.Popen[str]], cache: NodeCache
) -> None:
    other = start()
    assert said(other) == "fills\n"
    go_on(other)
    assert said(other)
    cache.folder("b", files_of(6))
    assert names(cache) == ["a", "b"]  # 1200 bytes of 1000
    go_on(other)
    other.wait()
    cache.folder("c", files_of(1))
    assert names(cache) == ["b", "c"]
