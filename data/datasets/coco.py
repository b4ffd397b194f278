"""COCO 2017 person keypoints, in the official layout: checked rows for training, untouched truth.

ROOT/annotations/person_keypoints_{train,val}2017.json, ROOT/{train,val}2017/*.jpg and, where given,
ROOT/person_detection_results/COCO_val2017_detections_AP_H_56_person.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from data.datasets.sources.coco_json import (
    Rows,
    person_category,
    read_truth,
    samples_of,
    truth_of,
)
from data.ground.data_set import Archive, Counted, DataSet, Layout, accept
from data.ground.sample import Pose, Reject, Sample
from data.ground.skeleton import load_skeleton

ROWS = Rows(load_skeleton("coco"))


class Coco(DataSet):
    """Person keypoints of COCO 2017."""

    SKELETON = ROWS.skeleton
    SPLITS = ("train", "val")
    EVALUATORS = ("oks", "keypoint_distance")
    PUBLISHED: Mapping[str, Counted] = {"val": Counted(images=5000)}
    LAYOUT = Layout(
        told="COCO's official layout (annotations/person_keypoints_{train,val}2017.json, "
        "train2017/, val2017/, optionally person_detection_results/*.json)",
        folders=("train2017", "val2017"),
        needed=(
            ("annotations/person_keypoints_train2017.json",),
            ("annotations/person_keypoints_val2017.json",),
        ),
        optional=("person_detection_results/*.json",),
        archives=(
            Archive(
                "annotations/annotations_trainval2017.zip",
                252907541,
                "md5:f4bbac642086de4f52a3fdda2de5fa2c",
            ),
            Archive("zips/val2017.zip", 815585330, "md5:442b8da7639aecaf257c1dceb8ba8c80"),
            Archive("zips/train2017.zip", 19336861798, "md5:cced6f7f71b7629ddf16f17bbcfab6b2"),
        ),
        official="images.cocodataset.org",
    )

    def truth_file(self, root: Path, split: str) -> Path:
        return root / "annotations" / f"person_keypoints_{split}2017.json"

    def detections_file(self, root: Path, split: str) -> Path | None:
        """The detector's person boxes that the SimpleBaseline and HRNet papers use, where given."""
        name = f"COCO_{split}2017_detections_AP_H_56_person.json"
        path = root / "person_detection_results" / name
        return path if path.is_file() else None

    def person_category(self, root: Path, split: str) -> int:
        return person_category(read_truth(self.truth_file(root, split), ROWS), ROWS)

    def images_folder(self, root: Path, split: str) -> Path:
        return root / f"{split}2017"

    def check_truth(self, root: Path, split: str) -> None:
        read_truth(self.truth_file(root, split), ROWS)

    def samples(self, root: Path, split: str, reject: Reject = accept) -> Iterator[Sample]:
        content = read_truth(self.truth_file(root, split), ROWS)
        return samples_of(content, self.images_folder(root, split), split, reject, ROWS)

    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        return truth_of(read_truth(self.truth_file(root, split), ROWS), ROWS)
