"""COCO's ten keypoint numbers of 5,000 images, 20 predictions each: ours beside pycocotools.

    python -m benchmarks.oks_evaluation [--images 5000] [--rounds 3]

From poses in memory, one thread, CPU time, both sides alternating, median. pycocotools' own part
(evaluate, accumulate, summarize) is counted apart from making its dictionaries; `hotcoco`, where
it is installed, is timed too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from data.evaluators.matching.referee import annotation, coco_dataset, detection
from data.evaluators.oks import NAMES, OksEvaluator
from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton

COCO = load_skeleton("coco")

People = dict[int, list[Pose]]
PER_IMAGE, PEOPLE = 20, 9228 / 5000  # people per image as in COCO val 2017


def drawn(images: int, seed: int = 0) -> tuple[People, People]:
    """(truth, predictions): people of COCO's sizes, predictions around them and astray."""
    rng = np.random.default_rng(seed)
    truth: People = {}
    predicted: People = {}
    for image in range(images):
        truth[image] = [person(rng) for _ in range(rng.poisson(PEOPLE))]
        predicted[image] = [guess(rng, truth[image], n) for n in range(PER_IMAGE)]
    return truth, predicted


def person(rng: np.random.Generator) -> Pose:
    size = float(np.exp(rng.uniform(np.log(24), np.log(400))))
    keypoints = np.round(rng.uniform(0, 500, 2) + rng.uniform(0, size, (17, 2)))
    visibility = rng.choice([0, 1, 2], 17, p=[0.35, 0.1, 0.55]) * int(rng.random() > 0.3)
    box = (float(keypoints[:, 0].min()), float(keypoints[:, 1].min()), size, size)
    return Pose(keypoints, visibility, box, size**2 * 0.55, bool(rng.random() < 0.02))


def guess(rng: np.random.Generator, people: Sequence[Pose], number: int) -> Pose:
    near = people[number % len(people)] if people else person(rng)
    noise = rng.normal(0, rng.choice([0.02, 0.08, 0.5]) * np.sqrt(near.area), (17, 2))
    return Pose(near.keypoints_image + noise, np.full(17, 2), score=float(rng.random()))


def evaluated(engine: Any, truth: People, predicted: People) -> dict[str, float]:
    evaluator = OksEvaluator(COCO, engine)
    for image, people in truth.items():
        evaluator.add(image, predicted[image], people)
    return evaluator.result()


class Clock:
    """CPU seconds spent inside pycocotools' three calls."""

    def __init__(self) -> None:
        from pycocotools.cocoeval import COCOeval

        self.seconds = 0.0
        for name in ("evaluate", "accumulate", "summarize"):
            setattr(COCOeval, name, self.timed(getattr(COCOeval, name)))

    def timed(self, call: Any) -> Any:
        def run(*arguments: Any) -> Any:
            start = time.process_time()
            done = call(*arguments)
            self.seconds += time.process_time() - start
            return done

        return run


def by_hotcoco(truth: People, predicted: People) -> tuple[float, float, dict[str, float]]:
    """CPU seconds from poses to numbers and of its three calls alone; its ten numbers."""
    import hotcoco

    images = [{"id": i, "width": 640, "height": 480} for i in truth]
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.process_time()
        files = hotcoco.COCO(coco_dataset(images, truth, annotation).dataset)
        found = coco_dataset(images, predicted, detection).dataset["annotations"]
        run = hotcoco.COCOeval(files, files.load_res(found), "keypoints")
        start = time.process_time()
        run.evaluate()
        run.accumulate()
        run.summarize()
        end = time.process_time()
    return end - began, end - start, dict(zip(NAMES, map(float, run.stats), strict=True))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.oks_evaluation")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    truth, predicted = drawn(given.images)
    spent: dict[str, list[float]] = {"ours": [], "pycocotools": [], "its three calls": []}
    clock = Clock()
    for _ in range(given.rounds):
        clock.seconds, start = 0.0, time.process_time()
        expected = evaluated("pycocotools", truth, predicted)
        spent["pycocotools"].append(time.process_time() - start)
        spent["its three calls"].append(clock.seconds)
        start = time.process_time()
        found = evaluated("numpy", truth, predicted)
        spent["ours"].append(time.process_time() - start)
    away = max(abs(found[name] - expected[name]) for name in NAMES)
    taken = {name: statistics.median(seconds) for name, seconds in spent.items()}
    people = sum(map(len, truth.values()))
    print(f"{given.images} images, {people} people, {PER_IMAGE} predictions each; CPU seconds")
    for name, seconds in taken.items():
        print(f"  {name:16s}{seconds:8.3f}")
    whole, calls = taken["pycocotools"] / taken["ours"], taken["its three calls"] / taken["ours"]
    print(f"ratio: {whole:.1f} ({calls:.1f} of its three calls); largest difference {away:.1e}")
    if find_spec("hotcoco"):
        seconds, alone, theirs = by_hotcoco(truth, predicted)
        away = max(abs(theirs[name] - expected[name]) for name in NAMES)
        print(f"hotcoco: {seconds:.3f} s, its three calls {alone:.3f}; difference {away:.1e}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"NumPy {np.__version__}; load {os.getloadavg()[0]:.1f}")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
