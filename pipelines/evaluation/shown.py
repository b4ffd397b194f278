"""Pages of one image: recipes' poses beside each other; heatmaps of keypoints, scale by scale.

A scale's name is the height in cells that a heatmap has at the recipe's input size: 128 and 256 of
a network that paints 512 pixels at strides 4 and 2, 64 of crops 192 wide and 256 high at stride 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from data.files.images import read_image
from data.ground.refusal import refusal
from data.ground.sample import Fields, Pose, WholeBatch
from data.ground.skeleton import Skeleton
from data.views.geometry import invert, move
from pipelines.evaluation.chosen import Chosen
from pipelines.pictures.columns import below, beside, captioned, fitted
from pipelines.pictures.fields import field_picture
from pipelines.pictures.people import draw_poses
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.pixels import normalise
from pipelines.prediction.poses import sure_people
from pipelines.prediction.reading import trained_feed
from pipelines.prediction.trained import Trained

HEATMAPS = "heatmaps"
WIDE = 640  # pixels of an image's longer side on a page of poses
WHOLE, CROP = 480, 320  # of a tile on a page of heatmaps
PEOPLE = 4  # crops of an image there
SAME = 0.5  # IoU above which a detector's boxes are of one person


@dataclass(frozen=True)
class Shown:
    """A trained recipe, and the boxes that it reads the chosen images from (None: none)."""

    name: str
    trained: Trained
    boxes: Boxes | None


def poses_page(
    image: np.ndarray,
    truth: Sequence[Pose] | None,
    found: Mapping[str, Sequence[Pose]],
    skeleton: Skeleton,
    threshold: Mapping[str, float],
) -> np.ndarray:
    """original | truth, where it is known | each recipe's poses, by its name.

    threshold: by name, of the keypoints that are drawn.
    """
    columns = [("original", image)]
    if truth is not None:
        columns.append(("truth", draw_poses(image, truth, skeleton)))
    for name, poses in found.items():
        sure = sure_people(poses, threshold[name])
        columns.append((name, draw_poses(image, sure, skeleton)))
    return beside([captioned(fitted(picture, WIDE), title) for title, picture in columns])


def scales_of(trained: Trained, name: str) -> dict[int, int]:
    """Scale -> the last stage that paints heatmaps of it. Raises ValueError where none does."""
    painted = {
        stage[HEATMAPS].shape(trained.input_size)[1]: n
        for n, stage in enumerate(trained.network.outputs)
        if HEATMAPS in stage
    }
    if not painted:
        raise refusal(
            "--keypoints",
            fault=f"{name} paints no heatmaps",
            accepted="a recipe whose network does",
        )
    return painted


def stages_of(trained: Trained, name: str, scale: int | None) -> dict[int, int]:
    """`scales_of`, or of one scale alone. Raises ValueError for one that the recipe has not."""
    painted = scales_of(trained, name)
    if scale is None:
        return painted
    if scale not in painted:
        accepted = f"{', '.join(map(str, painted))} (cells high, {name})"
        raise refusal("--scale", given=scale, accepted=accepted)
    return {scale: painted[scale]}


def heatmaps_page(
    shown: Sequence[Shown],
    chosen: Chosen,
    image_id: int,
    keypoints: Sequence[str],
    scale: int | None = None,
) -> np.ndarray:
    """Each recipe's block beside the others: the input, then written | painted at each scale.

    A row per keypoint where the recipe reads whole images; per person where it reads crops.
    """
    blocks = [heatmaps_block(each, chosen, image_id, keypoints, scale) for each in shown]
    return beside(blocks)


@torch.inference_mode()
def heatmaps_block(
    shown: Shown, chosen: Chosen, image_id: int, keypoints: Sequence[str], scale: int | None
) -> np.ndarray:
    """Of one recipe; without what would be written where nobody labelled the people fed."""
    trained, stages = shown.trained, stages_of(shown.trained, shown.name, scale)
    names, channels = trained.skeleton.keypoints, trained.codec.keypoint_channels(trained.skeleton)
    side = WHOLE if shown.boxes is None else CROP
    boxes = None if shown.boxes is None else surest(shown.boxes, image_id)
    feed = trained_feed(trained, boxes, {image_id: chosen.files[image_id]})
    rows = []
    for batch in feed.batches(feed.groups(1)[:PEOPLE]):
        row = int(batch.sample_id[0])
        people = people_of(chosen, image_id, boxes, row)
        pair = written_and_painted(trained, batch, people)
        image = batch.images[0].numpy()
        tiles = {
            name: heatmap_tiles(image, name, pair, stages, channels[names.index(name)], side)
            for name in keypoints
        }
        if boxes is None:
            rows += [beside([captioned(fitted(image, side), k), *of]) for k, of in tiles.items()]
        else:
            who = captioned(fitted(image, side), f"person {row + 1} of {len(boxes)}")
            rows.append(beside([who, *(tile for of in tiles.values() for tile in of)]))
    if not rows:
        rows = [captioned(fitted(read_image(chosen.files[image_id]), side), "nobody in a box")]
    return captioned(below(rows), shown.name)


def surest(boxes: Boxes, image_id: int) -> Boxes:
    """The image's boxes, the surest first, then the largest; of a detector's those on one person
    (IoU above 0.5) once."""
    own = boxes.of_images([image_id])
    areas = own.box_image[:, 2] * own.box_image[:, 3]
    kept: list[int] = []
    for row in np.lexsort((-areas, -own.score)).tolist():
        true = own.person_id is not None
        if true or all(overlap(own.box_image[row], own.box_image[k]) <= SAME for k in kept):
            kept.append(row)
    people = None if own.person_id is None else own.person_id[kept]
    return Boxes(own.image_id[kept], own.box_image[kept], own.score[kept], person_id=people)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """IoU of two boxes (x, y, w, h)."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    both = float(np.prod(np.clip(high - low, 0, None)))
    return both / max(float(one[2] * one[3] + other[2] * other[3]) - both, 1e-9)


