"""Two fetches, or two preparations, of one data set into one home at the same time."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from data.files.table import Table
from pipelines.host.places import REPOSITORY
from tests.chaos.fault import Fault, Outcome

IMAGES = {"train": 6, "val": 3}
SETTINGS = {f"{split}_images": count for split, count in IMAGES.items()} | {"seed": 1}
SCRIPT = f"""
import sys
from pipelines.fetch import fetch
from pipelines.intake.preparing import prepare
for what in sys.argv[1:]:
    fetch("stick_figures", {SETTINGS}) if what == "fetch" else prepare("stick_figures", 0.0)
"""


def two_at_once(draw: random.Random, folder: Path) -> Outcome:
    """Both end well, and what is there is whole."""
    home, both = Path(os.environ["LIMBER_HOME"]), draw.choice((["fetch"], ["fetch", "prepare"]))
    command = [sys.executable, "-c", SCRIPT]
    subprocess.run([*command, *both], cwd=REPOSITORY, check=True, capture_output=True)
    writers = []
    for _ in range(2):
        say = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        writers.append(subprocess.Popen([*command, *both], cwd=REPOSITORY, **say))  # type: ignore[call-overload]
        time.sleep(draw.random() * 0.3)
    said = [writer.communicate(timeout=240)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], said
    store = home / "data" / "store"
    listed = json.loads((store / "raw" / "stick_figures" / "manifest.json").read_text())["files"]
    for name in listed:
        assert (store / "raw" / "stick_figures" / name).is_file(), f"{name} is not there"
    assert sum(name.endswith(".jpg") for name in listed) == sum(IMAGES.values())
    for split, count in IMAGES.items() if "prepare" in both else ():
        table = Table(store / "prepared" / "stick_figures" / split / "images.arrow")
        assert len(table) == count
    left = [path.name for path in store.rglob(".*") if path.name.endswith((".part", ".lock"))]
    assert not left, left
    return "recovered"


FAULTS = [
    Fault("two-writers", "two fetches or preparations of one data set at the same time",
          "the second waits, both end well, all is whole and nothing is left", two_at_once, 15),
]  # fmt: skip
