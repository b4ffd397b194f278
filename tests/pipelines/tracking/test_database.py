"""MLflow's embedded database: whole or not there, and a half-made one is named with the mend."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.tracking import database
from pipelines.tracking.database import (
    artifact_root,
    database_file,
    refuse_half_made,
    whole_database,
)


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as file:
        for statement in statements:
            file.execute(statement)
        file.commit()


EXPERIMENTS = "CREATE TABLE experiments (name TEXT, place TEXT)"


def make(part: Path, artifacts: str) -> None:
    execute(part, EXPERIMENTS, f"INSERT INTO experiments VALUES ('Default', '{artifacts}')")


def make_half(part: Path, artifacts: str) -> None:
    """As a process that is killed between two steps, its journal beside it."""
    execute(part, EXPERIMENTS)
    part.with_name(f"{part.name}-journal").write_bytes(b"half a page")
    raise KeyboardInterrupt


def rows(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT * FROM experiments").fetchall()


def test_a_database_that_was_cut_off_is_never_seen_and_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "home" / "mlflow.db"
    uri = f"sqlite:///{path}"
    with pytest.raises(KeyboardInterrupt):
        whole_database(uri, make_half)
    assert not path.exists()
    refuse_half_made(uri)
    whole_database(uri, make)
    assert rows(path) == [("Default", f"file://{tmp_path}/home/mlartifacts")]
    assert sorted(each.name for each in path.parent.iterdir()) == ["mlflow.db", "mlflow.db.lock"]
    whole_database(uri, make_half)
    assert len(rows(path)) == 1, "what is whole is let be"


def test_two_at_once_make_one(tmp_path: Path) -> None:
    path, made = tmp_path / "mlflow.db", []
    started = threading.Event()

    def slowly(part: Path, artifacts: str) -> None:
        made.append(part)
        started.wait(0.5)  # the other one comes in between, and waits
        make(part, artifacts)

    arguments = (f"sqlite:///{path}", slowly)
    both = [threading.Thread(target=whole_database, args=arguments) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(made) == 1 and len(rows(path)) == 1


def test_an_empty_file_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.touch()
    whole_database(f"sqlite:///{path}", make)
    assert len(rows(path)) == 1


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        ([EXPERIMENTS], "left half made by a first training that was cut off"),
        (["CREATE TABLE alembic_version (version_num TEXT)"], "no such table: experiments"),
        ([], "file is not a database"),
    ],
)
def test_a_half_made_one_is_named_with_the_mend(
    tmp_path: Path, statements: list[str], fault: str
) -> None:
    path = tmp_path / "mlflow.db"
    execute(path, *statements) if statements else path.write_text("words" * 1000)
    before = path.read_bytes()
    for look in (refuse_half_made, whole_database):
        with pytest.raises(ValueError, match=rf"{fault}.*`mv {path} {path}\.broken`"):
            look(f"sqlite:///{path}")
    assert path.read_bytes() == before


WRITES = """
import os, sqlite3, sys
file = sqlite3.connect(sys.argv[1])
file.execute("PRAGMA cache_size = 1")  # so that pages are written before the end
file.execute("BEGIN")
for number in range(500):
    file.execute("INSERT INTO experiments VALUES (?, ?)", (number, "x" * 1000))
os._exit(0)
"""


@pytest.fixture
def half_written(tmp_path: Path) -> Path:
    """Into which a process was just writing as it was killed."""
    path = tmp_path / "mlflow.db"
    make(path, "place")
    subprocess.run([sys.executable, "-c", WRITES, str(path)], check=True)
    assert path.with_name("mlflow.db-journal").stat().st_size
    return path


@pytest.mark.contract
@pytest.mark.parametrize("look", [refuse_half_made, whole_database])
def test_what_a_killed_process_was_writing_is_taken_back(
    half_written: Path, look: Callable[[str], None]
) -> None:
    look(f"sqlite:///{half_written}")
    assert rows(half_written) == [("Default", "place")]
    assert [each.name for each in half_written.parent.iterdir()] == ["mlflow.db"]


@pytest.mark.contract
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_who_may_not_take_it_back_is_told_so(half_written: Path) -> None:
    half_written.parent.chmod(0o500)
    half_written.chmod(0o400)
    with pytest.raises(ValueError, match=r"ended as it wrote there.*give this user write access"):
        refuse_half_made(f"sqlite:///{half_written}")
    half_written.parent.chmod(0o700)


def test_one_that_is_held_is_not_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mlflow.db"
    make(path, "place")
    monkeypatch.setattr(database, "PATIENCE_S", 0.1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ValueError, match=r"cannot be read \(database is locked\); end what"):
            refuse_half_made(f"sqlite:///{path}")
        with pytest.raises(ValueError, match=r"cannot be read \(.*is locked\); end what holds it"):
            database.refuse_damaged(f"sqlite:///{path}", OSError("x: database is locked"))
    refuse_half_made(f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:////a/b.db", "/a/b.db"),
        ("sqlite+pysqlite:////a/b.db?timeout=5", "/a/b.db"),
        ("sqlite:///b.db", str(Path.cwd() / "b.db")),
        ("sqlite:///:memory:", None),
        ("http://host:5000", None),
        ("postgresql://host/base", None),
    ],
)
def test_the_file_of_an_address(uri: str, file: str | None) -> None:
    assert database_file(uri) == (Path(file) if file else None)
    assert artifact_root(Path("/a/b.db")) == "file:///a/mlartifacts"
