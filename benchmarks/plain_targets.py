"""Training targets in NumPy, person by person, as a plain loader draws them: what others are timed
against. People [N, 17, 3] (x, y in input pixels, visibility) and the input's size in, fields out.
"""

from __future__ import annotations

import numpy as np

from data.ground.skeleton import load_skeleton

COCO = load_skeleton("coco")
OPENPOSE18 = load_skeleton("openpose18")

SIGMA, PAF_SIGMA = 2.0, 7.0  # in cells; in input pixels
MOST = 30  # people of an image


def plain_tag_targets(people: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Heatmaps at strides 4 and 2, keypoint by keypoint; cells of the tags at 4."""
    reach = round(3 * SIGMA) + 1
    x = np.arange(-reach, reach + 1, dtype=np.float32)
    patch = np.exp(-(x**2 + x[:, None] ** 2) / (2 * SIGMA**2))
    made = []
    for stride in (4, 2):
        width, height = size[0] // stride, size[1] // stride
        maps = np.zeros((17, height, width), dtype=np.float32)
        cells = np.full((MOST, 17), -1, dtype=np.int64)
        for n, person in enumerate(people):
            for k, (px, py, seen) in enumerate(person):
                cx, cy = int(px / stride), int(py / stride)
                if not seen or min(cx, cy) < 0 or cx >= width or cy >= height:
                    continue
                cells[n, k] = cy * width + cx
                left, right = max(cx - reach, 0), min(cx + reach + 1, width)
                top, low = max(cy - reach, 0), min(cy + reach + 1, height)
                part = patch[top - cy + reach : low - cy + reach,
                             left - cx + reach : right - cx + reach]  # fmt: skip
                maps[k, top:low, left:right] = np.maximum(maps[k, top:low, left:right], part)
        made += [maps, cells]
    return made


def plain_limb_targets(people: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """19 heatmaps and 38 vectors at stride 8, person by person."""
    width, height = size[0] // 8, size[1] // 8
    maps = np.zeros((19, height, width), dtype=np.float32)
    fields = np.zeros((38, height, width), dtype=np.float32)
    rows, columns = np.mgrid[:height, :width]
    names = {name: k for k, name in enumerate(COCO.keypoints)}
    sigma, reach = PAF_SIGMA / 8, PAF_SIGMA / 8 * np.sqrt(-2 * np.log(0.01))
    for person in people:
        sides = person[[names["left_shoulder"], names["right_shoulder"]]]
        neck = np.array([*sides[:, :2].mean(0), sides[:, 2].min()])
        own = [neck if n == "neck" else person[names[n]] for n in OPENPOSE18.keypoints]
        cells = [((p[:2] + 0.5) / 8 - 0.5, p[2] > 0) for p in own]
        for k, ((x, y), seen) in enumerate(cells):
            window = around(x - reach, x + reach, y - reach, y + reach, (width, height))
            if seen and window:
                squared = (columns[window] - x) ** 2 + (rows[window] - y) ** 2
                drawn = np.exp(-squared / (2 * sigma**2))
                maps[k][window] += np.where(squared <= reach**2, drawn, 0)
        for limb, (a, b) in enumerate(OPENPOSE18.limb_indices):
            (start, one), (end, other) = cells[a], cells[b]
            length = np.hypot(*(end - start))
            low, high = np.minimum(start, end) - 1, np.maximum(start, end) + 1
            window = around(low[0], high[0], low[1], high[1], (width, height))
            if not one or not other or length < 1e-6 or not window:
                continue
            x, y = (end - start) / length
            away = x * (rows[window] - start[1]) - y * (columns[window] - start[0])
            near = np.abs(away) <= 1
            fields[2 * limb][window][near] = x
            fields[2 * limb + 1][window][near] = y
    np.minimum(maps[:18], 1, out=maps[:18])
    maps[18] = 1 - maps[:18].max(0)
    return [maps, fields]


def around(
    left: float, right: float, top: float, low: float, size: tuple[int, int]
) -> tuple[slice, slice] | None:
    """Rows and columns of the cells between, None where there are none."""
    x1, x2 = max(int(np.ceil(left)), 0), min(int(np.floor(right)) + 1, size[0])
    y1, y2 = max(int(np.ceil(top)), 0), min(int(np.floor(low)) + 1, size[1])
    return (slice(y1, y2), slice(x1, x2)) if x1 < x2 and y1 < y2 else None
