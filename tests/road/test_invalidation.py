"""dvc.yaml as it is, with stages that only write their outs: what a change re-runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.worlds.here import ROOT

FAKE_STAGE = """
import json, pathlib, sys, yaml, zlib
stage, name = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
seen = str(params["datasets"].get(name, ""))
recipe = pathlib.Path(f"recipes/{name}.yaml")
seen += recipe.read_text() if recipe.is_file() else ""
outs = {
    "fetch": [f"data/store/raw/{name}/manifest.json"],
    "prepare": [f"data/store/prepared/{name}/summary.json"],
    "weights": [f"data/store/weights/{name}/none.json"],
    "train": [f"results/{name}/trained/summary.json"],
    "evaluate": [f"results/{name}/evaluation/evaluation.json", f"results/{name}/metrics.json"],
    "compare": ["reports/comparison.md", "reports/pictures/a.txt", "reports/learning_curves.csv",
                "reports/comparison.json"],
    "promote": ["reports/promotion.json"],
}
for out in outs[stage]:
    path = pathlib.Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    number = zlib.crc32(seen.encode()) / 2**32 if stage != "weights" else 0
    csv = f"curve,epoch,loss,value\\n{name}: AP@gt,1,0.5,{number}\\n"
    path.write_text(csv if path.suffix == ".csv" else json.dumps({"AP@gt": number}))
with open("ran.txt", "a") as log:
    log.write(f"{stage}@{name}\\n" if name else f"{stage}\\n")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout whose stages are fakes, with COCO beside the drawn people."""
    folder = tmp_path_factory.mktemp("road") / "limber"
    skip = shutil.ignore_patterns("store", "__pycache__")
    for name in ("data", "models", "pipelines", "mlflow", "recipes"):
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    shutil.copy(ROOT / "params.yaml", folder)
    text = (ROOT / "dvc.yaml").read_text()
    text = text.replace("python -m pipelines.fetch --weights", "python fake.py weights")
    text = text.replace("python -m pipelines.", "python fake.py ")
    (folder / "dvc.yaml").write_text(text.replace("fake.py code", "-m pipelines.code"))
    shutil.copy(ROOT / ".dvcignore", folder)
    (folder / "fake.py").write_text(FAKE_STAGE)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    drawn = ("demo_hrnet", "demo_simple_baseline")
    params["run"] = {
        "datasets": ["stick_figures", "coco"],
        "mixtures": {},
        "recipes": {name: {"dataset": "stick_figures"} for name in drawn}
        | {"overfit_hrnet_coco": {"dataset": "coco"}},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    dvc(folder, "init", "-q")
    assert "promote" in repro(folder)
    return folder


def dvc(folder: Path, *arguments: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "true"}
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def repro(folder: Path) -> set[str]:
    """The stages that a `dvc repro` ran."""
    log = folder / "ran.txt"
    log.unlink(missing_ok=True)
    dvc(folder, "repro", "-q")
    return set(log.read_text().split()) if log.is_file() else set()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_nothing_changed_runs_nothing(checkout: Path) -> None:
    assert repro(checkout) == set()


def test_one_line_of_one_recipe_re_runs_that_recipe_alone(checkout: Path) -> None:
    edit(checkout / "recipes/demo_hrnet.yaml", "seed: 1", "seed: 2")
    assert repro(checkout) == {"train@demo_hrnet", "evaluate@demo_hrnet", "compare", "promote"}


def test_one_data_set_touches_no_other(checkout: Path) -> None:
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["datasets"]["coco"]["bad_row_limit"] = 0.5
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    ran = repro(checkout)  # the fakes' results are the same, so report and promotion stay
    assert ran == {
        "fetch@coco", "prepare@coco", "train@overfit_hrnet_coco", "evaluate@overfit_hrnet_coco"
    }  # fmt: skip


def test_one_architecture_re_trains_only_its_recipes(checkout: Path) -> None:
    edit(checkout / "models/simple_baseline.py", "\n", "\n# a comment\n")
    assert repro(checkout) == set()
    edit(
        checkout / "models/simple_baseline.py", "\nclass Simple", "\nCHANGED = 1\n\n\nclass Simple"
    )
    assert {s for s in repro(checkout) if "train@" in s} == {"train@demo_simple_baseline"}


def test_a_new_data_set_touches_no_other(checkout: Path) -> None:
    edit(checkout / "data/datasets/mpii.py", "\nSKELETON =", "\nCHANGED = 1\nSKELETON =")
    assert repro(checkout) == set()


def test_what_an_architecture_extends_re_trains_it_too(checkout: Path) -> None:
    text = (checkout / "recipes/demo_hrnet.yaml").read_text()
    (checkout / "recipes/demo_ca_hrnet.yaml").write_text(
        text.replace("name: hrnet", "name: ca_hrnet")
    )
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["run"]["recipes"]["demo_ca_hrnet"] = {"dataset": "stick_figures"}
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    assert {s for s in repro(checkout) if "train@" in s} == {"train@demo_ca_hrnet"}
    edit(checkout / "models/hrnet.py", "\nclass HRNet(", "\nCHANGED = 1\nclass HRNet(")
    ours = {"train@demo_hrnet", "train@demo_ca_hrnet", "train@overfit_hrnet_coco"}
    assert {s for s in repro(checkout) if "train@" in s} == ours


def test_drawn_people_are_read_by_cocos_code(checkout: Path) -> None:
    edit(checkout / "data/datasets/coco.py", "\nSKELETON =", "\nCHANGED = 1\nSKELETON =")
    ran = repro(checkout)
    assert {"prepare@coco", "prepare@stick_figures"} <= ran and "fetch@stick_figures" not in ran


def test_another_codec_re_trains_nothing_of_heatmaps(checkout: Path) -> None:
    file = checkout / "data/codecs/associative_embedding.py"
    file.write_text(file.read_text() + "\nCHANGED = 1\n")
    assert repro(checkout) == set()


def test_the_cluster_of_params_re_runs_nothing(checkout: Path) -> None:
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["cluster"]["max_failures"] = 5
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    assert repro(checkout) == set()


def test_an_experiment_sets_one_value_of_a_recipe_and_its_numbers_show(checkout: Path) -> None:
    for command in (["add", "-A"], ["commit", "-q", "-m", "all"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *command], cwd=checkout, check=True)
    (checkout / "ran.txt").unlink(missing_ok=True)
    dvc(checkout, "exp", "run", "-q", "-S", "recipes/demo_hrnet.yaml:training.epochs=3")
    assert "epochs: 3" in (checkout / "recipes/demo_hrnet.yaml").read_text()
    ran = set((checkout / "ran.txt").read_text().split())
    assert {s for s in ran if "@" in s} == {"train@demo_hrnet", "evaluate@demo_hrnet"}
    assert "results/demo_hrnet/metrics.json" in dvc(checkout, "metrics", "diff", "--json")
    assert "training.epochs" in dvc(checkout, "exp", "show", "--csv")
    dvc(checkout, "plots", "show", "-o", str(checkout / "plots"))
    page = (checkout / "plots/index.html").read_text()
    assert "Validation while training" in page
    assert '"field": "curve"' in page, "a line per recipe"
