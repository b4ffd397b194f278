"""Two users with photos of their own, from the tool's export to a registered model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from tests.worlds.annotators import cvat_team
from tests.worlds.checkouts import copy_checkout, run, start_dvc, write_params
from tests.worlds.here import ROOT

pytestmark = pytest.mark.full  # two trainings

ANSWER = """
import json, sys, mlflow, pathlib
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[2]}@champion")
answer = model.predict([{"image": pathlib.Path(sys.argv[3]).read_bytes()}])
print(json.dumps(list(answer)))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "limber"
    copy_checkout(folder)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["run"] = {"datasets": [], "mixtures": {}, "recipes": {}}
    params |= {"detectors": {}, "detect": {}}  # nor whoever finds people in it
    for name in ("team", "pliers"):  # whatever was added in the checkout
        params["datasets"].pop(name, None)
        own = [*folder.glob(f"recipes/{name}_*.yaml"), folder / f"data/skeletons/{name}.yaml"]
        for path in own:
            path.unlink(missing_ok=True)
    write_params(folder, params)
    start_dvc(folder)
    return folder


def command(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", f"pipelines.{arguments[0]}", *arguments[1:])


def recipe_of(folder: Path, name: str) -> str:
    (path,) = (folder / "recipes").glob(f"{name}_*.yaml")
    return path.stem


def registered(folder: Path, name: str, photo: Path) -> tuple[float, int]:
    """AP@gt as the gate saw it, and of how many keypoints the champion's answer is."""
    slots = json.loads((folder / "reports/promotion.json").read_text())["slots"]
    assert list(slots) == ["pose-coco", "pose-coco-lite", "pose-coco-bottom-up", "pose-mpii",
                           f"pose-{name}"]  # fmt: skip
    assert [slot for slot, state in slots.items() if state["champion"]] == [f"pose-{name}"]
    state = slots[f"pose-{name}"]
    assert state["dataset"] == name
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    said = run(photo.parent, sys.executable, "-c", ANSWER, uri, f"pose-{name}", str(photo))
    (answer,) = json.loads(said.splitlines()[-1])
    return state["AP@gt"], len(answer["poses"][0]["keypoints"])


@pytest.mark.timeout(900)
def test_twelve_photos_with_17_points_from_cvat(checkout: Path, tmp_path: Path) -> None:
    labels, photos = cvat_team(tmp_path / "bei uns")
    before = sorted((p, p.stat().st_mtime_ns) for p in labels.parent.rglob("*"))
    said = command(
        checkout, "datasets", "add", "team", str(labels), str(photos), "--val-share", "0"
    )
    assert "12 images" in said
    recipe = recipe_of(checkout, "team")
    assert f"make repro RECIPE={recipe}" in said
    command(checkout, "road", recipe)
    photo = next(photos.rglob("*.jpg"))
    ap, count = registered(checkout, "team", photo)
    assert ap > 0.9
    assert count == 17
    assert "team" in (checkout / "reports/comparison.md").read_text()
    assert sorted((p, p.stat().st_mtime_ns) for p in labels.parent.rglob("*")) == before


@pytest.mark.timeout(900)
def test_twelve_photos_with_6_points_in_yolos_format(checkout: Path, tmp_path: Path) -> None:
    """The README's lines."""
    command(checkout, "datasets", "example", "mine")
    labels, photos = "mine/data.yaml", "mine/images"
    command(checkout, "datasets", "add", "pliers", labels, photos, "--val-share", "0")
    recipe = recipe_of(checkout, "pliers")
    command(checkout, "road", recipe)
    ap, count = registered(checkout, "pliers", next((checkout / photos).glob("*.jpg")))
    assert ap > 0.9
    assert count == 6
    skeleton = yaml.safe_load((checkout / "data/skeletons/pliers.yaml").read_text())
    names = ["left_tip", "right_tip", "pivot", "left_grip", "right_grip", "spring"]
    assert skeleton["keypoints"] == names
    again = command(checkout, "road", recipe)
    assert "Nothing to do" in again
