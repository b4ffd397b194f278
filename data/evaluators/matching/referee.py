"""COCO's numbers by pycocotools itself, from poses in memory: what our own are held against."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.evaluators.matching.matches import OksMatches
from data.ground.sample import Pose, box_around

CATEGORY = 1
Poses = Mapping[int, Sequence[Pose]]


def referee(truth: Poses, predicted: Poses, sigmas: Sequence[float]) -> Any:
    """A pycocotools COCOeval that has run: its `stats` are the ten numbers. Prints nothing."""
    from pycocotools.cocoeval import COCOeval

    images = [{"id": image_id} for image_id in truth]
    with contextlib.redirect_stdout(io.StringIO()):
        ours = coco_dataset(images, truth, annotation), coco_dataset(images, predicted, detection)
        evaluation = COCOeval(*ours, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def referee_matches(evaluation: Any) -> OksMatches:
    """What `referee` matched, people of all areas."""
    images = list(evaluation.params.imgIds)
    found = evaluation.evalImgs[: len(images)]  # the first area range is "all"
    thresholds = len(evaluation.params.iouThrs)
    of = [[] if e is None else e["dtScores"] for e in found]
    return OksMatches(
        image_ids=np.array(images, dtype=np.int64),
        positives=np.array([0 if e is None else _positives(e) for e in found], dtype=np.int64),
        image_index=np.repeat(np.arange(len(of)), [len(s) for s in of]).astype(np.int64),
        scores=np.array([score for s in of for score in s], dtype=np.float64),
        hit=_columns(found, "dtMatches", thresholds) > 0,
        ignored=_columns(found, "dtIgnore", thresholds) > 0,
    )


def _positives(found: dict[str, Any]) -> int:
    return int(np.count_nonzero(np.asarray(found["gtIgnore"]) == 0))


def _columns(found: Sequence[Any], key: str, thresholds: int) -> np.ndarray:
    columns = [np.asarray(e[key]).reshape(thresholds, -1) for e in found if e is not None]
    return np.concatenate([np.zeros((thresholds, 0)), *columns], axis=1)


def coco_dataset(images: list[dict[str, Any]], poses: Poses, row: Any) -> Any:
    """A COCO object in memory; ids count from 1 (0 means unmatched in COCOeval)."""
    from pycocotools.coco import COCO

    coco = COCO()
    every = ((image_id, pose) for image_id, of_image in poses.items() for pose in of_image)
    rows = [{"id": number, "image_id": i, "category_id": CATEGORY, **row(pose)}
            for number, (i, pose) in enumerate(every, start=1)]  # fmt: skip
    coco.dataset = {"images": images, "annotations": rows, "categories": [{"id": CATEGORY}]}
    coco.createIndex()
    return coco


def annotation(pose: Pose) -> dict[str, Any]:
    return {
        "keypoints": _flat(pose.keypoints_image, pose.visibility),
        "num_keypoints": pose.counted_keypoints,
        "bbox": list(pose.box_image),
        "area": float(pose.area),
        "iscrowd": int(pose.is_crowd),
    }


def detection(pose: Pose) -> dict[str, Any]:
    """As COCO.loadRes makes it of a results file: area and box span the keypoints."""
    box = box_around(pose.keypoints_image)
    return {
        "keypoints": _flat(pose.keypoints_image, np.ones(len(pose.keypoints_image))),
        "score": float(pose.score),
        "bbox": list(box),
        "area": box[2] * box[3],
        "iscrowd": 0,
    }


def _flat(points: np.ndarray, third: np.ndarray) -> list[float]:
    flat: list[float] = np.column_stack([points, third]).astype(np.float64).ravel().tolist()
    return flat