def people_of(
    chosen: Chosen, image_id: int, boxes: Boxes | None, row: int
) -> Sequence[Pose] | None:
    """Who is to be found in a row of the feed; None where nobody knows."""
    if chosen.truth is None or (boxes is not None and boxes.person_id is None):
        return None
    people = chosen.truth[image_id]
    if boxes is None:
        return people
    assert boxes.person_id is not None
    return [pose for pose in people if pose.id == int(boxes.person_id[row])]


def written_and_painted(
    trained: Trained, batch: Any, people: Sequence[Pose] | None
) -> dict[str, list[Fields]]:
    """Fields of a batch of one: what the codec writes of its people, what the network paints."""
    images = batch.images.to(trained.device)
    size = images.shape[2], images.shape[1]
    fields = {}
    if people is not None:
        told, network = with_people(batch, people), trained.network
        fields["written"] = trained.codec.paint(trained.codec.encode(told, network.outputs, size))
    fields["painted"] = trained.network.eval()(normalise(images, trained.recipe.pixels))
    return fields


def with_people(batch: Any, people: Sequence[Pose]) -> Any:
    """A batch of one row as the codec is to write it: with these people of its image."""
    matrix = invert(batch.to_image[0].numpy())
    points = [move(matrix, pose.keypoints_image) for pose in people]
    keypoints = torch.from_numpy(np.array(points, np.float32))
    seen = torch.from_numpy(np.array([pose.visibility for pose in people], np.int64))
    if isinstance(batch, WholeBatch):
        keypoints, seen = keypoints[None], seen[None]
    return batch._replace(keypoints_input=keypoints, visibility=seen)


def heatmap_tiles(
    image: np.ndarray,
    name: str,
    pair: Mapping[str, list[Fields]],
    stages: Mapping[int, int],
    channel: int,
    side: int,
) -> list[np.ndarray]:
    """One keypoint's heatmaps over the input, at each scale written | painted."""
    tiles = []
    for scale, stage in stages.items():
        for how, fields in pair.items():
            heat = fields[stage][HEATMAPS][0, channel].float().cpu().numpy()
            picture = field_picture(image, HEATMAPS, {HEATMAPS: heat[None]}, side)
            tiles.append(captioned(picture, f"{name}, {scale} {how}"))
    return tiles
