"""Signals at any instant to a road, to DVC and to commands; two roads at once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.chaos.fault import TOKEN, Fault, Outcome, processes_of, shared_folder, struck
from tests.worlds.checkouts import CODE, a_shell, dvc, start_dvc
from tests.worlds.here import ROOT
from tests.worlds.started import command_of, still_there
from tests.worlds.waiting import wait_for

STAGES = ("first", "second", "third")
SECONDS = 1.0  # of a stage
GONE_S = 30.0  # seconds of a machine with much else to do, 5 of another
LONGEST_S = 12.0  # after which a signal comes at the latest
ROAD = """
import sys
from pipelines.host.dvc import run_dvc_or_end
from pipelines.host.signals import Interrupted, catching_signals, hear_signal
try:
    with catching_signals():
        code = run_dvc_or_end("repro", *sys.argv[1:])
except Interrupted as told:
    hear_signal()
    code = 128 + told.args[0]
sys.exit(code)
"""
ENDS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
WHO = ("road", "dvc")


def fill(folder: Path) -> None:
    """A checkout whose stages are three commands of ours, one after the other."""
    for name in CODE:
        left_out = shutil.ignore_patterns("__pycache__", "store" if name == "data" else "")
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copy(ROOT / "tests/worlds/long_stage.py", folder)
    before, stages = "long_stage.py", {}
    for name in STAGES:
        command = f"PYTHONPATH=. python long_stage.py {name} {SECONDS}"
        stages[name] = {"cmd": command, "deps": [before], "outs": [f"{name}.out"]}
        before = f"{name}.out"
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    start_dvc(folder)


def road(checkout: Path, *targets: str, **shell: str) -> subprocess.Popen[bytes]:
    """What `make repro` does with DVC. shell: variables besides."""
    with (checkout / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-c", ROAD, *targets], cwd=checkout, env=a_shell() | shell,
            stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip


def ends(draw: random.Random, folder: Path) -> Outcome:
    """Whoever is ended, however: nothing goes on, nothing is half done; the same command ends."""
    checkout = folder / "limber"
    shutil.copytree(shared_folder("checkout", fill), checkout, symlinks=True)
    process, how, whom = road(checkout), draw.choice(ENDS), draw.choice(WHO)
    time.sleep(draw.uniform(0, LONGEST_S))
    print(how, whom, flush=True)
    told = process.pid
    if whom == "dvc":
        told = next((each for each in processes_of(os.environ[TOKEN]) if is_dvc(each)), told)
    early, there = process.poll() is None, processes_of(os.environ[TOKEN])
    if early:
        os.kill(told, getattr(signal, how))
    code = process.wait(120)
    assert code or not early or ran(checkout) == list(STAGES), (checkout / "said.txt").read_text()
    nothing_goes_on(there)
    if early:
        struck(f"{whom} by {how}")
    for left in checkout.glob("*.at_work"):
        left.unlink()  # of a stage that SIGKILL ended
    assert road(checkout).wait(120) == 0, (checkout / "said.txt").read_text()[-4000:]
    assert {each.name for each in checkout.glob("*.out")} == {f"{each}.out" for each in STAGES}
    assert "up to date" in dvc(checkout, "status")
    return "recovered"


def nothing_goes_on(there: list[int]) -> None:
    """Of the trial's processes; there: those that were at work."""
    left = still_there(TOKEN, os.environ[TOKEN], GONE_S)
    assert not left, f"goes on after {GONE_S:g} s: {[command_of(each) for each in left]}"
    # DVC takes a lock for held while its holder is a zombie that init has not buried yet
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in there), "buried", 30.0)


def is_dvc(process: int) -> bool:
    try:
        return b"dvc.cli" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def ran(checkout: Path) -> list[str]:
    log = checkout / "ran.txt"
    return log.read_text().split() if log.is_file() else []


def two_roads(draw: random.Random, folder: Path) -> Outcome:
    """Two roads of one checkout: no stage runs twice."""
    checkout = folder / "limber"
    shutil.copytree(shared_folder("checkout", fill), checkout, symlinks=True)
    first = road(checkout)
    time.sleep(draw.uniform(0, LONGEST_S / 2))
    second = road(checkout)
    codes = [first.wait(120), second.wait(120)]
    said = (checkout / "said.txt").read_text()
    assert "FileExistsError" not in said, said[-4000:]
    assert 0 in codes, said[-4000:]
    assert ran(checkout) == list(STAGES), ran(checkout)
    assert "up to date" in dvc(checkout, "status")
    return "recovered" if codes == [0, 0] else "refused"


FAULTS = [
    Fault(
        "road-ended",
        "SIGINT, SIGTERM, SIGHUP or SIGKILL to `make repro` or to its DVC at any instant",
        "all ends by itself, stage and DVC too; the same command goes on and ends",
        ends,
        trials=64,
    ),
    Fault(
        "two-roads",
        "two `make repro` of one checkout",
        "the second waits or is refused; no stage runs twice",
        two_roads,
        trials=16,
    ),
]
