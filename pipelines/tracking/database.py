"""MLflow's embedded database: whole or not there, whoever is killed, however many begin at once.

MLflow makes its tables in some seconds and by some seventy steps; a process that is killed between
them leaves a file that MLflow can neither use nor finish. So it is made under another name, one
process at a time, and renamed when it is whole.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host.processes import held
from pipelines.host.writable import writable

ARTIFACTS = "mlartifacts"  # beside the database
PATIENCE_S = 30.0  # with who writes in it
NOT_ITS_OWN = (  # what SQLite says where nothing is wrong with the file
    "database is locked", "disk I/O error", "database or disk is full",
    "unable to open database file",
)  # fmt: skip


def database_file(uri: str) -> Path | None:
    """The file of `sqlite:///PATH`; None of a server elsewhere, or of a database in memory."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    if match is None or match[1] == ":memory:":
        return None
    return Path(match[1]).absolute()


def artifact_root(database: Path) -> str:
    """Where experiments of an embedded database keep their files, as an address."""
    return (database.parent / ARTIFACTS).resolve().as_uri()


def make_tables(part: Path, artifacts: str) -> None:
    """A database of MLflow with all its tables, in a new file."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{part}", artifacts)
    store.engine.dispose()


def whole_database(uri: str, make: Callable[[Path, str], None] = make_tables) -> None:
    """Makes the database of an address `sqlite:///PATH` where there is none; another is let be.

    Raises ValueError for a file that was left half made, or is no database of MLflow.
    """
    # what goes wrong there comes as an error, which is told in a line: MLflow prints all of it too
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    path = database_file(uri)
    if path is None or _is_whole(path):
        return
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with held(path.with_name(f"{path.name}.lock"), "makes MLflow's database"):
        if _is_whole(path):
            return
        part = path.with_name(f"{path.name}.part")
        for left in path.parent.glob(f"{part.name}*"):  # of one that was killed, its journal too
            left.unlink()
        make(part, artifact_root(path))
        part.replace(path)


def refuse_half_made(uri: str) -> None:
    """ValueError, before any work is done, for a database that can never be told anything."""
    if path := database_file(uri):
        _is_whole(path)


def _is_whole(path: Path) -> bool:
    """False where nothing is there. Its first experiment is what MLflow writes last."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        if _experiments(path):
            return True
        fault = "was left half made by a first training that was cut off, and nothing is in it"
    except sqlite3.DatabaseError as error:
        what = "cannot be read" if _is_sound(error) else "is no whole database of MLflow"
        fault = f"{what} ({error})"
    raise _of_no_use(path, fault)


def _experiments(path: Path) -> int:
    """How many there are; what a process that was ended was just writing is taken back first.

    Raises sqlite3.DatabaseError, and ValueError where this user may not take it back.
    """
    try:
        return _count(path, "ro")
    except sqlite3.OperationalError as error:
        if _kind(error) != sqlite3.SQLITE_READONLY:
            raise
    try:
        return _count(path, "rw")
    except sqlite3.OperationalError as error:
        if _kind(error) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        raise refusal(
            path,
            fault="a process was ended as it wrote there, which nobody takes back who may only "
            "read it",
            do=f"give this user write access to {path.parent}, or run any command as one that has",
        ) from error


def _count(path: Path, mode: str) -> int:
    with closing(
        sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=PATIENCE_S)
    ) as file:
        count: int = file.execute("SELECT count(*) FROM experiments").fetchone()[0]
    return count


def _kind(error: sqlite3.Error) -> int:
    """SQLite's code, without what it says besides."""
    return error.sqlite_errorcode & 0xFF


def refuse_damaged(uri: str, error: Exception) -> None:
    """Raises ValueError that names the embedded database which MLflow could not read; nothing of a
    server elsewhere."""
    if path := database_file(uri):
        raise _of_no_use(path, f"cannot be read ({str(error).splitlines()[0][:200]})") from error


def _is_sound(error: object) -> bool:
    return any(words in str(error) for words in NOT_ITS_OWN)


def _of_no_use(path: Path, fault: str) -> ValueError:
    if _is_sound(fault):
        do = "end what holds it, or see to its disk and its rights, and run the same command again"
        return refusal(path, fault=fault, do=do)
    aside = f"{path.name}.broken"
    return refusal(
        path,
        fault=fault,
        do=f"move it away (`mv {path} {path.with_name(aside)}`) and run the same command again; "
        "what trainings could not tell waits in runs/*/outbox.jsonl, and `python -m "
        "pipelines.tracking OUTBOX` sends it",
    )
