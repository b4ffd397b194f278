"""Folders that cannot be written: nothing is trained in vain, nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.train import train
from tests.chaos.fault import Fault, Outcome, shared_folder, struck
from tests.chaos.forked import done_apart, forked
from tests.worlds import drawn

NAME = "small"
HELD = ("results", f"results/{NAME}", "runs")
SHARE = 0.25  # of trials, in which it is trained when the folder can be written again


def trained() -> None:
    tempfile.tempdir = os.environ["TMPDIR"] = str(places.home() / "tmp")  # torch leaves a folder
    Path(tempfile.tempdir).mkdir(exist_ok=True)
    train(NAME, local=True, again=True, recipe=drawn.small_recipe(epochs=1))


def fill(folder: Path) -> None:
    drawn.draw(folder / "home")


def cannot_be_written(draw: random.Random, folder: Path) -> Outcome:
    """`train --again`, which moves the finished training aside before it begins."""
    home = places.home()
    shutil.copytree(shared_folder("drawn", fill) / "home", home, symlinks=True)
    done_apart(trained, folder / "said.txt")
    before, held = digests(home), draw.choice(HELD)
    struck(held)
    with read_only(home / held):
        child = forked(trained, folder / "refused.txt")
        assert child.wait() == 1, child.text()
    said = child.text().strip().splitlines()[-1]
    assert said.startswith("ValueError: ") and str(home / held) in said, child.text()
    assert digests(home) == before, "something was changed"
    if draw.random() < SHARE:
        done_apart(trained, folder / "said.txt")
    return "refused"


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Mounted on itself, for root can write what modes forbid."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def digests(home: Path) -> dict[str, str]:
    """Of all that trainings left, by path."""
    kept = [each for name in ("runs", "results") for each in sorted((home / name).rglob("*"))]
    return {str(each): file_digest(each) for each in kept if each.is_file()}


FAULTS = [
    Fault(
        "read-only",
        "results/, a folder in it or runs/ cannot be written",
        "one sentence names the folder before anything is trained or moved; the finished training "
        "is as it was",
        cannot_be_written,
        trials=20,
        mounts=True,
    ),
]
