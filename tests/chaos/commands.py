"""Signals at any instant to the real commands of a road, each by itself: fetch, prepare, train,
evaluate."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from pipelines.host.folders import file_digest
from tests.chaos.fault import TOKEN, Fault, Outcome, processes_of, shared_folder, struck
from tests.chaos.ray_kills import is_told_once
from tests.chaos.signals import ENDS, nothing_goes_on
from tests.worlds import mlflow_here
from tests.worlds.alike import assert_same
from tests.worlds.checkouts import a_shell, small_road

RECIPE, DATASET, EPOCHS, IMAGES = "demo_simple_baseline", "stick_figures", 3, (24, 8)
COMMANDS = {  # in the order of a road
    "fetch": ["fetch", DATASET],
    "prepare": ["prepare", DATASET],
    "train": ["train", RECIPE, "--local"],
    "evaluate": ["evaluate", RECIPE],
}
END_S = 300.0
UNFINISHED = (".part", ".old", ".lock")
TORCHS = "torchinductor_"  # a cache of its own, which it leaves wherever it was loaded


def fill(folder: Path) -> None:
    """A checkout as it is before each command, and `after` all; how long each took."""
    checkout, seconds = folder / "now", {}
    training = {"epochs": EPOCHS, "checkpoint_every_steps": 1, "global_batch": 8}
    small_road(checkout, {RECIPE: training}, IMAGES)
    shutil.copy(shared_folder("mlflow", mlflow_here.fill) / "mlflow.db", checkout)
    begin(checkout, "fetch", "--weights", RECIPE).wait(END_S)
    for name, command in COMMANDS.items():
        shutil.copytree(checkout, folder / f"before_{name}", symlinks=True)
        began = time.monotonic()
        code = begin(checkout, *command).wait(END_S)
        assert code == 0, (name, (checkout / "said.txt").read_text()[-4000:])
        seconds[name] = time.monotonic() - began
    checkout.rename(folder / "after")
    (folder / "seconds.json").write_text(json.dumps(seconds))


def begin(checkout: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    own = checkout / "temporary"
    own.mkdir(exist_ok=True)
    shell = a_shell() | {"LIMBER_HOME": str(checkout), "TMPDIR": str(own)}
    with (checkout / "said.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", f"pipelines.{name}", *arguments], cwd=checkout,
            env=shell, stdout=said, stderr=said,
        )  # fmt: skip


def ends(draw: random.Random, folder: Path) -> Outcome:
    """It ends in a line with its number; the same command leaves what nobody disturbed leaves."""
    shared, checkout = shared_folder("commands", fill), folder / "limber"
    name, how = draw.choice([*COMMANDS]), draw.choice(ENDS)
    shutil.copytree(shared / f"before_{name}", checkout, symlinks=True)
    process = begin(checkout, *COMMANDS[name])
    time.sleep(draw.uniform(0, json.loads((shared / "seconds.json").read_text())[name]))
    number, there = getattr(signal, how), processes_of(os.environ[TOKEN])
    print(name, how, flush=True)
    if early := process.poll() is None:
        process.send_signal(number)
        struck(f"{name} by {how}")
    code = process.wait(END_S)
    if early and code:  # 0: it was through, and the end of the process all that was left
        is_told(code, number, (checkout / "said.txt").read_text())
    nothing_goes_on(there)
    assert begin(checkout, *COMMANDS[name]).wait(END_S) == 0, (checkout / "said.txt").read_text()
    is_as_nobody_disturbed(name, checkout, shared / "after")
    return "recovered"


def is_told(code: int, number: signal.Signals, said: str) -> None:
    """-number: Python itself was ended, at its start or end, or by what none can catch."""
    assert code in (128 + number, -number), (code, said[-4000:])
    if code > 0:
        assert f"ended by {number.name}" in said and "Traceback" not in said, said[-4000:]


def is_as_nobody_disturbed(name: str, checkout: Path, after: Path) -> None:
    if name == "train":
        ours, theirs = (weights(each) for each in (checkout, after))
        for part in ("model", "epoch"):
            assert_same(ours[part], theirs[part], part)
        is_told_once(checkout, RECIPE, EPOCHS)
    else:
        place = {
            "fetch": f"data/store/raw/{DATASET}", "prepare": f"data/store/prepared/{DATASET}",
            "evaluate": f"results/{RECIPE}/metrics.json",
        }[name]  # fmt: skip
        ours, theirs = (contents(each / place) for each in (checkout, after))
        assert ours == theirs, sorted(set(ours.items()) ^ set(theirs.items()))
    below = (each for top in ("data/store", "results") for each in (checkout / top).rglob("*"))
    left = [each.name for each in below if each.name.endswith(UNFINISHED)]
    left += [each.name for each in (checkout / "temporary").iterdir()]
    assert not [each for each in left if not each.startswith(TORCHS)], left


def weights(checkout: Path) -> dict[str, Any]:
    path = checkout / f"results/{RECIPE}/trained/best.pt"
    kept: dict[str, Any] = torch.load(path, weights_only=True)
    return kept


def contents(place: Path) -> dict[str, str]:
    """sha256 of each file below, or of the file."""
    files = [place] if place.is_file() else [each for each in place.rglob("*") if each.is_file()]
    assert files, f"nothing at {place}"
    return {each.relative_to(place.parent).as_posix(): file_digest(each) for each in files}


FAULTS = [
    Fault(
        "commands-ended",
        "SIGINT, SIGTERM, SIGHUP or SIGKILL to fetch, prepare, train or evaluate at any instant",
        "it ends in a line, exit code 128 + its number, no process goes on; the same command ends "
        "and leaves, to the bit, what it leaves undisturbed",
        ends,
        trials=40,
        draw=2,
    ),
]
