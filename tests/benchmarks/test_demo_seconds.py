"""Where a road's time goes: whose a process is, what of the clock a part has, what imports take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.demo_seconds import (
    Process,
    covered,
    imports_of,
    kind_of,
    kinds_of,
    parts_of,
    table,
    told,
    watched,
)

PYTHON = "/x/.venv/bin/python"
WORDS = {
    "road": [PYTHON, "-m", "pipelines.road", "demo_hrnet"],
    "dvc": [PYTHON, "-c", "import sys; from dvc.cli import main; main()", "repro"],
    "train demo_hrnet": ["python", "-m", "pipelines.train", "demo_hrnet"],
    "fetch --look stick_figures": ["python", "-m", "pipelines.fetch", "--look", "stick_figures"],
    "compare": ["python", "-m", "pipelines.compare"],
    "Ray head": [PYTHON, "-m", "pipelines.cluster", "--guard", "/tmp/limber-1"],
    "Ray worker": ["ray::RayTrainWorker.execute"],
    "Ray controller": ["ray::TrainController.run"],
    "Ray, idle": ["ray::IDLE"],
    "": ["git", "status"],
}


@pytest.mark.parametrize("kind", WORDS)
def test_a_process_is_known_by_its_words(kind: str) -> None:
    assert kind_of(WORDS[kind]) == kind


@pytest.mark.parametrize("server", ["/x/ray/core/src/ray/raylet/raylet", "/x/ray/dashboard/a.py"])
def test_rays_servers_are_its_head(server: str) -> None:
    assert kind_of([PYTHON, server]) == "Ray head"


def road() -> dict[int, Process]:
    """Ten seconds: dvc from 1 to 9 with a stage from 2 to 4 and one from 5 to 8, beside which a
    head ran; git for DVC, and a loader's process for the stage."""
    return {
        1: Process(WORDS["road"], 0, 0.0, 10.0, cpu=1.0),
        2: Process(WORDS["dvc"], 1, 1.0, 9.0, cpu=2.0, imports=1.5, by={"dvc": 1.5}),
        3: Process(WORDS["compare"], 2, 2.0, 4.0, cpu=1.5, imports=1.0, by={"torch": 1.0}),
        4: Process(WORDS["train demo_hrnet"], 2, 5.0, 8.0, cpu=0.5),
        5: Process(["python", "-c", "from multiprocessing import ..."], 4, 6.0, 7.0, cpu=0.25),
        6: Process(WORDS[""], 2, 1.0, 1.5, cpu=0.125),
        7: Process(WORDS["Ray head"], 4, 5.5, 9.5, cpu=3.0, imports=0.5, by={"ray": 0.5}),
    }


def test_each_second_of_the_clock_is_one_parts() -> None:
    parts = parts_of(road())
    assert {kind: (part.clock, part.cpu) for kind, part in parts.items()} == {
        "road": (2.0, 1.0),
        "dvc": (3.0, 2.125),
        "compare": (2.0, 1.5),
        "train demo_hrnet": (3.0, 0.75),
        "Ray head": (4.0, 3.0),
    }
    lines = table(parts, 10.0).splitlines()
    assert lines[2] == "| road | Limber | 2.0 | 1.0 | |"
    assert lines[-2] == "| Ray head | Ray | (4.0) | 3.0 | ray 0.5 |"
    assert lines[-1] == "| all | | 10.0 | 8.4 | dvc 1.5, torch 1.0, ray 0.5 |"


def test_a_process_whose_parents_nobody_saw_is_of_the_others() -> None:
    orphan = Process(WORDS[""], 99, 0.0, 1.0)
    assert kinds_of({5: orphan}) == {5: "others"}


def test_spans_are_joined_and_imports_summed() -> None:
    assert covered([(5, 6), (0, 2), (1, 3), (1, 2)]) == 4
    found = imports_of(road().values())
    assert found == {"dvc": 1.5, "torch": 1.0, "ray": 0.5}
    assert told(found, 1.0) == "dvc 1.5, torch 1.0, others 0.5" and told({}) == ""


@pytest.mark.contract
def test_a_process_tells_its_imports_by_whom_our_code_asks_for(tmp_path: Path) -> None:
    (tmp_path / "pipelines.py").write_text("import heavy")
    (tmp_path / "heavy.py").write_text("import light\nfor _ in range(10**6): pass\n")
    (tmp_path / "light.py").write_text("for _ in range(10**6): pass\n")
    _, found = watched([sys.executable, "-c", "import pipelines"], tmp_path)
    (only,) = found.values()
    assert {"ours", "heavy"} <= set(only.by) and "light" not in only.by
    assert only.by["heavy"] > 0 and sum(only.by.values()) == pytest.approx(only.imports)
    assert only.cpu >= only.imports
    with pytest.raises(subprocess.CalledProcessError):
        watched([sys.executable, "-c", "import nothing_of_that_name"], tmp_path)
