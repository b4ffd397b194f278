"""A network and batches in, poses in image pixels out; scores and OKS-NMS of those from crops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data import EVALUATORS
from data.evaluators.nms import oks_nms, oks_nms_of_images
from data.sample import Batch, Decoded, Pose, WholeBatch
from data.skeletons import Skeleton
from data.transforms import box_to_view
from pipelines.detections import Boxes
from pipelines.recipe import Evaluation

ByImage = dict[int, list[Pose]]  # image id -> poses, best first
IMAGE_MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB: what every pretrained trunk here was fed
IMAGE_STD = (0.229, 0.224, 0.225)
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Predictions:
    """Poses in image pixels: sample_id [N], keypoints_image [N, K, 2], scores [N, K].

    In the order of the batches; crops have one pose each, whole images any number of them.
    pose_scores [N]: as the codec scores whole poses, NaN where it does not (crops).
    """

    sample_id: np.ndarray
    keypoints_image: np.ndarray
    scores: np.ndarray
    pose_scores: np.ndarray


def normalise(images: Tensor, pixels: str = "imagenet_rgb") -> Tensor:
    """uint8 [B, H, W, 3] RGB -> float32 [B, 3, H, W] on the same device, as a recipe's `pixels`."""
    channels = images.float()
    if pixels == "openpose_bgr":
        return ((channels - 128.0) * (1 / 256)).flip(3).permute(0, 3, 1, 2)
    mean = torch.tensor(IMAGE_MEAN, device=images.device) * 255.0
    scale = 1.0 / (torch.tensor(IMAGE_STD, device=images.device) * 255.0)
    ordered = channels.flip(3) if pixels == "imagenet_bgr" else channels
    return ((ordered - mean) * scale).permute(0, 3, 1, 2)


def fed(network: nn.Module, images: Tensor) -> Tensor:
    """Images as the network was built to see them (`pixels`, which build_architecture sets)."""
    return normalise(images, getattr(network, "pixels", "imagenet_rgb"))


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision as the recipe names it; fp32 is no context at all."""
    if precision not in PRECISIONS:
        return nullcontext()
    return torch.autocast(device.type, dtype=PRECISIONS[precision])


def predict(
    network: nn.Module,
    codec: Any,
    skeleton: Skeleton,
    batches: Iterable[Batch] | Iterable[WholeBatch],
    device: torch.device | str,
    *,
    flip_test: bool,
    precision: str = "fp32",
) -> Predictions:
    """Poses of all crops or images; `flip_test`: fields are merged with those of the mirrored."""
    modes = (flip_test,)
    return _predict(network, codec, skeleton, batches, device, modes, precision)[0]


def predict_both(
    network: nn.Module,
    codec: Any,
    skeleton: Skeleton,
    batches: Iterable[Batch] | Iterable[WholeBatch],
    device: torch.device | str,
    *,
    precision: str = "fp32",
) -> tuple[Predictions, Predictions]:
    """(without flip test, with flip test) from one pass over all and one over all mirrored."""
    modes = (False, True)
    both = _predict(network, codec, skeleton, batches, device, modes, precision)
    return both[0], both[1]


@torch.inference_mode()
def _predict(
    network: nn.Module,
    codec: Any,
    skeleton: Skeleton,
    batches: Iterable[Batch] | Iterable[WholeBatch],
    device: torch.device | str,
    modes: tuple[bool, ...],
    precision: str,
) -> list[Predictions]:
    device = torch.device(device)
    was_training = network.training
    network.eval()
    parts: list[list[Predictions]] = [[] for _ in modes]
    for batch in batches:
        shown = [batch.images, *getattr(batch, "others", ())]  # the image at each scale
        images = [fed(network, each.to(device, non_blocking=True)) for each in shown]
        size = images[0].shape[3], images[0].shape[2]  # whole images have one each
        plain = [_paint(network, each, precision) for each in images]
        for part, flip in zip(parts, modes, strict=True):
            passes = plain
            if flip:
                mirrored = (_paint(network, each.flip(3), precision) for each in images)
                passes = [*plain, *(codec.mirror(each, skeleton) for each in mirrored)]
            stages = codec.merge(*passes) if len(passes) > 1 else passes[0]
            part.append(in_image(codec.decode(stages, size), batch))
    network.train(was_training)
    return [join(part, len(skeleton.keypoints)) for part in parts]


def _paint(network: nn.Module, images: Tensor, precision: str) -> list[dict[str, Tensor]]:
    """Fields in float32 whatever the precision: decoding wants the last bits."""
    with autocast(images.device, precision):
        stages = network(images)
    return [{name: field.float() for name, field in stage.items()} for stage in stages]


def in_image(decoded: Decoded, batch: Batch | WholeBatch) -> Predictions:
    """Input pixels -> image pixels, by each crop's own affine."""
    rows = decoded.batch_index.cpu()
    matrix = batch.to_image[rows].double()  # [N, 2, 3]
    points = decoded.keypoints_input.cpu().double()  # [N, K, 2]
    keypoints_image = points @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
    scores = decoded.scores.cpu().float()
    whole = decoded.pose_scores
    pose_scores = torch.full((len(rows),), torch.nan) if whole is None else whole.cpu().float()
    return Predictions(
        batch.sample_id[rows].numpy(), keypoints_image.numpy(), scores.numpy(), pose_scores.numpy()
    )


def join(parts: Sequence[Predictions], keypoints: int) -> Predictions:
    """All parts as one; without any, no poses of so many keypoints."""
    if not parts:
        shape = (0, keypoints)
        nothing = np.zeros(0, np.float32)
        return Predictions(
            np.zeros(0, np.int64), np.zeros((*shape, 2)), np.zeros(shape, np.float32), nothing
        )
    columns = ("sample_id", "keypoints_image", "scores", "pose_scores")
    return Predictions(*(np.concatenate([getattr(p, c) for p in parts]) for c in columns))


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

    Score: box score x mean of the keypoint scores above `threshold`, 0 where none is (the
    SimpleBaseline and HRNet code's rescoring).
    """
    above = predictions.scores > threshold
    total = np.where(above, predictions.scores, 0.0).sum(axis=1, dtype=np.float64)
    person_scores = np.asarray(box_scores) * total / np.maximum(above.sum(axis=1), 1)
    present = np.full(predictions.scores.shape[1], 2, dtype=np.int64)
    return [
        Pose(
            keypoints_image=predictions.keypoints_image[row],
            visibility=present,
            box_image=_box(boxes_image[row]),
            area=float(areas[row]),
            id=int(predictions.sample_id[row]),
            score=float(person_scores[row]),
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
