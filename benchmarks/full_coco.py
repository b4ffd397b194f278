"""The whole of COCO 2017, made of a few real images: what each part of the road takes of it.

    python -m benchmarks.full_coco [--images FOLDER] [--scale 1.0] [--work FOLDER]

FOLDER has COCO's layout; without it $LIMBER_REAL_DATA/coco_mini. Made of it, in a temporary folder:
118,287 + 5,000 images (hard links to copies), 262,465 + 11,004 rows of people, 104,125 boxes; a
checkout that fetches and prepares it by the commands that a user types; its trainings are stood in
for. Each part is measured in processes of its own: the clock, CPU time, and the most memory that
all of them held together. scale: of all these numbers. The disk needs some 400 MB; with --regions,
which prepares a second time with pieces of photos, 15 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.coco_sized import make_coco_sized
from benchmarks.process_tree import MIB, Taken, run_measured
from tests.worlds.checkouts import (
    FAKE_STAGE,
    a_shell,
    copy_checkout,
    edit,
    run,
    start_dvc,
    write_params,
)
from tests.worlds.here import ROOT

RECIPES = ("hrnet_w32_coco_256x192", "hrnet_w32_coco_384x288", "simple_baseline_r50_coco_256x192")
STOOD_IN_FOR = ("train", "evaluate", "compare", "promote")  # stages that need a training
RESAMPLES = 1000
NEEDS_REAL_DATA = True  # see `page.py`


@dataclass(frozen=True)
class Part:
    """A row of the table; found: what the part itself printed."""

    name: str
    taken: Taken
    found: dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_coco", description=__doc__)
    parser.add_argument("--images", type=Path, help="a folder of COCO's layout")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of COCO")
    parser.add_argument("--work", type=Path, help="made there, and left there")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 8], help="of the loader")
    parser.add_argument("--regions", action="store_true", help="prepare again, with pieces")
    asked = parser.parse_args(arguments)
    real = asked.images or Path(os.environ.get("LIMBER_REAL_DATA", "nowhere")) / "coco_mini"
    if not (real / "annotations").is_dir():
        print("no real images: give --images FOLDER or LIMBER_REAL_DATA; nothing was measured")
        return
    with tempfile.TemporaryDirectory() as made:
        work = asked.work or Path(made)
        tell(measured(real, work, asked.scale, asked.workers, asked.regions))


def measured(
    real: Path, work: Path, scale: float, workers: Sequence[int], regions: bool = False
) -> list[Part]:
    """All parts, in the order in which one needs the other."""
    source, home = work / "coco", work / "checkout"
    if not source.exists():
        make_coco_sized(real, source, scale)
    for folder in (home, work / "clone"):
        shutil.rmtree(folder, ignore_errors=True)
    make_checkout(home, source)
    parts = [part(home, f"{name} coco", "-m", f"pipelines.{name}", "coco")
             for name in ("fetch", "prepare")]  # fmt: skip
    parts += [work_part(home, f"loader, {count} workers", f"loader({count})") for count in workers]
    parts.append(work_part(home, "evaluation of val", f"evaluation({RESAMPLES})"))
    parts += dvc_parts(home, work / "clone")
    if regions:
        edit(home / "params.yaml", "regions: false", "regions: true")
        parts.append(part(home, "prepare coco, regions", "-m", "pipelines.prepare", "coco"))
    return parts


def make_checkout(home: Path, source: Path) -> None:
    """With COCO from `source` and recipes that train on it; what trains is stood in for."""
    home.mkdir(parents=True)
    copy_checkout(home)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["run"] = {"datasets": ["coco"], "mixtures": {}}
    params["run"]["recipes"] = {name: {"dataset": "coco"} for name in RECIPES}
    params["datasets"]["coco"]["source"] = str(source)
    write_params(home, params | {"detectors": {}, "detect": {}, "regions": False})
    road = (home / "dvc.yaml").read_text()
    for stage in STOOD_IN_FOR:
        road = road.replace(f"python -m pipelines.{stage}", f"python fake.py {stage}")
    road = road.replace("python -m pipelines.fetch --weights", "python fake.py weights")
    (home / "dvc.yaml").write_text(road)
    (home / "fake.py").write_text(FAKE_STAGE)
    start_dvc(home)


def dvc_parts(home: Path, clone: Path) -> list[Part]:
    """A second `dvc repro` after all ran, and what a fresh clone with DVC's cache is told."""
    python = sys.executable
    run(home, python, "-m", "pipelines.code")
    run(home, python, "-m", "pipelines.fetch", "--look", "coco")
    run(home, python, "-m", "pipelines.detect", "coco")
    for stage, names in (("weights", RECIPES), ("train", RECIPES), ("evaluate", RECIPES),
                         ("compare", [""]), ("promote", [""])):  # fmt: skip
        for name in names:
            run(home, python, "fake.py", stage, *([name] if name else []))
    run(home, python, "-m", "dvc", "commit", "-q", "--force")
    parts = [part(home, "dvc repro, nothing to do", "-m", "dvc", "repro")]
    git = ("git", "-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost")
    run(home, *git, "add", "-A")
    run(home, *git, "commit", "-q", "-m", "all")
    run(home, "git", "clone", "-q", ".", str(clone))
    run(clone, python, "-m", "dvc", "cache", "dir", "--local", str(home / ".dvc" / "cache"))
    parts.append(part(clone, "dvc checkout in a clone", "-m", "dvc", "checkout"))
    return [*parts, part(clone, "dvc status in a clone", "-m", "dvc", "status")]


def work_part(home: Path, name: str, call: str) -> Part:
    """A call of `coco_work`, in the checkout."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); from benchmarks.coco_work import *; {call}"
    made = part(home, name, "-c", code)
    return Part(name, made.taken, json.loads(made.taken.said.splitlines()[-1]))


def part(home: Path, name: str, *arguments: str) -> Part:
    """A command of python's in the checkout."""
    taken = run_measured([sys.executable, *arguments], home, a_shell())
    print(row(name, taken), file=sys.stderr)
    return Part(name, taken, {})


def row(name: str, taken: Taken) -> str:
    return (
        f"| {name} | {taken.seconds:.1f} | {taken.cpu_seconds:.1f} | {taken.peak / MIB:,.0f} | "
        f"{taken.largest / MIB:,.0f} |"
    )


def tell(parts: Sequence[Part]) -> None:
    print("| part | s | CPU s | MiB of all its processes | MiB of its largest |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for each in parts:
        print(row(each.name, each.taken))
    for each in parts:
        if each.found:
            print(f"{each.name}: {json.dumps(each.found)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
