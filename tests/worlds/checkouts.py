"""Copies of the checkout: whole, or with stages that only write their outs; DVC in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.worlds.here import ROOT

CODE = ("data", "models", "pipelines", "mlflow", "recipes")
FAKE_STAGE = """
import json, pathlib, sys, yaml, zlib
stage, name = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
seen = str(params["datasets"].get(name, ""))
recipe = pathlib.Path(f"recipes/{name}.yaml")
seen += recipe.read_text() if recipe.is_file() else ""
source = pathlib.Path(f"source_{name}.txt")
seen += source.read_text() if source.is_file() else ""
seen += str(params["detect"].get(name, "")) if stage == "detect" else ""
outs = {
    "look": [f"data/store/sources/{name}.json"],
    "fetch": [f"data/store/raw/{name}/manifest.json", f"data/store/raw/{name}/detections.json"],
    "prepare": [f"data/store/prepared/{name}/summary.json", f"data/store/regions/{name}.json"],
    "detect": [f"data/store/detected/{name}/detected.json", f"data/store/detected/{name}.order",
               f"data/store/detected/{name}.json"],
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
    same = stage == "weights" or out.endswith(".order")
    number = 0 if same else zlib.crc32(seen.encode()) / 2**32
    csv = f"curve,epoch,loss,value\\n{name}: AP@gt,1,0.5,{number}\\n"
    path.write_text(csv if path.suffix == ".csv" else json.dumps({"AP@gt": number}))
if stage != "look":
  with open("ran.txt", "a") as log:
      log.write(f"{stage}@{name}\\n" if name else f"{stage}\\n")
"""


def copy_checkout(folder: Path) -> None:
    """The code and what DVC and Ray read beside it; no data."""
    data = str(ROOT / "data")

    def left_out(where: str, names: list[str]) -> set[str]:
        return {"__pycache__"} | ({"store"} if where == data else set())  # pipelines/store is code

    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    for name in ("dvc.yaml", ".gitignore", ".rayignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder)


def small_road(
    folder: Path,
    recipes: Mapping[str, Mapping[str, Any]],
    images: tuple[int, int] = (40, 12),
    **params: Any,
) -> None:
    """A checkout that trains a little on a few drawn people, and promotes whatever comes of it.

    recipes: by name, what of `training` is changed; images: drawn to train and to validate on;
    params: sections of params.yaml that are replaced, of `cluster` keys alone.
    """
    copy_checkout(folder)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["datasets"]["stick_figures"].update(train_images=images[0], val_images=images[1])
    content["cluster"].update(params.pop("cluster", {}))
    run = {"datasets": ["stick_figures"], "mixtures": {}}  # whatever runs in the checkout
    run["recipes"] = {name: {"dataset": "stick_figures"} for name in recipes}  # type: ignore[assignment]
    write_params(folder, content | {"run": run, "detectors": {}, "detect": {}} | params)
    for name, training in recipes.items():
        path = folder / f"recipes/{name}.yaml"
        recipe = yaml.safe_load(path.read_text())
        recipe["training"].update(training)
        path.write_text(yaml.safe_dump(recipe))
    rules = folder / "mlflow/promotion.yaml"  # so little training reaches no serious floor
    rules.write_text(rules.read_text().replace("floor: 0.3", "floor: 0.0"))


def write_params(folder: Path, params: dict[str, Any]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def start_dvc(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    dvc(folder, "init", "-q")


def copy_with_fakes(folder: Path, run: dict[str, Any]) -> None:
    """A checkout whose stages, but for the digests, are fakes; `run`: of params.yaml."""
    copy_checkout(folder)
    text = (ROOT / "dvc.yaml").read_text()
    for option in ("weights", "look"):
        text = text.replace(f"python -m pipelines.fetch --{option}", f"python fake.py {option}")
    text = text.replace("python -m pipelines.", "python fake.py ")
    (folder / "dvc.yaml").write_text(text.replace("fake.py code", "-m pipelines.code"))
    (folder / "fake.py").write_text(FAKE_STAGE)
    plain = {"run": run, "detectors": {}, "detect": {}}
    write_params(folder, yaml.safe_load((ROOT / "params.yaml").read_text()) | plain)
    start_dvc(folder)


def run(folder: Path, *command: str) -> str:
    """What a command says in a checkout, as from a shell that names no cluster and no server."""
    done = subprocess.run(command, cwd=folder, env=a_shell(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def a_shell() -> dict[str, str]:
    """Variables of a shell in which the environment is active: no cluster, server or home is named.

    MLflow's client writes its servers into this process's own variables, for those that it starts.
    """
    named = ("RAY_ADDRESS", "LIMBER_HOME", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    kept = {key: value for key, value in os.environ.items() if key not in named}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "DVC_NO_ANALYTICS": "true"}


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments)


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
