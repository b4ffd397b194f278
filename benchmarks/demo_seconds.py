"""Where the seconds of `make demo` go: by process, by library imported, by part of a training.

    python -m benchmarks.demo_seconds [--recipes demo_hrnet demo_simple_baseline] [--keep FOLDER]

The working tree's code, copied without data, results or runs into a temporary folder, makes the
road of the recipes there, then makes it once more with nothing to do. Clock: from a process's first
look to its last, a look each quarter of a second, so a busy machine makes it longer: the load is
told. CPU: of the process; where it was killed (Ray's), that of the last look. Imports: CPU time in
import statements (`import_clock.py`), by the library that our code, or a tool by itself, asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import import_clock
from benchmarks.process_tree import family
from tests.worlds.checkouts import a_shell, copy_checkout, start_dvc
from tests.worlds.here import ROOT

LOOK_S = 0.25
RECIPES = ("demo_hrnet", "demo_simple_baseline")
WHOSE = {"dvc": "DVC", "Ray head": "Ray", "Ray controller": "Ray", "Ray, idle": "Ray"}
BESIDE = ("Ray head", "Ray controller", "Ray, idle", "Ray worker")  # while a stage waits for them


@dataclass
class Process:
    """words: its command line when last seen; first, last: when it was seen, in seconds from the
    start; cpu, imports: CPU seconds; by: those of imports by library."""

    words: list[str]
    parent: int
    first: float
    last: float
    cpu: float = 0.0
    imports: float = 0.0
    by: dict[str, float] = field(default_factory=dict)


@dataclass
class Part:
    """Of processes of a kind: seconds of the clock in which there was any of them and none that it
    waits for, CPU seconds of all, and of these what imports took, by library."""

    clock: float = 0.0
    cpu: float = 0.0
    by: dict[str, float] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument(
        "--keep", type=Path, help="a folder, not there yet, that keeps the checkout"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as own:
        folder = given.keep or Path(own) / "checkout"
        folder.mkdir()
        copy_checkout(folder)
        shutil.copy(ROOT / "params.yaml", folder)
        start_dvc(folder)
        road = [sys.executable, "-m", "pipelines.road", *given.recipes]
        for title in ("The road", "Once more, nothing to do"):
            seconds, found = watched(road, folder)
            print(f"\n## {title}: {seconds:.0f} s, load {os.getloadavg()[0]:.1f} at its end\n")
            print(table(parts_of(found), seconds))
            if title == "The road":
                print(trainings(folder, given.recipes), flush=True)


def watched(command: Sequence[str], folder: Path) -> tuple[float, dict[int, Process]]:
    """(seconds of the clock, all processes that it started by their ids).

    Raises CalledProcessError, with what it said, where it fails.
    """
    found: dict[int, Process] = {}
    with tempfile.TemporaryDirectory() as notes, tempfile.TemporaryFile("w+") as said:
        shutil.copy(import_clock.__file__, Path(notes) / "sitecustomize.py")
        clocked = a_shell() | {"PYTHONPATH": notes, "IMPORT_CLOCK": notes}
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=clocked, stdout=said, stderr=said)
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            look(tree, found, time.perf_counter() - began)
            time.sleep(LOOK_S)
        seconds = time.perf_counter() - began
        if process.returncode:
            said.seek(0)
            print(said.read(), file=sys.stderr)
            raise subprocess.CalledProcessError(process.returncode, list(command))
        for number, each in found.items():
            read_note(Path(notes) / f"{number}.json", each)
    return seconds, found


def look(tree: psutil.Process, found: dict[int, Process], now: float) -> None:
    for each in family(tree):
        try:
            with each.oneshot():
                times, words, parent = each.cpu_times(), each.cmdline(), each.ppid()
        except psutil.Error:
            continue  # it has just ended
        seen = found.setdefault(each.pid, Process(words, parent, now, now))
        seen.words, seen.last = words or seen.words, now  # a zombie has none
        seen.cpu = max(seen.cpu, times.user + times.system)


def read_note(note: Path, process: Process) -> None:
    """What its imports took, and all of it, if it came to its own end."""
    if note.is_file():
        content = json.loads(note.read_text())
        process.imports, process.by = content["imports"], content["by"]
        process.cpu = max(process.cpu, content.get("cpu", 0.0))


def kind_of(words: Sequence[str]) -> str:
    """Of a command line: a stage by its name, `dvc`, `road`, one of Ray's; "" for any other."""
    line = " ".join(words)
    if line.startswith("ray::"):
        kinds = {"ray::RayTrainWorker": "Ray worker", "ray::TrainController": "Ray controller"}
        return next((kind for word, kind in kinds.items() if line.startswith(word)), "Ray, idle")
    if "dvc.cli" in line:
        return "dvc"
    if "pipelines.cluster" in line or "ray.scripts" in line or "/ray/" in line:
        return "Ray head"
    for place, word in enumerate(words):
        if word.startswith("pipelines.") and words[place - 1] == "-m":
            name = word.removeprefix("pipelines.")
            return name if name == "road" else " ".join([name, *words[place + 1 :]])
    return ""


