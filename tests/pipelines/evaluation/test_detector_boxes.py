"""`AP@det` of any data set: from what the stage detect found, but for a file that is brought."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.ground.sample import Pose
from data.menus import DATASETS
from pipelines import evaluate
from pipelines.detection.detecting import write_detected
from pipelines.detection.detector import Found
from pipelines.evaluation.measure import Reader
from pipelines.evaluation.record import EvaluationRecord
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.preparing import prepare
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.poses import ByImage
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from tests.worlds.drawn import NAME, draw_at_home
from tests.worlds.given_detector import GivenDetector, params_with, shifted
from tests.worlds.trained import save_trained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def drawn(home: Path) -> Recipe:
    """Four drawn images, prepared; a network of random weights that is evaluated on them."""
    draw_at_home(train=2, val=4)
    recipe = load_recipe("demo_hrnet")
    save_trained("demo_hrnet", recipe)
    return recipe


def detect(folder: Path, found: Sequence[Found], dataset: str = NAME) -> None:
    params = params_with(folder / "params.yaml", dataset)
    write_detected(dataset, lambda name: GivenDetector(found), params)


def truth() -> dict[int, list[Pose]]:
    return DATASETS[NAME].truth(places.raw(NAME), "val")


def evaluated(recipe: Recipe, name: str = "demo_hrnet") -> EvaluationRecord:
    read = reads_truth(DATASETS[recipe.dataset].truth(places.raw(recipe.dataset), "val"))
    return EvaluationRecord.read(evaluate.evaluate(name, recipe, read))


def reads_truth(people: dict[int, list[Pose]]) -> Reader:
    """Stands in for a network: in a box it finds whose own box is nearest."""

    def nearest(image_id: int, box: np.ndarray, score: float) -> Pose:
        apart = [np.abs(np.subtract(pose.box_image, box)).sum() for pose in people[image_id]]
        pose = people[image_id][int(np.argmin(apart))]
        return replace(pose, score=score, keypoint_scores=np.ones(len(pose.visibility)))

    def read_poses(_: object, boxes: Boxes, *__: object, **___: object) -> list[ByImage]:
        found: ByImage = {}
        rows = zip(boxes.image_id.tolist(), boxes.box_image, boxes.score.tolist(), strict=True)
        for image_id, box, score in rows:
            if people[image_id]:
                found.setdefault(image_id, []).append(nearest(image_id, box, score))
        return [found, found]

    return read_poses


def test_whom_a_detector_finds_is_scored_beside_true_boxes(drawn: Recipe, tmp_path: Path) -> None:
    before = evaluated(drawn)
    assert before.boxes_from is None and not any(key.endswith("@det") for key in before.numbers)
    assert before.numbers["AP@gt"] == 1.0
    people = truth()
    people[min(people)] = []  # the detector sees nobody there
    everybody, found = sum(map(len, truth().values())), sum(map(len, people.values()))
    assert 0 < found < everybody
    detect(tmp_path, shifted(people))
    record = evaluated(drawn)
    ours = {key: value for key, value in record.numbers.items() if key.endswith("@gt")}
    assert ours == before.numbers, "the detector changes no other number"
    assert record.numbers["AR@det"] == pytest.approx(found / everybody)
    assert len(record.numbers) == 2 * len(ours)
    boxes, folder = record.boxes_from, places.detected(NAME)
    assert boxes is not None and not boxes.brought and boxes.name == "given"
    assert (boxes.kind, boxes.sha256) == ("told", "a" * 64)
    assert boxes.boxes_sha256 == file_digest(folder / "detections_val.json")
    assert record.boxes_numbers["boxes_AR@det"] == pytest.approx(found / everybody, abs=1e-6)
    assert (record.counts["det"].boxes, record.counts["det"].images_without_boxes) == (found, 1)


def test_nobody_found_is_a_number_too(drawn: Recipe, tmp_path: Path) -> None:
    detect(tmp_path, [found._replace(box_image=found.box_image[:0], score=found.score[:0])
                      for found in shifted(truth())])  # fmt: skip
    record = evaluated(drawn)
    assert record.numbers["AP@det"] == 0.0 and record.boxes_numbers["boxes_AR@det"] == 0.0


def test_boxes_of_other_data_or_changed_since_are_refused(drawn: Recipe, tmp_path: Path) -> None:
    detect(tmp_path, shifted(truth()))
    note = places.detected(NAME) / "detected.json"
    content = json.loads(note.read_text())
    note.write_text(json.dumps(content | {"data_hash": "d" * 64}))
    mends = f"run `python -m pipelines.detect {NAME}`"
    with pytest.raises(ValueError, match=f"found in data dddddddddddd, prepared is .*{mends}"):
        evaluated(drawn)
    note.write_text(json.dumps(content)[:-30])
    with pytest.raises(ValueError, match=f"detected.json: truncated or no json.*{mends}"):
        evaluated(drawn)
    note.write_text(json.dumps(content))
    with (places.detected(NAME) / "detections_val.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ValueError, match=f"not the file that the detector left; {mends}"):
        evaluated(drawn)


def test_who_goes_by_person_or_reads_whole_images_has_no_use_for_it(
    drawn: Recipe, tmp_path: Path
) -> None:
    detect(tmp_path, shifted(truth()))
    changes = replace(drawn.evaluation, evaluator="keypoint_distance", monitor="PCK@0.1@gt")
    recipe = replace(drawn, evaluation=changes)
    save_trained("some", recipe)
    record = evaluated(recipe, "some")
    assert list(record.counts) == ["gt"] and record.boxes_from is None


def test_a_file_that_the_data_set_brings_wins(
    real_coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also over what a detector found before it was brought."""
    own = tmp_path / "coco"
    shutil.copytree(real_coco, own)
    real_coco.unlink()
    real_coco.symlink_to(own)
    brought, away = DATASETS["coco"].detections_file(real_coco, "val"), tmp_path / "away.json"
    assert brought is not None
    brought.rename(away)
    prepare("coco", 0.0)
    detect(tmp_path, shifted(DATASETS["coco"].truth(real_coco, "val")), "coco")
    recipe = replace(load_recipe("demo_hrnet"), dataset="coco")
    save_trained("some", recipe)
    first = evaluated(recipe, "some")
    assert first.boxes_from is not None and first.boxes_from.name == "given"
    away.rename(brought)
    second = evaluated(recipe, "some")
    assert second.boxes_from is not None and second.boxes_from.brought
    assert second.boxes_from.boxes_sha256 == file_digest(brought)
    assert second.boxes_from.AP is None, "not scored yet"
    assert second.counts["det"].boxes == 250 != first.counts["det"].boxes
    assert not first.shares("det", second) and first.shares("gt", second)
    detect(tmp_path, [], "coco")
    assert "det: boxes of COCO_val2017_detections_AP_H_56_person.json" in capsys.readouterr().out
    third = evaluated(recipe, "some").boxes_from
    assert third is not None and third.AP is not None and 0.1 < third.AP < 0.5
