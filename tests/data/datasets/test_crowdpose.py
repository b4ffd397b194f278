"""CrowdPose's json: rows of COCO's kind, crowd index, its own names and areas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.datasets.coco import Coco
from data.datasets.crowdpose import CrowdPose
from data.ground.sample import Rejected

NAMES = ["head" if name == "top_head" else name for name in CrowdPose.SKELETON.keypoints]
PERSON = {"id": 1, "name": "person", "keypoints": NAMES}


def image(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "width": 64, "height": 48,
            "crowdIndex": number / 10} | changes  # fmt: skip


def person(number: int, image_id: int = 1, **changes: Any) -> dict[str, Any]:
    keypoints = [v for k in range(14) for v in (k, 2 * k, 2)]
    return {"id": number, "image_id": image_id, "category_id": 1, "keypoints": keypoints,
            "bbox": [1, 2, 30, 40], "iscrowd": 0, "num_keypoints": 14} | changes  # fmt: skip


def write(root: Path, images: list[Any], people: list[Any], **changes: Any) -> None:
    path = root / "json" / "crowdpose_val.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": images, "annotations": people, "categories": [PERSON]} | changes
    path.write_text(json.dumps(content))


def test_rows_are_read_with_area_and_crowd_index(tmp_path: Path) -> None:
    nobody = person(3, 2, keypoints=[0] * 42, num_keypoints=0)
    write(tmp_path, [image(1), image(2), image(9)], [person(1), person(2, 2), nobody])
    rejected: list[Rejected] = []
    found = list(CrowdPose().samples(tmp_path, "val", rejected.append))
    assert rejected == [] and [len(s.poses) for s in found] == [1, 2, 0]
    assert found[0].image_path == tmp_path / "images" / "1.jpg"
    assert found[0].poses[0].keypoints_image[13].tolist() == [13, 26]
    assert found[0].poses[0].area == pytest.approx(0.53 * 30 * 40)
    assert len(found[1].ignore) == 1
    truth = CrowdPose().truth(tmp_path, "val")
    assert {i: [p.crowd_index for p in v] for i, v in truth.items()} == {1: [0.1], 2: [0.2] * 2,
                                                                         9: []}  # fmt: skip
    assert truth[1][0].area == pytest.approx(0.53 * 30 * 40)


def test_bad_rows_are_told(tmp_path: Path) -> None:
    wrong = [person(2, keypoints=[1] * 51), person(3, bbox=[1, 2, None, 4]), person(1)]
    write(tmp_path, [image(1)], [person(1), *wrong])
    rejected: list[Rejected] = []
    list(CrowdPose().samples(tmp_path, "val", rejected.append))
    assert [r.reason for r in rejected] == [
        "wrong number of values: keypoints", "not finite: box", "duplicate id"]  # fmt: skip


def test_other_files_are_refused(tmp_path: Path) -> None:
    for index in (None, 7.0, -0.1, "0.5", True):
        write(tmp_path, [image(1, crowdIndex=index)], [])
        said = rf"images\[0\]: crowdIndex: given {index!r}, accepted: a number from 0 to 1"
        with pytest.raises(ValueError, match=said):
            CrowdPose().truth(tmp_path, "val")
    person_of_coco = PERSON | {"keypoints": list(Coco.SKELETON.keypoints)}
    write(tmp_path, [image(1)], [], categories=[person_of_coco])
    with pytest.raises(ValueError, match=r"person has the keypoints .*accepted: \['left_shoulder"):
        list(CrowdPose().samples(tmp_path, "val"))
    with pytest.raises(ValueError, match=r"json/crowdpose_test.json: no such file"):
        list(CrowdPose().samples(tmp_path, "test"))


def test_the_files_may_lie_in_annotations(tmp_path: Path) -> None:
    write(tmp_path, [image(1)], [person(1)])
    (tmp_path / "json").rename(tmp_path / "annotations")
    assert len(CrowdPose().truth(tmp_path, "val")[1]) == 1
