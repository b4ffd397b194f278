"""Truth and boxes that are not those that were prepared and fetched are read by nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.datasets.stick_figures import draw_split
from pipelines import analyse, fetch
from pipelines.evaluate import load_on_its_data
from pipelines.evaluation.folder import read_evaluation
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.prepared import check_detections, data_hash
from pipelines.prediction.split import split_place
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.training.plan import make_job
from tests.worlds import drawn
from tests.worlds.results import write_results
from tests.worlds.trained import save_trained

pytestmark = pytest.mark.usefixtures("home")


def train() -> None:
    make_job("some", read_cluster(load_params(), gpus=0), drawn.small_recipe())


def evaluate() -> None:
    load_on_its_data("some", drawn.small_recipe())


def show_or_export() -> None:
    split_place(drawn.small_recipe())


def analyse_it() -> None:
    analyse.true_poses("some", read_evaluation(places.evaluated("some")))


@pytest.fixture
def truth() -> Path:
    """The val truth of drawn people who are prepared, trained and evaluated on."""
    _, raw = drawn.draw_at_home(train=2, val=2)
    write_results("some", data_hash=data_hash(drawn.NAME))
    save_trained("some", drawn.small_recipe())
    return raw / "annotations/person_keypoints_val2017.json"


@pytest.mark.parametrize("reads", [train, evaluate, show_or_export, analyse_it])
def test_another_truth_is_refused_with_what_to_run(
    truth: Path, reads: Callable[[], object]
) -> None:
    reads()
    text, before = truth.read_text(), file_digest(truth)
    content = json.loads(text)
    for row in content["annotations"]:
        row["keypoints"][0] += 1
    truth.write_text(json.dumps(content))
    now = file_digest(truth)
    said = rf"val2017\.json is not the file.*{before[:12]}, now {now[:12]}\); run `make repro`"
    with pytest.raises(ValueError, match=said.replace("json is", "json: is")):
        reads()
    truth.unlink()
    with pytest.raises(ValueError, match="now gone"):
        reads()
    truth.write_text(text)
    reads()


def test_another_detectors_file_is_refused(tmp_path: Path) -> None:
    boxes = tmp_path / "COCO_val2017_detections_AP_H_56_person.json"
    boxes.write_text("[]")
    for split in ("train", "val"):
        draw_split(tmp_path / "coco", split, 2, seed=1)
    fetch.fetch("coco", {"source": str(tmp_path / "coco"), "detections": str(boxes)})
    raw = places.raw("coco")
    kept = raw / "person_detection_results" / boxes.name
    note = json.loads((raw / "detections.json").read_text())
    assert note == {f"person_detection_results/{boxes.name}": file_digest(boxes)}
    check_detections(raw, kept)
    kept.write_text("[1]")
    with pytest.raises(ValueError, match="not the file that was fetched"):
        check_detections(raw, kept)
