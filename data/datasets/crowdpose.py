"""CrowdPose: json of COCO's kind with 14 keypoints, and how crowded each image is.

ROOT/json/crowdpose_{train,val,test,trainval}.json (or in ROOT/annotations), ROOT/images/*.jpg.
Rows tell no area: its evaluation (crowdposetools) takes 0.53 of the box.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.datasets import coco
from data.ground.sample import Layout, Pose, Reject, Sample
from data.ground.skeleton import load_skeleton

CROWDPOSE = load_skeleton("crowdpose")

SKELETON = CROWDPOSE
SPLITS = ("train", "val", "trainval", "test")
ROWS = coco.Rows(CROWDPOSE, others=(("head", "top_head"),), box_share=0.53)
FOLDERS = ("json", "annotations")
LAYOUT = Layout(
    told="CrowdPose's layout (json/crowdpose_{train,val,test,trainval}.json, images/)",
    folders=("images",),
    needed=tuple(
        tuple(f"{folder}/crowdpose_{split}.json" for folder in FOLDERS) for split in SPLITS
    ),
)


def truth_file(root: Path, split: str) -> Path:
    paths = [root / folder / f"crowdpose_{split}.json" for folder in FOLDERS]
    return next((path for path in paths if path.is_file()), paths[0])


def read_truth(path: Path) -> dict[str, Any]:
    """The json. Raises ValueError where it is none, or tells no crowd index."""
    content = coco.read_truth(path, ROWS)
    for n, image in enumerate(content["images"]):
        index = image.get("crowdIndex")
        if not isinstance(index, int | float) or not math.isfinite(index):
            raise ValueError(f"{path}: images[{n}]: crowdIndex: given {index!r}, accepted: a "
                             "number from 0 to 1, as CrowdPose's files have it")  # fmt: skip
    return content


def samples(root: Path, split: str, reject: Reject = coco.accept) -> Iterator[Sample]:
    """All images of a split with their people; unusable rows to `reject`, as COCO's."""
    content = read_truth(truth_file(root, split))
    return coco.samples_of(content, root / "images", split, reject, ROWS)


def truth(root: Path, split: str) -> dict[int, list[Pose]]:
    """All people of every image id, each with the crowd index of its image."""
    content = read_truth(truth_file(root, split))
    index = _crowd_index(content)
    return {
        image_id: [replace(pose, crowd_index=index[image_id]) for pose in people]
        for image_id, people in coco.truth_of(content, ROWS).items()
    }


def _crowd_index(content: Mapping[str, Any]) -> dict[int, float]:
    return {int(image["id"]): float(image["crowdIndex"]) for image in content["images"]}
