"""What a network said, as poses in image pixels, image by image: scores, OKS-NMS, who is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data.ground.sample import Pose
from data.menus import EVALUATORS
from data.views.geometry import box_to_view
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.nms import oks_nms, oks_nms_of_images
from pipelines.prediction.readout import Predictions, best_first, person_scores, span
from pipelines.recipe.schema import Evaluation

ByImage = dict[int, list[Pose]]  # image id -> poses, best first
LEAST = 0.1  # of the best score of an image: who is drawn


def view_areas(
    boxes_image: np.ndarray, input_size: tuple[int, int], aligned: bool = False
) -> np.ndarray:
    """Area [N] of each box's padded view: what the official code's OKS-NMS divides by."""
    views = (box_to_view(box, input_size, aligned) for box in boxes_image)
    return np.array([view.size[0] * view.size[1] for view in views], dtype=np.float64)


def to_poses(
    predictions: Predictions,
    boxes_image: np.ndarray,
    box_scores: np.ndarray,
    areas: np.ndarray,
    threshold: float = 0.2,
) -> list[Pose]:
    """Poses in the predictions' order; boxes [N, 4], box scores [N] and areas [N] likewise.

    Score: `person_scores`.
    """
    scores = person_scores(predictions.scores, box_scores, threshold)
    present = np.full(predictions.scores.shape[1], 2, dtype=np.int64)
    return [
        Pose(
            keypoints_image=predictions.keypoints_image[row],
            visibility=present,
            box_image=_box(boxes_image[row]),
            area=float(areas[row]),
            id=int(predictions.sample_id[row]),
            score=float(scores[row]),
            keypoint_scores=predictions.scores[row],
        )
        for row in range(len(predictions.sample_id))
    ]


def _box(box: np.ndarray) -> tuple[float, float, float, float]:
    x, y, width, height = (float(value) for value in box)
    return x, y, width, height


def suppress(
    poses: Sequence[Pose], sigmas: Sequence[float], nms_threshold: float = 0.9
) -> list[Pose]:
    """Poses of ONE image, best first, without those too like (OKS above threshold) a better one."""
    if not poses:
        return []
    keypoints = np.stack([pose.keypoints_image for pose in poses])
    scores = np.array([pose.score for pose in poses])
    areas = np.array([pose.area for pose in poses])
    kept = oks_nms(keypoints, scores, areas, np.asarray(sigmas), nms_threshold)
    return [poses[row] for row in kept]


def poses_by_image(
    predictions: Predictions,
    boxes: Boxes,
    input_size: tuple[int, int],
    aligned: bool,
    evaluation: Evaluation,
    sigmas: Sequence[float],
) -> ByImage:
    """What evaluation scores: `sample_id` are rows of `boxes`; images without boxes are absent.

    An evaluator that knows who each pose is of (`by_person`) gets all of them, under the persons'
    ids; for others those too like a better one are left out.
    """
    rows = predictions.sample_id
    boxes_image = boxes.box_image[rows]
    areas = view_areas(boxes_image, input_size, aligned)
    threshold = evaluation.keypoint_threshold
    poses = to_poses(predictions, boxes_image, boxes.score[rows], areas, threshold)
    image_ids, scores = boxes.image_id[rows], np.array([pose.score for pose in poses])
    given = (predictions.keypoints_image, scores, areas, sigmas, evaluation.nms_threshold)
    groups: ByImage = {int(image_id): [] for image_id in image_ids}
    if EVALUATORS[evaluation.evaluator].by_person:
        assert boxes.person_id is not None, "check_recipe: such an evaluator goes by true boxes"
        for image_id, person, pose in zip(image_ids, boxes.person_id[rows], poses, strict=True):
            groups[int(image_id)].append(replace(pose, id=int(person)))
        return groups
    for row in oks_nms_of_images(image_ids, *given):
        groups[int(image_ids[row])].append(poses[row])
    return groups


def sure_people(poses: Sequence[Pose], threshold: float) -> list[Pose]:
    """Who is drawn of an image: without keypoints of a score up to `threshold`, and without people
    of less than a tenth of the best one's score, as grouping makes of what is left over."""
    best = max((pose.score for pose in poses), default=0.0)
    return [_sure_of(pose, threshold) for pose in poses if pose.score >= LEAST * best]


def _sure_of(pose: Pose, threshold: float) -> Pose:
    assert pose.keypoint_scores is not None
    return replace(pose, visibility=np.where(pose.keypoint_scores > threshold, 2, 0))


def people_by_image(predictions: Predictions, image_ids: Sequence[int]) -> ByImage:
    """Poses of every image, best first; `sample_id` are rows of `image_ids`.

    A pose's box and area span the keypoints that were found (score above 0).
    """
    people: ByImage = {int(image_id): [] for image_id in image_ids}
    for n in best_first(predictions):
        keypoints, scores = predictions.keypoints_image[n], predictions.scores[n]
        box = span(keypoints, scores)
        pose = Pose(
            keypoints_image=keypoints,
            visibility=np.where(scores > 0, 2, 0),
            box_image=box,
            area=box[2] * box[3],
            id=int(n),
            score=float(predictions.pose_scores[n]),
            keypoint_scores=scores,
        )
        people[int(image_ids[int(predictions.sample_id[n])])].append(pose)
    return people
