"""A top-down training sample, file to crop, ours beside a plain loop: CPU ms and ratio in one run.

    python -m benchmarks.sample_speed [--images FOLDER]

FOLDER has COCO's layout (annotations/person_keypoints_*2017.json, train2017/, val2017/); without
it $LIMBER_REAL_DATA/coco_mini. One thread; photometric changes off; medians over rounds of all
persons, each round with new draws, both sides alternating.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from data.codecs.heatmap import HeatmapCodec
from data.feeds.person_crops import TopDownDataset, collate
from data.files.table import write_table
from data.ground.sample import Output
from data.ground.skeleton import load_skeleton
from data.views.crop_views import draw_view
from data.views.draws import sample_generator
from data.views.geometry import View, box_to_view, move, view_matrix
from data.views.settings import Augmentation

COCO = load_skeleton("coco")

SIZE, FIELD, SIGMA = (192, 256), (48, 64), 2.0
TRAINING = Augmentation(scale=0.35, rotation=45.0, half_body_probability=0.3)
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def persons_of(folder: Path) -> dict[str, list]:
    """Columns of all labelled persons of a COCO-layout folder."""
    columns: dict[str, list] = {name: [] for name in ("path", "id", "box", "keypoints")}
    for split in ("train2017", "val2017"):
        file = folder / "annotations" / f"person_keypoints_{split}.json"
        content = json.loads(file.read_text()) if file.is_file() else {"images": []}
        names = {image["id"]: f"{split}/{image['file_name']}" for image in content["images"]}
        for row in content.get("annotations", []):
            if row["num_keypoints"] and not row["iscrowd"]:
                columns["path"].append(names[row["image_id"]])
                columns["id"].append(row["id"])
                columns["box"].append(row["bbox"])
                columns["keypoints"].append(row["keypoints"])
    if not columns["id"]:
        raise ValueError(f"{folder}: no labelled persons; give a folder of COCO's layout")
    return columns


def our_dataset(folder: Path, columns: dict[str, list], tables: Path) -> TopDownDataset:
    keypoints = np.array(columns["keypoints"], dtype=np.float32).reshape(-1, 17, 3)
    count = len(keypoints)
    (tables / "train").mkdir()
    write_table(tables / "train" / "images.arrow", {"path": columns["path"]})
    write_table(tables / "train" / "persons.arrow", {
        "person_id": np.array(columns["id"]),
        "image_row": np.arange(count),
        "box_image": np.array(columns["box"], dtype=np.float32),
        "keypoints_image": keypoints[..., :2].reshape(count, -1),
        "visibility": keypoints[..., 2].astype(np.int8),
    })  # fmt: skip
    return TopDownDataset(
        tables, folder, "train", SIZE, COCO, aligned=False, augmentation=TRAINING, seed=1
    )


def plain_sample(path: str, row: int, columns: dict[str, list], view: View, flip: bool) -> tuple:
    """The loop that every tutorial has: whole image converted, flipped, warped, float, targets."""
    image = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    keypoints = np.array(columns["keypoints"][row], dtype=np.float64).reshape(17, 3)
    center = view.center
    if flip:
        image = image[:, ::-1, :]
        keypoints[:, 0] = image.shape[1] - 1 - keypoints[:, 0]
        keypoints = keypoints[COCO.mirror]
        center = (image.shape[1] - 1 - center[0], center[1])
    matrix = view_matrix(View(center, view.size, view.rotation), SIZE, aligned=False)
    crop = cv2.warpAffine(image, matrix, SIZE, flags=cv2.INTER_LINEAR)
    points = move(matrix, keypoints[:, :2])
    tensor = torch.from_numpy(crop.transpose(2, 0, 1)).contiguous().to(torch.float32).div(255)
    tensor.sub_(MEAN).div_(STD)
    target, weight = plain_heatmaps(points, keypoints[:, 2])
    return tensor, torch.from_numpy(target), torch.from_numpy(weight), crop


def plain_heatmaps(points: np.ndarray, visibility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NumPy, keypoint by keypoint: a 3-sigma patch pasted into each map."""
    target = np.zeros((len(points), FIELD[1], FIELD[0]), dtype=np.float32)
    weight = (visibility > 0).astype(np.float32)
    reach = int(3 * SIGMA)
    x = np.arange(0, 2 * reach + 1, 1, np.float32)
    for k, (px, py) in enumerate(points):
        mx, my = int(px / 4 + 0.5), int(py / 4 + 0.5)
        left, top, right, bottom = mx - reach, my - reach, mx + reach + 1, my + reach + 1
        if left >= FIELD[0] or top >= FIELD[1] or right < 0 or bottom < 0:
            weight[k] = 0
            continue
        patch = np.exp(-((x - reach) ** 2 + (x[:, None] - reach) ** 2) / (2 * SIGMA**2))
        columns = slice(max(0, left), max(min(right, FIELD[0]), 0))
        rows = slice(max(0, top), max(min(bottom, FIELD[1]), 0))
        if weight[k] > 0.5:
            target[k][rows, columns] = patch[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
    return target, weight


def measure(rounds: dict[str, Callable[[int], None]], count: int) -> dict[str, float]:
    """CPU ms per sample, median of `count` rounds, the sides taking turns."""
    spent: dict[str, list[float]] = {name: [] for name in rounds}
    for number in range(count + 1):
        for name, side in rounds.items():
            start = time.process_time()
            side(number)
            spent[name].append(time.process_time() - start)
    return {name: 1000 * statistics.median(times[1:]) for name, times in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    real = os.environ.get("LIMBER_REAL_DATA", ".")
    parser.add_argument("--images", type=Path, default=Path(real) / "coco_mini")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    columns = persons_of(arguments.images)
    with tempfile.TemporaryDirectory() as tables:
        dataset = our_dataset(arguments.images, columns, Path(tables))
        report(dataset, columns, arguments.rounds)


def report(dataset: TopDownDataset, columns: dict[str, list], rounds: int) -> None:
    count = len(dataset)

    def draw(epoch: int, row: int) -> View:
        keypoints = np.array(columns["keypoints"][row], dtype=np.float64).reshape(17, 3)
        view = box_to_view(columns["box"][row], SIZE, aligned=False)
        rng = sample_generator(1, epoch, columns["id"][row])
        points, seen = keypoints[:, :2], keypoints[:, 2]
        return draw_view(rng, view, points, seen, COCO, SIZE, False, TRAINING)

    views = {epoch: [draw(epoch, row) for row in range(count)] for epoch in range(rounds + 1)}

    def plain(epoch: int, flips: bool = True) -> None:
        for row, view in enumerate(views[epoch]):
            plain_sample(dataset.image_path(row), row, columns, view, view.flip and flips)

    def ours(epoch: int) -> None:
        for row in range(count):
            dataset[epoch, row]

    batch = collate([dataset[1, row] for row in range(count)])
    codec, outputs = HeatmapCodec(sigma=SIGMA), [{"heatmaps": Output(17, 4)}]

    mean, scale = MEAN.flatten() * 255, 1 / (STD.flatten() * 255)

    def moved(_: int) -> None:
        ((batch.images.float() - mean) * scale).permute(0, 3, 1, 2)
        codec.encode(batch, outputs, SIZE)

    check(dataset, columns, views[1])
    spent = measure(
        {"plain": plain, "plain, never flipped": lambda e: plain(e, False), "ours": ours,
         "moved to the device (here: CPU)": moved}, rounds)  # fmt: skip
    print(f"{count} persons, {SIZE[0]}x{SIZE[1]}, one thread, CPU ms per sample")
    for name, milliseconds in spent.items():
        print(f"  {name:34s}{milliseconds / count:7.3f}")
    print(f"ratio plain / ours: {spent['plain'] / spent['ours']:.2f}  (never flipped: "
          f"{spent['plain, never flipped'] / spent['ours']:.2f})")  # fmt: skip


def check(dataset: TopDownDataset, columns: dict[str, list], views: list[View]) -> None:
    """Both sides cut the same pixels; a mirrored warp may round single pixels differently."""
    worst, off = 0, []
    for row, view in enumerate(views):
        plain = plain_sample(dataset.image_path(row), row, columns, view, view.flip)[3]
        away = np.abs(plain.astype(int) - dataset[1, row].image)
        worst, off = max(worst, int(away.max())), [*off, float(away.mean())]
    print(f"pixels: mean difference {np.mean(off):.4f}, largest {worst} of 255")


if __name__ == "__main__":
    main()
