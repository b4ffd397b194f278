"""Folders are whole or not there; a place that cannot be written is named."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipelines.host.folders import file_digest, whole_folder
from pipelines.host.signals import Interrupted, catching_signals, hear_signal
from tests.worlds.here import ROOT


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "below" / "tables"
    for content in ("old", "new"):
        with whole_folder(target) as part:
            assert list(part.iterdir()) == []
            (part / content).write_text(content)
            assert not (target / content).exists(), "nothing of it is seen before the end"
        assert names(target) == [content]
    assert names(target.parent) == ["tables"]


def test_an_error_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "tables"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(KeyError), whole_folder(target) as part:
        (part / "new").touch()
        raise KeyError
    assert names(target) == ["old"] and names(tmp_path) == ["tables"]


def test_a_signal_between_the_renames_waits_until_the_new_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "tables", Path.rename

    def renamed(path: Path, to: Path) -> Path:
        done = rename(path, to)
        if path == target:
            os.kill(os.getpid(), signal.SIGTERM)
        return done

    target.mkdir()
    with catching_signals(), pytest.raises(Interrupted):
        with whole_folder(target) as part:
            (part / "new").touch()
            monkeypatch.setattr(Path, "rename", renamed)
        hear_signal()
    assert names(target) == ["new"] and names(tmp_path) == ["tables"]


KILLED = """
import os, pathlib, signal, sys
from pipelines.host.folders import whole_folder
rename, target = pathlib.Path.rename, pathlib.Path(sys.argv[1])
def renamed(path, to):
    rename(path, to)
    if path == target:
        os.kill(os.getpid(), signal.SIGKILL)
with whole_folder(target) as part:
    (part / "new").touch()
    pathlib.Path.rename = renamed
"""


@pytest.mark.contract
@pytest.mark.parametrize("linked", [False, True], ids=["folder", "link"])
def test_what_a_killed_writer_moved_away_comes_back(linked: bool, tmp_path: Path) -> None:
    target, source = tmp_path / "tables", tmp_path / "source"
    source.mkdir()
    (source / "kept").touch()
    if linked:
        target.symlink_to(source)
    else:
        source.rename(target)
    done = subprocess.run([sys.executable, "-c", KILLED, target], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL and not target.exists()
    with pytest.raises(KeyError), whole_folder(target):
        raise KeyError
    assert names(target) == ["kept"] and target.is_symlink() == linked
    with whole_folder(target) as part:
        (part / "newest").touch()
    assert names(target) == ["newest"]
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_a_source_that_cannot_be_read_is_no_place_that_cannot_be_written(tmp_path: Path) -> None:
    target, source = tmp_path / "tables", tmp_path / "photos" / "a.jpg"
    for read in (source.read_bytes, lambda: shutil.copy(source, target)):
        said = f"{source}: cannot be read \\(No such file.*{target} is as it was"
        with pytest.raises(ValueError, match=said), whole_folder(target):
            read()
    with pytest.raises(ValueError, match=rf"^{target}: not made \(lost\)"), whole_folder(target):
        raise ConnectionError("lost")


def test_what_is_written_into_it_in_vain_is_named(tmp_path: Path) -> None:
    target = tmp_path / "tables"
    for written in (Path.touch, Path.rmdir):
        said = r"tables.part/below/a: cannot be written .*write access"
        with pytest.raises(ValueError, match=said), whole_folder(target) as part:
            written(part / "below" / "a")
    full = r"^\S*tables: cannot be written \(No space left"
    with pytest.raises(ValueError, match=full), whole_folder(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "kept").touch()
    (tmp_path / "raw").symlink_to(tmp_path / "source")
    with whole_folder(tmp_path / "raw") as part:
        (part / "new").touch()
    assert names(tmp_path / "raw") == ["new"] and names(tmp_path / "source") == ["kept"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ValueError, match=r"cannot be written .*write access"),
        whole_folder(tmp_path / "file" / "tables"),
    ):
        pass


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    target, entered, seen = tmp_path / "tables", threading.Event(), list[str]()

    def second() -> None:
        entered.set()
        with whole_folder(target) as part:
            seen.extend(names(target))  # the first one's, whole
            (part / "second").touch()

    with whole_folder(target) as part:
        other = threading.Thread(target=second)
        other.start()
        entered.wait(60)
        for name in ("a", "b"):
            (part / name).touch()
    other.join(60)
    assert seen == ["a", "b"] and names(target) == ["second"] and names(tmp_path) == ["tables"]


def test_a_lock_of_a_killed_process_holds_nobody(tmp_path: Path) -> None:
    (tmp_path / ".tables.lock").write_text("process 1 on nowhere")
    with whole_folder(tmp_path / "tables"):
        pass
    assert names(tmp_path) == ["tables"]


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert file_digest(tmp_path / "a", "md5") == hashlib.md5(b"abc").hexdigest()
