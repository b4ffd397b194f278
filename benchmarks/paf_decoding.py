"""Part affinity fields of one image to people: ours beside the plain algorithm; AP of both ways.

    python -m benchmarks.paf_decoding

Fields of 62 x 46 cells, a 640 x 480 image, one thread, CPU time, median of rounds, both sides
alternating. Plain: OpenCV enlarges all fields, NumPy finds peaks and scores limbs, as the published
code does. AP: decode(paint(encode(people))) on drawn people and, where $LIMBER_REAL_DATA is set, on
real COCO poses, without and with noise (COCO's evaluation counts 20 people of an image at most).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from data.codecs.part_affinity_fields import ASSEMBLY, PartAffinityFields
from data.datasets.coco import Coco
from data.datasets.sources.stick_pictures import draw_image
from data.evaluators.oks import OksEvaluator
from data.ground.sample import Fields, Output, Pose, WholeBatch
from data.ground.skeleton import load_skeleton

COCO = load_skeleton("coco")
OPENPOSE18 = load_skeleton("openpose18")

IMAGE, HEIGHT = (640, 480), 368
NETWORK = [{"heatmaps": Output(19, 8), "pafs": Output(38, 8)}]
WAYS = {name: PartAffinityFields(resolution=name) for name in ("exact", "fast")}  # type: ignore[arg-type]
Picture = tuple[tuple[int, int], list[Pose]]  # size and people


def drawn(images: int, seed: int = 0) -> Iterator[Picture]:
    """1 to 3 people of the drawn data set on each."""
    for n in range(images):
        image, rows = draw_image(np.random.default_rng((seed, n)))
        yield (image.shape[1], image.shape[0]), [pose_of(row["keypoints"], row["area"], row["bbox"])
                                                 for row in rows]  # fmt: skip


def pose_of(values: list[float], area: float, box: list[float]) -> Pose:
    rows = np.array(values, dtype=np.float64).reshape(-1, 3)
    return Pose(rows[:, :2], rows[:, 2].astype(int), tuple(box), float(area))  # type: ignore[arg-type]


def crowds(images: int, people: int, seed: int = 0) -> Iterator[Picture]:
    """Drawn people side by side in rows, filling 640 x 480."""
    figures = [p for _, poses in drawn(60, seed + 1) for p in poses if (p.visibility > 0).all()]
    rng, across = np.random.default_rng(seed), max(1, round(np.sqrt(people * 4 / 3)))
    room = np.array([640 / across, 480 / -(-people // across)])
    for _ in range(images):
        poses = []
        for n in range(people):
            chosen = figures[rng.integers(len(figures))]
            low, high = chosen.keypoints_image.min(0), chosen.keypoints_image.max(0)
            scale = min(0.85 * room / (high - low))
            corner = room * [n % across, n // across] + 0.05 * room
            points = (chosen.keypoints_image - low) * scale + corner
            box = (*(corner.tolist()), *((high - low) * scale).tolist())
            poses.append(Pose(points, chosen.visibility, box, chosen.area * scale**2))
        yield IMAGE, poses


def real() -> Iterator[Picture]:
    root = Path(os.environ["LIMBER_REAL_DATA"]) / "coco_mini"
    for split in ("train", "val"):
        for sample in Coco().samples(root, split):
            yield (sample.width, sample.height), list(sample.poses)


def painted(size: tuple[int, int], poses: list[Pose]) -> tuple[list[Fields], np.ndarray, tuple]:
    """(fields of an ideal network, input_to_image, input size)."""
    codec = WAYS["exact"]
    matrix, input_size = codec.resize.matrix(size, HEIGHT), codec.resize.input_size(size, HEIGHT)
    labelled = [p for p in poses if not p.is_crowd and p.visibility.any()]
    shape = (len(labelled), len(COCO.keypoints))
    points = np.array([p.keypoints_image for p in labelled]).reshape(*shape, 2)
    moved = torch.from_numpy(points @ matrix[:, :2].T + matrix[:, 2]).float()[None]
    seen = torch.from_numpy(np.array([p.visibility for p in labelled]).reshape(shape))[None]
    keep = torch.ones(1, input_size[1] // 2, input_size[0] // 2, dtype=torch.uint8)
    nothing = torch.zeros(1, 1, 1, 3, dtype=torch.uint8)
    batch = WholeBatch(nothing, moved, seen, keep, torch.zeros(1), torch.zeros(1, 2, 3))
    stages = codec.paint(codec.encode(batch, NETWORK, input_size))
    return stages, cv2.invertAffineTransform(matrix), input_size


def noisy(stages: list[Fields], level: float, draw: torch.Generator) -> list[Fields]:
    """Peaks of many heights, noise as wide as a few cells on every field."""

    def change(field: Tensor) -> Tensor:
        noise = torch.randn(field.shape, generator=draw)
        noise = torch.nn.functional.avg_pool2d(noise, 3, 1, 1) * 3
        height = 1 - 4 * level * torch.rand(1, field.shape[1], 1, 1, generator=draw)
        return field * height + level * noise

    return [{name: change(field) for name, field in stage.items()} for stage in stages]


def ap(pictures: Iterable[Picture], level: float) -> dict[str, float]:
    """AP in points of 100 of each way on the same fields."""
    evaluators = {name: OksEvaluator(COCO) for name in WAYS}
    draw = torch.Generator().manual_seed(0)
    for number, (size, poses) in enumerate(pictures):
        stages, to_image, input_size = painted(size, poses)
        stages = noisy(stages, level, draw) if level else stages
        for name, codec in WAYS.items():
            found = codec.decode(stages, input_size)
            points = found.keypoints_input.double().numpy() @ to_image[:, :2].T + to_image[:, 2]
            assert found.pose_scores is not None
            rows = zip(points, found.scores.numpy(), found.pose_scores, strict=True)
            people = [Pose(at, (s > 0).astype(int), score=float(total)) for at, s, total in rows]
            evaluators[name].add(number, people, poses)
    return {name: 100 * evaluator.result()["AP"] for name, evaluator in evaluators.items()}


def plain(heatmaps: np.ndarray, pafs: np.ndarray) -> int:
    """How many people: fields [h, w, 19], [h, w, 38] enlarged by 8, then to the image."""
    large = [cv2.resize(f, (0, 0), fx=8, fy=8, interpolation=cv2.INTER_CUBIC) for f in
             (heatmaps, pafs)]  # fmt: skip
    maps, fields = (cv2.resize(f, IMAGE, interpolation=cv2.INTER_CUBIC) for f in large)
    peaks = [plain_peaks(maps[:, :, k]) for k in range(18)]
    people: list[dict[int, int]] = []
    for limb in ASSEMBLY[:-2]:
        a, b = OPENPOSE18.limb_indices[limb]
        for i, j in plain_pairs(fields[:, :, 2 * limb : 2 * limb + 2], peaks[a], peaks[b]):
            for person in people:
                if person.get(a) == i:
                    person[b] = j
                    break
            else:
                people.append({a: i, b: j})
    return sum(len(person) >= 3 for person in people)


def plain_peaks(heatmap: np.ndarray) -> np.ndarray:
    """[P, 2] from left to right."""
    around = np.pad(np.where(heatmap < 0.1, 0, heatmap), 1)
    middle = around[1:-1, 1:-1]
    high = (middle > around[1:-1, :-2]) & (middle > around[1:-1, 2:])
    high &= (middle > around[:-2, 1:-1]) & (middle > around[2:, 1:-1])
    ys, xs = np.nonzero(high)
    kept: list[np.ndarray] = []
    for point in sorted(np.column_stack([xs, ys]).tolist()):
        if all(np.hypot(*(point - other)) >= 6 for other in kept):
            kept.append(np.array(point))
    return np.array(kept).reshape(-1, 2)


def plain_pairs(field: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> list[tuple[int, int]]:
    if not len(starts) or not len(ends):
        return []
    vector = (ends[None] - starts[:, None]).astype(np.float64)
    unit = vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)
    at = starts[:, None, None] + vector[:, :, None] * np.linspace(0, 1, 10)[:, None]
    x, y = at.round().astype(int).transpose(3, 0, 1, 2)
    values = (field[y, x] * unit[:, :, None]).sum(-1)
    valid = values > 0.05
    scores = (values * valid).sum(-1) / (valid.sum(-1) + 1e-6)
    rows, columns = np.nonzero((scores > 0) & (valid.mean(-1) > 0.8))
    kept: list[tuple[int, int]] = []
    for n in np.argsort(-scores[rows, columns], kind="stable"):
        if all(rows[n] != i and columns[n] != j for i, j in kept):
            kept.append((int(rows[n]), int(columns[n])))
    return kept


def timed(spent: list[float], work: Callable[[], int]) -> int:
    start = time.process_time()
    found = work()
    spent.append(1000 * (time.process_time() - start))
    return found


def speed(people: int, rounds: int = 15) -> None:
    stages, _, input_size = painted(*next(crowds(1, people)))
    stages = noisy(stages, 0.01, torch.Generator().manual_seed(0))
    maps = [stages[0][name][0].permute(1, 2, 0).contiguous().numpy() for name in NETWORK[0]]
    spent: dict[str, list[float]] = {name: [] for name in ("plain", *WAYS)}
    found = {}
    for _ in range(rounds + 1):
        found["plain"] = timed(spent["plain"], lambda: plain(*maps))
        for name, codec in WAYS.items():
            run = lambda c=codec: len(c.decode(stages, input_size).batch_index)  # noqa: E731
            found[name] = timed(spent[name], run)
    taken = {name: statistics.median(times[1:]) for name, times in spent.items()}
    cells = "".join(f"  {name} {taken[name]:7.2f} ({found[name]})" for name in taken)
    ratios = ", ".join(f"{name} {taken['plain'] / taken[name]:.0f}" for name in WAYS)
    print(f"{people:3d} people: CPU ms (people found){cells};  ratio: {ratios}")


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    print(f"torch {torch.__version__}, NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}")
    for people in (1, 15, 30):
        speed(people)
    sets: dict[str, Callable[[], Iterator[Picture]]] = {
        "400 drawn images": lambda: drawn(400),
        "40 x 15 drawn people": lambda: crowds(40, 15),
        "40 x 20 drawn people": lambda: crowds(40, 20),
    }
    if "LIMBER_REAL_DATA" in os.environ:
        sets["real COCO poses"] = real
    for title, pictures in sets.items():
        for level in (0.0, 0.05):
            found = ap(pictures(), level)
            cells = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            print(f"AP of painted fields, {title}, noise {level}: {cells}")


if __name__ == "__main__":
    main()