def kinds_of(found: Mapping[int, Process]) -> dict[int, str]:
    """By process: a helper (a shell, git, a loader's process) is of its parent's kind."""

    def of(number: int, left: int = 20) -> str:
        if number not in found or not left:
            return "others"
        return kind_of(found[number].words) or of(found[number].parent, left - 1)

    return {number: of(number) for number in found}


def parts_of(found: Mapping[int, Process]) -> dict[str, Part]:
    """By kind, in the order in which they began; of `dvc` and `road` the clock that none of those
    that they wait for has."""
    parts: dict[str, Part] = defaultdict(Part)
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    kinds = kinds_of(found)
    for number, each in sorted(found.items(), key=lambda item: item[1].first):
        kind = kinds[number]
        parts[kind].cpu += each.cpu
        spans[kind].append((each.first, each.last))
    for kind, part in parts.items():
        part.clock = covered(spans[kind])
        part.by = imports_of(each for number, each in found.items() if kinds[number] == kind)
    stages = [kind for kind in parts if kind not in ("road", "dvc", "others", *BESIDE)]
    if "dvc" in parts:
        if "road" in parts:
            parts["road"].clock -= parts["dvc"].clock
        parts["dvc"].clock -= sum(parts[kind].clock for kind in stages)
    return dict(parts)


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds in at least one of the spans."""
    total, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def table(parts: Mapping[str, Part], seconds: float) -> str:
    """In brackets the clock of what runs beside a stage that waits for it."""
    rows = ["| part | whose | clock s | CPU s | of these imports |",
            "| --- | --- | ---: | ---: | --- |"]  # fmt: skip
    for kind, part in parts.items():
        clock = f"({part.clock:.1f})" if kind in BESIDE else f"{part.clock:.1f}"
        rows.append(f"| {kind} | {WHOSE.get(kind, 'Limber')} | {clock} | {_cpu(part)}")
    libraries = {name for part in parts.values() for name in part.by}
    by = {name: sum(part.by.get(name, 0.0) for part in parts.values()) for name in libraries}
    by = dict(sorted(by.items(), key=lambda item: -item[1]))
    whole = Part(seconds, sum(part.cpu for part in parts.values()), by)
    return "\n".join([*rows, f"| all | | {seconds:.1f} | {_cpu(whole)}"])


def _cpu(part: Part) -> str:
    return f"{part.cpu:.1f} | {told(part.by)} |".replace("|  |", "| |")


def imports_of(found: Iterable[Process]) -> dict[str, float]:
    """CPU seconds by library, the largest first."""
    by: dict[str, float] = defaultdict(float)
    for each in found:
        for library, spent in each.by.items():
            by[library] += spent
    return dict(sorted(by.items(), key=lambda item: -item[1]))


def told(seconds: Mapping[str, float], least: float = 0.05) -> str:
    """`torch 12.3, mlflow 4.5`; what is below `least` together."""
    small = sum(value for value in seconds.values() if value < least)
    large = [f"{name} {value:.1f}" for name, value in seconds.items() if value >= least]
    return ", ".join([*large, *([f"others {small:.1f}"] if small >= 0.05 else [])])


def trainings(folder: Path, recipes: Sequence[str]) -> str:
    """Of each training, by the clock, what its own summary says."""
    lines = []
    for name in recipes:
        summary = json.loads((folder / f"results/{name}/trained/summary.json").read_text())
        lines.append(f"train {name}, clock s by part: {told(summary['seconds'], 0.0)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
