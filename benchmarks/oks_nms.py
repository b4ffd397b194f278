"""OKS-NMS of many images, 20 to 200 candidates each: ours beside the double loop over pairs.

    python -m benchmarks.oks_nms [--rounds 5]

The loop compares two poses at a time with NumPy, as the official code does; a loop over keypoints
in plain Python is timed on fewer images. One thread, CPU time, both sides alternating, median; what
is kept is compared.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from data.ground.skeleton import load_skeleton
from pipelines.prediction.nms import oks_nms, oks_nms_of_images

COCO = load_skeleton("coco")

SIZES = {20: 100, 60: 30, 200: 6}  # candidates per image: images
THRESHOLD = 0.9
Candidates = tuple[np.ndarray, np.ndarray, np.ndarray]  # keypoints, scores, areas
Suppress = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], list[int]]


def drawn(candidates: int, images: int) -> list[Candidates]:
    """A detector's crowd: about four candidates for each person."""
    rng = np.random.default_rng(candidates)
    made = []
    for _ in range(images):
        people = max(1, candidates // 4)
        size = rng.uniform(40, 300, people)
        poses = (
            rng.uniform(0, 500, (people, 1, 2)) + rng.random((people, 17, 2)) * size[:, None, None]
        )
        of = rng.integers(0, people, candidates)
        noise = (
            rng.normal(0, 1, (candidates, 17, 2))
            * (size[of] * rng.choice([0.01, 0.05], candidates))[:, None, None]
        )
        made.append((poses[of] + noise, rng.random(candidates), size[of] ** 2))
    return made


def pair_loop(keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray, sigmas: np.ndarray,
              threshold: float) -> list[int]:  # fmt: skip
    variance = (sigmas * 2) ** 2
    order = np.argsort(scores, kind="stable")[::-1]
    kept = []
    while len(order):
        best, rest = order[0], []
        kept.append(int(best))
        for other in order[1:]:
            dx, dy = (keypoints[other] - keypoints[best]).T
            area = (areas[best] + areas[other]) / 2 + np.spacing(1)
            e = (dx**2 + dy**2) / variance / area / 2
            if np.sum(np.exp(-e)) / len(e) <= threshold:
                rest.append(other)
        order = np.array(rest, dtype=int)
    return kept


def plain_loop(keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray, sigmas: np.ndarray,
               threshold: float) -> list[int]:  # fmt: skip
    points, area, variance = keypoints.tolist(), areas.tolist(), ((sigmas * 2) ** 2).tolist()
    order, kept = np.argsort(scores, kind="stable")[::-1].tolist(), []
    while order:
        best, rest = order[0], []
        kept.append(best)
        for other in order[1:]:
            mean, total = (area[best] + area[other]) / 2 + 2.220446049250313e-16, 0.0
            for (x, y), (u, v), spread in zip(points[best], points[other], variance, strict=True):
                total += math.exp(-((x - u) ** 2 + (y - v) ** 2) / spread / mean / 2)
            if total / len(variance) <= threshold:
                rest.append(other)
        order = rest
    return kept


def seconds(suppress: Suppress, images: Sequence[Candidates]) -> tuple[float, list[list[int]]]:
    sigmas = np.array(COCO.sigmas)
    start = time.process_time()
    kept = [suppress(*image, sigmas, THRESHOLD) for image in images]
    return time.process_time() - start, kept


def all_at_once(images: Sequence[Candidates]) -> tuple[float, list[list[int]]]:
    """All images in one call, arrays joined before, as predictions come."""
    start = time.process_time()
    counts = [len(scores) for _, scores, _ in images]
    index = np.repeat(np.arange(len(images)), counts)
    points, scores, areas = (np.concatenate(column) for column in zip(*images, strict=True))
    rows = oks_nms_of_images(index, points, scores, areas, COCO.sigmas, THRESHOLD)
    ends = np.cumsum(np.bincount(index[rows], minlength=len(images)))[:-1]
    first = np.cumsum(counts) - counts
    kept = [(of - first[n]).tolist() for n, of in enumerate(np.split(rows, ends))]
    return time.process_time() - start, kept


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oks_nms")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    print("OKS-NMS, 17 keypoints, threshold 0.9, one thread, CPU ms per image; ratio to the loops")
    print("candidates  kept    ours  one by one   pairs   plain   ratios")
    for candidates, count in SIZES.items():
        images = drawn(candidates, count)
        sides: dict[str, Callable[[], tuple[float, list[list[int]]]]] = {
            "ours": lambda images=images: all_at_once(images),  # type: ignore[misc]
            "one by one": lambda images=images: seconds(oks_nms, images),  # type: ignore[misc]
            "pairs": lambda images=images: seconds(pair_loop, images),  # type: ignore[misc]
            "plain": lambda images=images: seconds(plain_loop, images),  # type: ignore[misc]
        }
        spent: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            answers = {}
            for name, side in sides.items():
                taken, answers[name] = side()
                spent[name].append(1000 * taken / count)
            assert all(answer == answers["plain"] for answer in answers.values()), "another result"
        ms = {name: statistics.median(times) for name, times in spent.items()}
        kept = sum(map(len, answers["ours"])) / count
        times = "  ".join(f"{ms[name]:8.3f}" for name in sides)
        print(f"{candidates:10d}{kept:6.1f} {times}   {ms['pairs'] / ms['ours']:5.1f}"
              f" {ms['plain'] / ms['ours']:5.1f}")  # fmt: skip
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"NumPy {np.__version__}; load {os.getloadavg()[0]:.1f}")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
