"""Experiments of DVC: in the workspace, in a copy, through the queue. Each knows its name, and
where the checkout that it is of keeps raw data, runs and the tracker's database."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.worlds.checkouts import copy_with_fakes, dvc

pytestmark = pytest.mark.full

RUN = {
    "datasets": ["stick_figures"],
    "mixtures": {},
    "recipes": {"demo_hrnet": {"dataset": "stick_figures"}},
}
TELL = """
if stage == "train":
    from pipelines.host import places
    told = {"trial": places.trial(), "home": str(places.home()), "origin": str(places.origin()),
            "raw": [p.name for p in sorted(places.raw("stick_figures").iterdir())]}
    pathlib.Path(f"results/{name}/trained/told.json").write_text(json.dumps(told))
"""
RATE = "recipes/demo_hrnet.yaml:optimizer.learning_rate"
TOLD = "results/demo_hrnet/trained/told.json"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose stages are fakes, all run once and committed, with raw links in it."""
    folder = tmp_path_factory.mktemp("trials") / "limber"
    copy_with_fakes(folder, RUN)
    with (folder / "fake.py").open("a") as stages:
        stages.write(TELL)
    git(folder, "config", "user.name", "a tester")
    git(folder, "config", "user.email", "tester@example.org")
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("/ran.txt\n")
    dvc(folder, "repro", "-q")
    (folder / "data/store/raw/stick_figures/images").mkdir()
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "all")
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def told_by(folder: Path, name: str) -> dict[str, str]:
    dvc(folder, "exp", "apply", name)
    found: dict[str, str] = json.loads((folder / TOLD).read_text())
    return found


@pytest.mark.parametrize("copy", [False, True], ids=["in the workspace", "in a copy"])
def test_a_trial_knows_itself_and_its_checkout(checkout: Path, copy: bool) -> None:
    name = "in-a-copy" if copy else "in-place"
    rate = f"{RATE}=0.01{int(copy)}"
    dvc(checkout, "exp", "run", *(["--temp"] if copy else []), "-n", name, "-S", rate)
    told = told_by(checkout, name)
    assert told["trial"] == name
    assert told["origin"] == str(checkout)
    assert (told["home"] != told["origin"]) == copy
    assert "images" in told["raw"], "links, of which DVC knows nothing"
    assert name in dvc(checkout, "exp", "show", "--md")
    git(checkout, "checkout", "-q", ".")
    dvc(checkout, "checkout", "-q")


def test_a_trial_of_the_queue(checkout: Path) -> None:
    dvc(checkout, "exp", "run", "--queue", "-n", "queued", "-S", f"{RATE}=0.019")
    dvc(checkout, "queue", "start")
    dvc(checkout, "queue", "logs", "-f", "queued")
    told = told_by(checkout, "queued")
    assert (told["trial"], told["origin"]) == ("queued", str(checkout))
    assert "images" in told["raw"], "links, of which DVC knows nothing"
    git(checkout, "checkout", "-q", ".")
