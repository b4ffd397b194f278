"""The whole of COCO, made small: what it is made of, and every part that is measured; no time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.coco_sized import DETECTIONS, SIZES, make_coco_sized
from benchmarks.full_coco import Part, measured
from data.datasets.coco import Coco
from data.ground.sample import Rejected

SCALE = 0.002


@pytest.fixture(scope="module")
def sized(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sized") / "coco"
    make_coco_sized(real_data / "coco_mini", folder, SCALE)
    return folder


@pytest.mark.parametrize("split", SIZES)
def test_it_has_coco_s_numbers_and_nothing_is_wrong_with_it(sized: Path, split: str) -> None:
    rejected: list[Rejected] = []
    samples = list(Coco().samples(sized, split, rejected.append))
    people = [pose for sample in samples for pose in sample.poses]
    size = SIZES[split].scaled(SCALE)
    assert len(samples) == len({s.image_id for s in samples}) == size.images
    assert len(people) == len({pose.id for pose in people}) == size.rows
    assert sum(bool(pose.visibility.any()) for pose in people) == size.labelled
    assert 0 < sum(bool(sample.poses) for sample in samples) <= size.peopled
    assert all(sample.image_path.is_file() for sample in samples)
    assert rejected == []


def test_boxes_are_found_in_images_of_its_own(sized: Path) -> None:
    ids = {sample.image_id for sample in Coco().samples(sized, "val")}
    boxes = json.loads((sized / DETECTIONS).read_text())
    assert len(boxes) == round(104_125 * SCALE)
    assert {box["image_id"] for box in boxes} <= ids


@pytest.mark.contract
@pytest.mark.full
@pytest.mark.timeout(900)
def test_every_part_is_measured(real_data: Path, tmp_path: Path) -> None:
    parts = {each.name: each for each in measured(real_data / "coco_mini", tmp_path, SCALE, [1])}
    assert list(parts) == [
        "fetch coco", "prepare coco", "loader, 1 workers", "evaluation of val",
        "dvc repro, nothing to do", "dvc checkout in a clone", "dvc status in a clone",
    ]  # fmt: skip
    assert all(each.taken.peak > 10_000_000 for each in parts.values())
    train = SIZES["train"].scaled(SCALE)
    assert found(parts["loader, 1 workers"], "persons") == train.labelled
    assert [len(each) for each in found(parts["loader, 1 workers"], "worker_mib")] == [1, 1, 1]
    assert found(parts["evaluation of val"], "images") == SIZES["val"].scaled(SCALE).images
    told = parts["dvc repro, nothing to do"].taken.said
    assert "Running stage 'look@coco'" in told and told.count("Running stage") == 1
    told = parts["dvc status in a clone"].taken.said  # what a source holds is not in DVC's cache
    assert [line for line in told.splitlines() if line[:1].strip()] == ["look@coco:", "fetch@coco:"]


def found(part: Part, name: str) -> object:
    return part.found[name]
