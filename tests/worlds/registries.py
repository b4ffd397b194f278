"""A home with a registry, made once: two versions of `pose-coco`; copies of it to be damaged."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from pipelines import promote
from pipelines.host import places
from pipelines.registry.rules import RULES, read_rules
from pipelines.registry.versions import Registry
from pipelines.serving.model_files import write_model_files
from tests.worlds.promoted import SLOT, offer, write_no_graph
from tests.worlds.results import write_results

MADE_AT = "made-at.txt"  # the folder may have been renamed since
WITHIN = "limber-world-home"  # of the path that a copied database is told anew


def make_home(folder: Path) -> None:
    """Version 2 of AP 0.8, `better`, is champion; version 1 of 0.6, `first`, was before."""
    home = folder / WITHIN
    home.mkdir(parents=True)
    with at_home(home):
        write_results("first", quality=0.6, seed=1)
        write_results("better", quality=0.8, seed=2)
        offer("first", "better", slots=(SLOT,))
        aliases = Registry().aliases(SLOT)
    assert aliases == {"champion": "2", "candidate": "2", "previous": "1"}
    (home / MADE_AT).write_text(str(home))


def copy_home(made: Path, home: Path) -> None:
    """A home of `make_home` elsewhere: MLflow's database holds whole paths."""
    shutil.copytree(made / WITHIN, home)
    old, new = (home / MADE_AT).read_text(), str(home)
    with closing(sqlite3.connect(home / "mlflow.db")) as file, file:
        tables = [n for (n,) in file.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for table in tables:
            for column in [row[1] for row in file.execute(f"PRAGMA table_info({table})")]:
                change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                file.execute(f"{change} WHERE {column} LIKE ?", (old, new, f"%{old}%"))


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """With that home, and MLflow's database in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMBER_HOME", str(home))
        patch.setenv("MLFLOW_TRACKING_URI", "")  # MLflow sets it; this takes it back
        yield


def verified(*, mend: bool = True, slots: Sequence[str] = (SLOT,)) -> bool:
    """As `promote --verify` does, of some slots and without exporting a graph."""
    book = read_rules(RULES)
    rules = {slot: book[slot] for slot in slots}
    write = partial(write_model_files, write_graph=write_no_graph)
    return promote.verify(rules, mend=mend, write_files=write)


def champion(registry: Registry) -> tuple[str, str]:
    """(recipe, identity) of who is champion."""
    found = registry.aliased(SLOT, "champion")
    assert found is not None
    return found.tags["limber.recipe"], found.tags["limber.identity"]


def flip(file: Path) -> None:
    """One bit in its middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def artifacts(registry: Registry, number: str) -> Path:
    """Where an embedded registry keeps a version's files."""
    model = registry.version(SLOT, number).tags["limber.model_id"]
    return next((places.home() / "mlartifacts").rglob(model)) / "artifacts"
