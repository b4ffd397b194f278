"""Truth and boxes that are not those that were prepared and fetched are read by nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.datasets.stick_figures import draw_split
from data.ground.json_text import read_object
from pipelines import analyse, fetch
from pipelines.depot.inputs import images_digest
from pipelines.evaluate import load_on_its_data
from pipelines.evaluation.folder import read_evaluation
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.look import KnownDigests
from pipelines.intake.prepared import check_detections, data_hash
from pipelines.prediction.coco_results import read_predictions
from pipelines.prediction.split import split_place
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.survey.listing import listed
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


DAMAGED = ["", "[]", "null", "{", "[" * 100_000, '{"data_hash": 7, "truth_sha256": {}}',
           '{"data_hash": "a", "truth_sha256": []}']  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_summary_is_refused_by_its_name(text: str) -> None:
    note = places.prepared("stick_figures") / "summary.json"
    note.parent.mkdir(parents=True)
    note.write_text(text)
    said = rf"^{note}: .*; run `python -m pipelines.prepare stick_figures`, which makes it anew$"
    with pytest.raises(ValueError, match=said):
        data_hash("stick_figures")


@pytest.mark.parametrize("text", ["", "[]", "null", "7", "[[]]"])
def test_what_others_keep_as_json_is_refused_by_its_name(text: str, tmp_path: Path) -> None:
    path, recipe = tmp_path / "a.json", drawn.small_recipe()
    for name in ("summary.json", "detections.json", "a.json"):
        (tmp_path / name).write_text(text)
    readers: list[Callable[[], object]] = [
        lambda: read_object(path),
        lambda: images_digest(tmp_path, recipe),
        lambda: check_detections(tmp_path, path),
    ]
    if text != "[]":
        readers.append(lambda: read_predictions(path, 0.5, 17))
    for reads in readers:
        with pytest.raises(ValueError, match=rf"^{tmp_path}/\w+.json: "):
            reads()
    (tmp_path / "known").write_text(text)
    assert KnownDigests(tmp_path / "known").of(path) == file_digest(path)


def test_a_damaged_summary_is_listed_as_such() -> None:
    note = places.prepared("stick_figures") / "summary.json"
    note.parent.mkdir(parents=True)
    for text in ("", "[]", "{}", '{"splits": 7}'):
        note.write_text(text)
        (row,) = (line for line in listed() if "stick_figures" in line and "damaged" in line)
        assert str(note) in row


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
