"""Heatmaps and tags of one image to people: ours beside the reference's way; AP of both ways.

    python -m benchmarks.ae_grouping

Painted people that do not overlap, 15 % of keypoints missing, noise, two passes of tags (flip
test); one thread, CPU time, median of rounds, both sides alternating. The reference's way: fields
enlarged to the input (timed apart), max-pooling, top 30, assignment, and a refinement that looks at
every pixel of all 17 maps for each person. AP: decode(paint(encode(people))), with noise of 0.02
too, on the real COCO poses of $LIMBER_REAL_DATA where it is set.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from data.codecs.associative_embedding import AssociativeEmbedding, grouping_order
from data.datasets.coco import Coco
from data.evaluators.oks import OksEvaluator
from data.ground.sample import Fields, Output, Pose, WholeBatch
from data.ground.skeleton import load_skeleton

COCO = load_skeleton("coco")

NETWORK = [{"heatmaps": Output(17, 4), "tags": Output(17, 4)}, {"heatmaps": Output(17, 2)}]
WAYS = {name: AssociativeEmbedding(resolution=name) for name in ("exact", "fast")}  # type: ignore[arg-type]


def people_on_a_grid(count: int, side: int, seed: int, nose: bool) -> tuple[Tensor, Tensor]:
    """keypoints_input [1, N, 17, 2], visibility [1, N, 17]; `nose`: everyone has the first one."""
    draw = torch.Generator().manual_seed(seed)
    columns = int(np.ceil(np.sqrt(count)))
    number = torch.arange(count)
    corner = torch.stack([number % columns, number // columns], 1) * (side / columns)
    inside = (0.1 + 0.8 * torch.rand(count, 17, 2, generator=draw)) * (side / columns)
    seen = (torch.rand(count, 17, generator=draw) > 0.15).long() * 2
    seen[:, 0] = 2 if nose else seen[:, 0]
    return (corner[:, None] + inside)[None], seen[None]


def painted(
    points: Tensor, seen: Tensor, size: tuple[int, int], level: float, seed: int
) -> list[Fields]:
    """Ideal fields with noise, as one pass of a network."""
    width, height = size
    keep = torch.ones(1, height // 2, width // 2, dtype=torch.uint8)
    nothing = torch.zeros(1, 1, 1, 3, dtype=torch.uint8)
    batch = WholeBatch(nothing, points, seen, keep, torch.zeros(1), torch.zeros(1, 2, 3))
    codec, draw = WAYS["exact"], torch.Generator().manual_seed(seed)
    noise = {"heatmaps": level, "tags": 10 * level}
    return [
        {n: f + noise[n] * torch.randn(f.shape, generator=draw) for n, f in stage.items()}
        for stage in codec.paint(codec.encode(batch, NETWORK, size))
    ]


def enlarge(stages: list[Fields], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """heatmaps [17, H, W], tags [2, 17, H, W] at the input, as the reference's code."""
    fine = stages[-1]["heatmaps"]

    def resized(field: Tensor, to: Any) -> Tensor:
        return F.interpolate(field, tuple(to), mode="bilinear", align_corners=False)

    heat = (resized(stages[0]["heatmaps"], fine.shape[2:]) + fine) / 2
    tags = resized(resized(stages[0]["tags"], fine.shape[2:]), size[::-1])
    return resized(heat, size[::-1])[0], tags[0].unflatten(0, (-1, 17))


