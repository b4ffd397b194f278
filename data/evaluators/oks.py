"""COCO keypoint AP and AR by pycocotools, from poses in memory; OKS-NMS."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from data.evaluators.matches import OksMatches
from data.sample import Pose
from data.skeletons import Skeleton

NAMES = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
CATEGORY = 1


class OksEvaluator:
    """Collects poses per image; every image added counts, one without people too."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self._truth: dict[int, list[Pose]] = {}
        self._predicted: dict[int, list[Pose]] = {}
        self._done: COCOeval | None = None

    def add(self, image_id: int, predicted: Sequence[Pose], truth: Sequence[Pose]) -> None:
        """One image: truth is all its annotations, crowds and people without keypoints too."""
        if image_id in self._truth:
            raise ValueError(f"image {image_id} is added twice; give all its poses at once")
        self._truth[image_id], self._predicted[image_id] = list(truth), list(predicted)
        self._done = None

    def result(self) -> dict[str, float]:
        """The ten COCO numbers as fractions; -1 where there is nothing to find."""
        evaluation = self._evaluation()
        return {name: float(v) for name, v in zip(NAMES, evaluation.stats, strict=True)}

    def matches(self) -> OksMatches:
        evaluation = self._evaluation()
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

    def _evaluation(self) -> COCOeval:
        if self._done is None:
            with contextlib.redirect_stdout(io.StringIO()):
                self._done = self._evaluate()
        return self._done

    def _evaluate(self) -> COCOeval:
        images = [{"id": image_id} for image_id in self._truth]
        truth = _dataset(images, self._truth, _annotation)
        predicted = _dataset(images, self._predicted, _detection)
        evaluation = COCOeval(truth, predicted, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(self.skeleton.sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return evaluation


def _positives(found: dict[str, Any]) -> int:
    return int(np.count_nonzero(np.asarray(found["gtIgnore"]) == 0))


def _columns(found: Sequence[Any], key: str, thresholds: int) -> np.ndarray:
    columns = [np.asarray(e[key]).reshape(thresholds, -1) for e in found if e is not None]
    return np.concatenate([np.zeros((thresholds, 0)), *columns], axis=1)


def _dataset(images: list[dict[str, Any]], poses: dict[int, list[Pose]], row: Any) -> COCO:
    """A COCO object in memory; ids count from 1 (0 means unmatched in COCOeval)."""
    coco = COCO()
    every = ((image_id, pose) for image_id, of_image in poses.items() for pose in of_image)
    rows = [{"id": number, "image_id": i, "category_id": CATEGORY, **row(pose)}
            for number, (i, pose) in enumerate(every, start=1)]  # fmt: skip
    coco.dataset = {"images": images, "annotations": rows, "categories": [{"id": CATEGORY}]}
    coco.createIndex()
    return coco


def _annotation(pose: Pose) -> dict[str, Any]:
    return {
        "keypoints": _flat(pose.keypoints_image, pose.visibility),
        "num_keypoints": int(np.count_nonzero(pose.visibility > 0)),
        "bbox": list(pose.box_image),
        "area": float(pose.area),
        "iscrowd": int(pose.is_crowd),
    }


def _detection(pose: Pose) -> dict[str, Any]:
    """As COCO.loadRes makes it of a results file: area and box span the keypoints."""
    low, high = pose.keypoints_image.min(axis=0), pose.keypoints_image.max(axis=0)
    width, height = (high - low).tolist()
    return {
        "keypoints": _flat(pose.keypoints_image, np.ones(len(pose.keypoints_image))),
        "score": float(pose.score),
        "bbox": [float(low[0]), float(low[1]), width, height],
        "area": width * height,
        "iscrowd": 0,
    }


def _flat(points: np.ndarray, third: np.ndarray) -> list[float]:
    flat: list[float] = np.column_stack([points, third]).astype(np.float64).ravel().tolist()
    return flat


def oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    threshold: float,
) -> list[int]:
    """Rows kept, best first: each drops those after it whose OKS with it is above `threshold`.

    keypoints [N, K, 2], scores [N], areas [N]. As the official code: all keypoints count, the
    area is the mean of both, of equal scores the later goes first.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    points = np.asarray(keypoints, dtype=np.float64)[order]
    area = np.asarray(areas, dtype=np.float64)[order]
    variance = (2 * np.asarray(sigmas, dtype=np.float64)) ** 2
    alive = np.ones(len(order), dtype=bool)
    kept = []
    for row in range(len(order)):
        if not alive[row]:
            continue
        kept.append(int(order[row]))
        after = slice(row + 1, None)
        squared = ((points[after] - points[row]) ** 2).sum(-1)  # [M, K]
        mean_area = (area[after] + area[row]) / 2 + np.spacing(1)
        oks = np.exp(-squared / variance / mean_area[:, None] / 2).mean(-1)
        alive[after] &= oks <= threshold
    return kept
