"""HigherHRNet's inference as its paper and code describe it, plainly: slow, and easy to check.

All fields are enlarged to the input; people are lists; every pixel of every map is looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from torch.nn import functional as F

from data.codecs.associative_embedding import AssociativeEmbedding
from data.ground.sample import Fields

COCO_ORDER = [n - 1 for n in (1, 2, 3, 4, 5, 6, 7, 12, 13, 8, 9, 10, 11, 14, 15, 16, 17)]
Person = dict[str, Any]  # "peaks": {keypoint: (x, y, score, tags)}, "tags": what it is known by


def enlarged(field: np.ndarray, width: int, height: int) -> np.ndarray:
    """[..., h, w] -> [..., height, width], bilinear, pixel by pixel along each axis."""
    return along_rows(along_rows(field, width).swapaxes(-1, -2), height).swapaxes(-1, -2)


def along_rows(field: np.ndarray, pixels: int) -> np.ndarray:
    cells, columns = field.shape[-1], []
    for pixel in range(pixels):
        at = max((pixel + 0.5) * cells / pixels - 0.5, 0.0)
        low = min(int(at), cells - 1)
        share = field.dtype.type(at - low)
        rest = field.dtype.type(1.0 - (at - low))
        columns.append(rest * field[..., low] + share * field[..., min(low + 1, cells - 1)])
    return np.stack(columns, -1)


def fields_at_input(
    stages: list[Fields], image: int, size: tuple[int, int], scale: str = "all"
) -> tuple[np.ndarray, np.ndarray]:
    """heatmaps float32 [K, H, W], of both scales or one; tags float64 [K, H, W, T]."""
    heatmaps = [stage["heatmaps"][image : image + 1] for stage in stages]
    heatmaps = {"all": heatmaps, "coarse": heatmaps[:1], "fine": heatmaps[-1:]}[scale]
    keypoints, finest = heatmaps[-1].shape[1:2][0], heatmaps[-1].shape[2:]
    same = [F.interpolate(h, size=finest, mode="bilinear", align_corners=False) for h in heatmaps]
    heat = (sum(same[1:], same[0]) / len(same))[0].numpy()
    tags = [stage["tags"] for stage in stages if "tags" in stage][-1][image].double().numpy()
    tags = enlarged(enlarged(tags, finest[1], finest[0]), *size)
    passes = len(tags) // keypoints
    apart = tags.reshape(passes, keypoints, size[1], size[0])
    return enlarged(heat, *size), np.moveaxis(apart, 0, -1)


def peaks_of(
    heat: np.ndarray, tags: np.ndarray, codec: AssociativeEmbedding
) -> list[tuple[int, int, float, np.ndarray]]:
    """(x, y, score, tags) of one keypoint, best first."""
    reach, found = codec.nms_kernel // 2, []
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(heat, reach, constant_values=-np.inf), (codec.nms_kernel, codec.nms_kernel)
    )
    highest = (heat == windows.max((2, 3))) & (heat > np.float32(codec.detection_threshold))
    for y, x in np.argwhere(highest):
        near = heat[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        ys, xs = np.nonzero(near == heat[y, x])
        first = ys[0] + max(y - reach, 0), xs[0] + max(x - reach, 0)
        if codec.grouping == "gated" and first != (y, x):
            continue  # of equal pixels the first alone
        found.append((int(x), int(y), float(heat[y, x]), tags[y, x]))
    found.sort(key=lambda peak: (-peak[2], peak[1], peak[0]))
    return found[: codec.max_people]


def grouped(
    heat: np.ndarray, tags: np.ndarray, codec: AssociativeEmbedding, order: list[int]
) -> list[Person]:
    people: dict[float, Person] = {}  # gated: by number; reference: by the tag's first value
    for k in order:
        peaks = peaks_of(heat[k], tags[k], codec)
        known = list(people)
        if codec.grouping == "reference":
            known = known[: codec.max_people]
        means = [np.mean(people[name]["tags"], axis=0) for name in known]
        distance = np.array([[np.sqrt(((p[3] - m) ** 2).sum()) for m in means] for p in peaks])
        distance = distance.reshape(len(peaks), len(means))
        cost = np.round(distance) * 100 - np.array([p[2] for p in peaks]).reshape(-1, 1)
        if codec.grouping == "gated":
            cost = np.where(distance < codec.tag_threshold, cost, 1e7)
        pairs = dict(zip(*(side.tolist() for side in linear_sum_assignment(cost)), strict=True))
        for row, peak in enumerate(peaks):
            if row in pairs and distance[row, pairs[row]] < codec.tag_threshold:
                person = people[known[pairs[row]]]
                person["tags"].append(peak[3])
            else:
                name = len(people) if codec.grouping == "gated" else float(peak[3][0])
                person = people.setdefault(name, {"peaks": {}})
                person["tags"] = [peak[3]]
            person["peaks"][k] = peak
    return list(people.values())


def quarter(heat: np.ndarray, x: int, y: int) -> tuple[float, float]:
    height, width = heat.shape
    right = heat[y, min(x + 1, width - 1)] > heat[y, max(x - 1, 0)]
    down = heat[min(y + 1, height - 1), x] > heat[max(y - 1, 0), x]
    return x + 0.5 + (0.25 if right else -0.25), y + 0.5 + (0.25 if down else -0.25)


def plain_decode(
    codec: AssociativeEmbedding,
    stages: list[Fields],
    image: int,
    size: tuple[int, int],
    order: list[int] = COCO_ORDER,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(keypoints_input [N, K, 2], scores [N, K], pose scores [N]) at resolution exact."""
    heat, tags = fields_at_input(stages, image, size, codec.scale)
    people = grouped(heat, tags, codec, order)
    points = np.zeros((len(people), len(heat), 2))
    scores = np.zeros((len(people), len(heat)))
    for n, person in enumerate(people):
        for k, (x, y, score, _) in person["peaks"].items():
            points[n, k], scores[n, k] = quarter(heat[k], x, y), score
    pose_scores = scores.mean(1) if len(people) else np.zeros(0)
    for n, person in enumerate(people if codec.refine else []):
        mean = np.mean([person["peaks"][k][3] for k in sorted(person["peaks"])], axis=0)
        for k in set(range(len(heat))) - set(person["peaks"]):
            distance = np.sqrt(((tags[k] - mean) ** 2).sum(-1))
            y, x = np.unravel_index(np.argmax(heat[k] - np.round(distance)), distance.shape)
            if heat[k, y, x] > 0:
                points[n, k], scores[n, k] = quarter(heat[k], int(x), int(y)), heat[k, y, x]
    return points, scores, pose_scores


def plain_heatmaps(
    keypoints: np.ndarray, visibility: np.ndarray, sigma: int, stride: int, size: tuple[int, int]
) -> np.ndarray:
    """[K, h, w] of one image, person by person, cell by cell; keypoints [N, K, 2] in pixels."""
    width, height = size[0] // stride, size[1] // stride
    maps = np.zeros((keypoints.shape[1], height, width))
    for n, k in np.argwhere(visibility > 0):
        x, y = (int(value) for value in keypoints[n, k] / stride)
        if not (0 <= x < width and 0 <= y < height):
            continue
        for row in range(max(0, y - 3 * sigma - 1), min(height, y + 3 * sigma + 2)):
            for column in range(max(0, x - 3 * sigma - 1), min(width, x + 3 * sigma + 2)):
                squared = (column - x) ** 2 + (row - y) ** 2
                value = np.exp(-squared / (2 * sigma**2))
                maps[k, row, column] = max(maps[k, row, column], value)
    return maps