def reference(heat: Tensor, tags: Tensor) -> np.ndarray:
    """[N, 17, 3]: x, y, score; assigned before gating unless nobody can be shifted."""
    width = heat.shape[2]
    pooled = F.max_pool2d(heat[None], 5, 1, 2)[0]
    top, index = torch.where(pooled == heat, heat, 0).flatten(1).topk(30, dim=1)
    of_peaks = tags.flatten(2).gather(2, index.expand(len(tags), -1, -1)).permute(1, 2, 0).numpy()
    people: dict[float, np.ndarray] = {}
    known: dict[float, list[np.ndarray]] = {}
    for k in grouping_order(17):
        high = top[k].numpy() > 0.1
        at, score, tag = index[k].numpy()[high], top[k].numpy()[high], of_peaks[k][high]
        joints = np.column_stack([at % width, at // width, score])
        names = list(people)[:30]
        means = np.array([np.mean(known[name], axis=0) for name in names]).reshape(-1, len(tags))
        apart = np.linalg.norm(tag[:, None] - means[None], axis=2)
        owner = dict(
            zip(*linear_sum_assignment(np.round(apart) * 100 - score[:, None]), strict=True)
        )
        for row, joint in enumerate(joints):
            if row in owner and apart[row, owner[row]] < 1:
                name = names[owner[row]]
                known[name].append(tag[row])
            else:
                name = float(tag[row][0])
                known[name] = [tag[row]]
            people.setdefault(name, np.zeros((17, 3)))[k] = joint
    return np.array([refined(p, heat.numpy(), tags.numpy()) for p in people.values()])


def refined(person: np.ndarray, heat: np.ndarray, tags: np.ndarray) -> np.ndarray:
    """Quarter adjustment; a distance map of every keypoint, of which the missing ones are used."""
    found = np.flatnonzero(person[:, 2] > 0)
    own = np.mean([tags[:, k, int(person[k, 1]), int(person[k, 0])] for k in found], axis=0)
    for k in range(17):
        distance = np.sqrt(np.square(tags[:, k] - own[:, None, None]).sum(0))
        place = divmod(int(np.argmax(heat[k] - np.round(distance))), heat.shape[2])
        if person[k, 2] == 0 and heat[k][place] > 0:
            person[k] = place[1], place[0], heat[k][place]
    bottom, end = heat.shape[1] - 1, heat.shape[2] - 1
    for k in np.flatnonzero(person[:, 2] > 0).tolist():
        x, y = int(person[k, 0]), int(person[k, 1])
        right = heat[k, y, min(x + 1, end)] > heat[k, y, max(x - 1, 0)]
        down = heat[k, min(y + 1, bottom), x] > heat[k, max(y - 1, 0), x]
        person[k, :2] = x + (0.75 if right else 0.25), y + (0.75 if down else 0.25)
    return person


def taken(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """CPU milliseconds of each, median, all alternating."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            spent[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(times[1:]) for name, times in spent.items()}


def speed(count: int, side: int, nose: bool, rounds: int) -> None:
    size = (side, side)
    passes = [painted(*people_on_a_grid(count, side, 1, nose), size, 0.005, n) for n in (0, 1)]
    stages = WAYS["exact"].merge(*passes)
    heat, tags = enlarge(stages, size)
    works: dict[str, Callable[[], object]] = {
        name: lambda codec=codec: codec.decode(stages, size)  # type: ignore[misc]
        for name, codec in WAYS.items()
    }
    works |= {
        "enlarging": lambda: enlarge(stages, size),
        "reference": lambda: reference(heat, tags),
    }
    times, plain = taken(works, rounds), reference(heat, tags)
    ours = WAYS["exact"].decode(stages, size)
    equal = len(ours.scores) == len(plain) and np.allclose(
        ours.keypoints_input, plain[..., :2], atol=1e-4
    )
    about = "" if nose else ", some without the first keypoint"
    same = "same" if equal else "other"
    print(f"{side} x {side}, {count:2d} people{about}: enlarging {times['enlarging']:.1f}, "
          f"reference {times['reference']:.0f} ({len(plain)} found); "
          f"exact {times['exact']:.1f} ({len(ours.scores)} found, {same} points), "
          f"fast {times['fast']:.1f} ms; ratio "
          f"{times['reference'] / times['exact']:.0f}")  # fmt: skip


def ap(level: float, side: int = 512) -> dict[str, float]:
    """AP in points of 100 of each way on the same fields of real poses."""
    evaluators = {name: OksEvaluator(COCO) for name in WAYS}
    root = Path(os.environ["LIMBER_REAL_DATA"]) / "coco_mini"
    samples = [s for split in ("train", "val") for s in Coco().samples(root, split)]
    for number, sample in enumerate(samples):
        image_size, resize = (sample.width, sample.height), WAYS["exact"].resize
        matrix, size = resize.matrix(image_size, side), resize.input_size(image_size, side)
        poses = [p for p in sample.poses if not p.is_crowd and p.visibility.any()]
        points = np.array([p.keypoints_image for p in poses]).reshape(-1, 17, 2)
        seen = np.array([p.visibility for p in poses]).reshape(-1, 17)
        moved = torch.from_numpy(points @ matrix[:, :2].T + matrix[:, 2]).float()[None]
        stages = painted(moved, torch.from_numpy(seen)[None], size, level, number)
        back = np.linalg.inv(matrix[:, :2])
        for name, codec in WAYS.items():
            found = codec.decode(stages, size)
            at = (found.keypoints_input.double().numpy() - matrix[:, 2]) @ back.T
            assert found.pose_scores is not None
            rows = zip(at, found.scores.numpy(), found.pose_scores.tolist(), strict=True)
            people = [Pose(p, (s > 0).astype(int), score=total) for p, s, total in rows]
            evaluators[name].add(number, people, sample.poses)
    return {name: 100 * evaluator.result()["AP"] for name, evaluator in evaluators.items()}


def main() -> None:
    torch.set_num_threads(1)
    print(f"associative embedding, one image, one thread, CPU ms, torch {torch.__version__}")
    for count in (1, 5, 15, 30):
        speed(count, 512, True, 5)
    speed(30, 256, False, 5)
    if "LIMBER_REAL_DATA" in os.environ:
        for level in (0.0, 0.02):
            for side in (512, 640):
                shown = ", ".join(f"{name} {value:.2f}" for name, value in ap(level, side).items())
                print(f"AP of painted real poses, short side {side}, noise {level}: {shown}")


if __name__ == "__main__":
    main()
