"""Images by name: their files, who is labelled on them, the boxes that they are read from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.menus import DATASETS
from pipelines import evaluate
from pipelines.evaluation.chosen import Chosen, boxes_for, of_folder, of_split, read_chosen
from pipelines.host import places
from pipelines.intake.prepared import image_files
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.coco_results import results_rows
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.trained import Trained, load_trained
from pipelines.recipe.reader import load_recipe
from tests.worlds.drawn import draw
from tests.worlds.trained import save_trained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def place(module_home: Path) -> SplitPlace:
    return SplitPlace(*draw(module_home, train=1, val=6), "val")


@pytest.fixture(scope="module")
def trained(place: SplitPlace) -> Callable[[str], Trained]:
    """The named recipe's network with random weights."""

    def load(name: str) -> Trained:
        recipe = load_recipe(name)
        return load_trained(save_trained(name, recipe), name, recipe)

    return load


def ids_of(place: SplitPlace) -> list[int]:
    return list(image_files(place.prepared, place.raw, place.split))


def detections(path: Path, *image_ids: int) -> Path:
    rows = [{"image_id": i, "category_id": 1, "bbox": [5, 6, 40, 60], "score": 0.5}
            for i in image_ids]  # fmt: skip
    path.write_text(json.dumps(rows))
    return path


def test_files_and_people_are_those_of_the_images_asked_for(place: SplitPlace) -> None:
    ids = ids_of(place)
    chosen = of_split(place, [ids[4], ids[1]])
    assert list(chosen.files) == [ids[4], ids[1]] and chosen.detections is None
    assert all(file.is_file() for file in chosen.files.values())
    official = DATASETS["stick_figures"].truth(place.raw, place.split)
    assert chosen.truth is not None and list(chosen.truth) == [ids[4], ids[1]]
    for image_id, people in chosen.truth.items():
        expected = {p.id: p for p in official[image_id] if (p.visibility > 0).any()}
        assert {pose.id for pose in people} == set(expected) and expected
        for pose in people:
            seen = pose.visibility > 0
            at = expected[pose.id].keypoints_image
            np.testing.assert_allclose(pose.keypoints_image[seen], at[seen], atol=1e-3)


def test_an_unknown_image_is_refused_with_what_there_is(place: SplitPlace) -> None:
    ids = ids_of(place)
    with pytest.raises(ValueError, match=rf"given 987654321, accepted: 6 images .*: {min(ids)},"):
        of_split(place, [ids[0], 987654321])


def test_a_detectors_boxes_are_those_of_the_chosen_images(
    place: SplitPlace, tmp_path: Path, trained: Callable[[str], Trained]
) -> None:
    ids = ids_of(place)
    chosen = of_split(place, [ids[2]], detections(tmp_path / "boxes.json", *ids, ids[2]))
    assert chosen.detections is not None
    assert chosen.detections.image_id.tolist() == [ids[2]] * 2
    top_down = trained("demo_hrnet")
    assert boxes_for(top_down, chosen, "demo_hrnet") is chosen.detections
    pckh = replace(top_down.recipe.evaluation, evaluator="pckh")
    by_person = replace(top_down, recipe=replace(top_down.recipe, evaluation=pckh))
    with pytest.raises(ValueError, match=r"--detections: pckh.* goes by true boxes"):
        boxes_for(by_person, chosen, "some")


def test_images_of_a_list_have_no_truth_and_want_boxes_for_crops(
    place: SplitPlace, tmp_path: Path, trained: Callable[[str], Trained]
) -> None:
    files = image_files(place.prepared, place.raw, place.split)
    rows = [{"id": i, "file_name": file.name} for i, file in files.items()]
    info, folder = tmp_path / "image_info.json", next(iter(files.values())).parent
    info.write_text(json.dumps({"images": rows}))
    ids = list(files)
    chosen = of_folder(info, folder, ids[:2], None)
    assert chosen.truth is None and dict(chosen.files) == {i: files[i] for i in ids[:2]}
    assert boxes_for(trained("demo_higher_hrnet"), chosen, "some") is None
    with pytest.raises(ValueError, match="--detections: some reads people in boxes"):
        boxes_for(trained("demo_hrnet"), chosen, "some")
    boxes = of_folder(info, folder, ids[:1], detections(tmp_path / "b.json", *ids)).detections
    assert boxes is not None and len(boxes) == 1
    with pytest.raises(ValueError, match=f"lacks {files[ids[0]].name}"):
        of_folder(info, tmp_path, ids[:1], None)


@pytest.mark.parametrize("name", ["demo_hrnet", "demo_higher_hrnet"])
def test_poses_are_those_of_the_evaluation(
    place: SplitPlace, name: str, trained: Callable[[str], Trained]
) -> None:
    network = trained(name)
    protocol = "image" if network.codec.whole_image else "gt"
    evaluated = evaluate.evaluate(name) / f"predictions_{protocol}.json"
    chosen = of_split(place, ids_of(place)[3:5])
    poses = read_chosen(network, chosen, boxes_for(network, chosen, name))
    expected = [row for row in json.loads(evaluated.read_text()) if row["image_id"] in chosen.files]
    found = results_rows(poses)
    assert len(found) == len(expected)
    for mine, theirs in zip(sorted_rows(found), sorted_rows(expected), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=0.05)


def sorted_rows(rows: list[dict[str, object]]) -> list[list[float]]:
    return sorted([row["image_id"], row["score"], *row["keypoints"]] for row in rows)  # type: ignore[misc]


def test_nobody_in_a_box_is_nobody_found(
    place: SplitPlace, trained: Callable[[str], Trained]
) -> None:
    ids = ids_of(place)
    nobody = Boxes(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    chosen = Chosen(of_split(place, ids[:1]).files, {ids[0]: []}, nobody)
    network = trained("demo_hrnet")
    assert read_chosen(network, chosen, boxes_for(network, chosen, "some")) == {}
    assert not places.shown().exists()
