"""CrowdPose: json of COCO's kind with 14 keypoints, and how crowded each image is.

ROOT/json/crowdpose_{train,val,test,trainval}.json (or in ROOT/annotations), ROOT/images/*.jpg.
Rows tell no area: its evaluation (crowdposetools) takes 0.53 of the box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.datasets.sources import coco_json
from data.ground.data_set import Counted, DataSet, Layout, accept
from data.ground.json_text import finite, whole
from data.ground.refusal import refusal
from data.ground.sample import AREA_OF_BOX, Pose, Reject, Sample
from data.ground.skeleton import load_skeleton

FOLDERS = ("json", "annotations")
ROWS = coco_json.Rows(
    load_skeleton("crowdpose"),
    told="CrowdPose's layout (json/crowdpose_{train,val,test,trainval}.json, images/)",
    others=(("head", "top_head"),),
    box_share=AREA_OF_BOX,
)


class CrowdPose(DataSet):
    """14 keypoints in crowded images."""

    SKELETON = ROWS.skeleton
    SPLITS = ("train", "val", "trainval", "test")
    EVALUATORS = ("crowdpose", "keypoint_distance")
    PUBLISHED: Mapping[str, Counted] = {"test": Counted(images=8000)}
    LAYOUT = Layout(
        told=ROWS.told,
        folders=("images",),
        needed=tuple(
            tuple(f"{folder}/crowdpose_{split}.json" for folder in FOLDERS) for split in SPLITS
        ),
    )

    def truth_file(self, root: Path, split: str) -> Path:
        paths = [root / folder / f"crowdpose_{split}.json" for folder in FOLDERS]
        return next((path for path in paths if path.is_file()), paths[0])

    def check_truth(self, root: Path, split: str) -> None:
        read_truth(self.truth_file(root, split))

    def samples(self, root: Path, split: str, reject: Reject = accept) -> Iterator[Sample]:
        content = read_truth(self.truth_file(root, split))
        return coco_json.samples_of(content, root / "images", split, reject, ROWS)

    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        """All people of every image id, each with the crowd index of its image."""
        content = read_truth(self.truth_file(root, split))
        index = {whole(image.get("id")): float(image["crowdIndex"]) for image in content["images"]}
        return {
            image_id: [replace(pose, crowd_index=index[image_id]) for pose in people]
            for image_id, people in coco_json.truth_of(content, ROWS).items()
        }


def read_truth(path: Path) -> Mapping[str, Any]:
    """The json. Raises ValueError where it is none, or tells no crowd index."""
    content = coco_json.read_truth(path, ROWS)
    for n, image in enumerate(content["images"]):
        index = image.get("crowdIndex")
        number = finite(index)
        if number is None or not 0 <= number <= 1:
            accepted = "a number from 0 to 1, as CrowdPose's files have it"
            raise refusal(f"{path}: images[{n}]: crowdIndex", given=index, accepted=accepted)
    return content
