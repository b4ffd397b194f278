"""DARK decoding of 64 people's heatmaps [64, 17, 64, 48]: ours beside the per-person loop.

    python -m benchmarks.dark_decoding

One thread, CPU time, median of rounds, both sides alternating; coordinates compared.
"""

from __future__ import annotations

import statistics
import time

import cv2
import numpy as np
import torch
from torch import Tensor

from data.codecs.heatmap import HeatmapCodec

PEOPLE, KEYPOINTS, HEIGHT, WIDTH, KERNEL = 64, 17, 64, 48, 11


def painted(seed: int) -> Tensor:
    """Heatmaps as a network paints them: blobs of many heights and widths, noise, lower peaks."""
    draw = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(PEOPLE, KEYPOINTS, 1, 1, generator=draw) * (high - low) + low

    x, y = torch.arange(WIDTH).float(), torch.arange(HEIGHT).float()[:, None]
    maps = torch.zeros(PEOPLE, KEYPOINTS, HEIGHT, WIDTH)
    for low, high in ((0.3, 1.0), (0.05, 0.25)):
        across = (x - uniform(-1, WIDTH)).square() / uniform(3, 6).square()
        down = (y - uniform(-1, HEIGHT)).square() / uniform(3, 6).square()
        maps += uniform(low, high) * torch.exp(-(across + down) / 2)
    return maps + 0.004 * torch.rand(maps.shape, generator=draw)


def loop(heatmaps: np.ndarray) -> np.ndarray:
    """Person by person, keypoint by keypoint: OpenCV blur, NumPy Taylor step. [N, K, 2] cells."""
    people, keypoints, height, width = heatmaps.shape
    cells = np.zeros((people, keypoints, 2))
    for n in range(people):
        for k in range(keypoints):
            cells[n, k] = one(heatmaps[n, k], height, width)
    return cells


def one(heatmap: np.ndarray, height: int, width: int) -> np.ndarray:
    peak = float(heatmap.max())
    y, x = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    at = np.array([x, y], dtype=np.float64) if peak > 0 else np.zeros(2)
    x, y = int(at[0]), int(at[1])
    border = KERNEL // 2
    wide = np.zeros((height + 2 * border, width + 2 * border))
    wide[border:-border, border:-border] = heatmap
    blurred = cv2.GaussianBlur(wide, (KERNEL, KERNEL), 0)[border:-border, border:-border]
    log = np.log(np.maximum(blurred * (peak / blurred.max()), 1e-10))
    if not (1 < x < width - 2 and 1 < y < height - 2):
        return at
    gradient = 0.5 * np.array([log[y, x + 1] - log[y, x - 1], log[y + 1, x] - log[y - 1, x]])
    dxx = 0.25 * (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2])
    dyy = 0.25 * (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x])
    dxy = 0.25 * (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1])
    if dxx * dyy - dxy**2 == 0:
        return at
    return at - np.linalg.inv(np.array([[dxx, dxy], [dxy, dyy]])) @ gradient


def main(rounds: int = 9) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    codec = HeatmapCodec(unbiased=True, decoding="dark", blur_kernel=KERNEL)
    heatmaps, size = painted(0), (WIDTH, HEIGHT)  # input size = field size: coordinates in cells
    spent: dict[str, list[float]] = {"loop": [], "ours": []}
    for _ in range(rounds + 1):
        start = time.process_time()
        expected = loop(heatmaps.numpy())
        spent["loop"].append(time.process_time() - start)
        start = time.process_time()
        cells = codec.decode([{"heatmaps": heatmaps}], size).keypoints_input
        spent["ours"].append(time.process_time() - start)
    away = float(np.abs(cells.numpy() - expected).max())
    taken = {name: 1000 * statistics.median(times[1:]) for name, times in spent.items()}
    print(f"DARK decoding of {PEOPLE} people, {KEYPOINTS} x {HEIGHT} x {WIDTH}, one thread, CPU ms")
    for name, milliseconds in taken.items():
        print(f"  {name:6s}{milliseconds:9.2f}")
    print(f"ratio: {taken['loop'] / taken['ours']:.1f}; largest difference {away:.1e} cells")


if __name__ == "__main__":
    main()
