"""A top-down training sample, file to crop, ours beside a plain loop: CPU ms and ratio in one run;
ours from the photos, and from photos in pieces (`regions` of params.yaml), at two input sizes.

    python -m benchmarks.sample_speed [--images FOLDER]

FOLDER has COCO's layout (annotations/person_keypoints_*2017.json, train2017/, val2017/); without
it $LIMBER_REAL_DATA/coco_mini. One thread; photometric changes off; of five repeats medians over
rounds of all persons, each round with new draws, the sides taking turns.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.quiet import PATIENCE_S, measured, ratios, told, wait_for_quiet
from data.codecs.heatmap import HeatmapCodec
from data.feeds.person_crops import TopDownDataset, collate
from data.files.table import write_table
from data.ground.sample import Output
from data.ground.skeleton import load_skeleton
from data.views.crop_views import draw_view
from data.views.draws import sample_generator
from data.views.geometry import View, box_to_view, invert, move, seen_window, view_matrix
from data.views.settings import Augmentation
from pipelines.intake.tiling import write_tiles
from pipelines.prediction.pixels import normalise

NEEDS_REAL_DATA = True  # see `page.py`
COCO = load_skeleton("coco")

SIZES, STRIDE, SIGMA = ((192, 256), (288, 384)), 4, 2.0
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


def write_tables(folder: Path, columns: dict[str, list], tables: Path) -> None:
    """A row of both tables for each person, and its photo in pieces."""
    keypoints = np.array(columns["keypoints"], dtype=np.float32).reshape(-1, 17, 3)
    count = len(keypoints)
    (tables / "train").mkdir()
    write_table(
        tables / "train" / "images.arrow",
        {
            "path": columns["path"],
            "crc32": np.arange(count),  # of no file here: photos are what they were
        },
    )
    write_table(tables / "train" / "ignore.arrow", {"image_row": np.zeros(0, np.int64)})
    write_table(tables / "train" / "persons.arrow", {
        "person_id": np.array(columns["id"]),
        "image_row": np.arange(count),
        "box_image": np.array(columns["box"], dtype=np.float32),
        "keypoints_image": keypoints[..., :2].reshape(count, -1),
        "visibility": keypoints[..., 2].astype(np.int8),
    })  # fmt: skip
    photos = sum((folder / path).stat().st_size for path in columns["path"])
    pieces = write_tiles(tables / "tiles", tables, folder, "train")
    print(f"photos in pieces: {pieces.photos} of {pieces.of}, {pieces.bytes / photos:.3f} of their "
          "bytes")  # fmt: skip


def our_dataset(folder: Path, tables: Path, size: tuple[int, int], pieces: bool) -> TopDownDataset:
    tiles = tables / "tiles" if pieces else None
    place = tables, folder, "train", size, COCO
    return TopDownDataset(*place, aligned=False, augmentation=TRAINING, seed=1, tiles=tiles)


def plain_sample(
    path: str, row: int, columns: dict[str, list], view: View, flip: bool, size: tuple[int, int]
) -> tuple:
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
    matrix = view_matrix(View(center, view.size, view.rotation), size, aligned=False)
    crop = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)
    points = move(matrix, keypoints[:, :2])
    tensor = torch.from_numpy(crop.transpose(2, 0, 1)).contiguous().to(torch.float32).div(255)
    tensor.sub_(MEAN).div_(STD)
    field = size[0] // STRIDE, size[1] // STRIDE
    target, weight = plain_heatmaps(points, keypoints[:, 2], field)
    return tensor, torch.from_numpy(target), torch.from_numpy(weight), crop


def plain_heatmaps(
    points: np.ndarray, visibility: np.ndarray, field: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """NumPy, keypoint by keypoint: a 3-sigma patch pasted into each map."""
    target = np.zeros((len(points), field[1], field[0]), dtype=np.float32)
    weight = (visibility > 0).astype(np.float32)
    reach = int(3 * SIGMA)
    x = np.arange(0, 2 * reach + 1, 1, np.float32)
    for k, (px, py) in enumerate(points):
        mx, my = int(px / STRIDE + 0.5), int(py / STRIDE + 0.5)
        left, top, right, bottom = mx - reach, my - reach, mx + reach + 1, my + reach + 1
        if left >= field[0] or top >= field[1] or right < 0 or bottom < 0:
            weight[k] = 0
            continue
        patch = np.exp(-((x - reach) ** 2 + (x[:, None] - reach) ** 2) / (2 * SIGMA**2))
        columns = slice(max(0, left), max(min(right, field[0]), 0))
        rows = slice(max(0, top), max(min(bottom, field[1]), 0))
        if weight[k] > 0.5:
            target[k][rows, columns] = patch[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
    return target, weight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    real = os.environ.get("LIMBER_REAL_DATA", ".")
    parser.add_argument("--images", type=Path, default=Path(real) / "coco_mini")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="seconds, for quiet")
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    columns = persons_of(arguments.images)
    with tempfile.TemporaryDirectory() as tables:
        write_tables(arguments.images, columns, Path(tables))
        print(wait_for_quiet(arguments.patience))
        for size in SIZES:
            datasets = [our_dataset(arguments.images, Path(tables), size, n == 1) for n in (0, 1)]
            report(*datasets, columns, arguments.rounds)
        print(wait_for_quiet(0))


def report(
    photos: TopDownDataset, pieces: TopDownDataset, columns: dict[str, list], rounds: int
) -> None:
    count, size = len(photos), photos.input_size
    views = {epoch: drawn(columns, epoch, size) for epoch in range(rounds + 1)}

    def plain(epoch: int, flips: bool = True) -> None:
        for row, view in enumerate(views[epoch]):
            path = photos.image_path(row)
            plain_sample(path, row, columns, view, view.flip and flips, size)

    def ours(dataset: TopDownDataset, epoch: int) -> None:
        for row in range(count):
            dataset[epoch, row]

    batch = collate([photos[1, row] for row in range(count)])
    codec, outputs = HeatmapCodec(sigma=SIGMA), [{"heatmaps": Output(17, STRIDE)}]
    check(photos, pieces, columns, views[1])
    spent = measured(
        {
            "plain": plain,
            "plain, never flipped": lambda epoch: plain(epoch, flips=False),
            "ours, from photos": lambda epoch: ours(photos, epoch),
            "ours, from pieces": lambda epoch: ours(pieces, epoch),
            "device (here: CPU): normalise": lambda _: normalise(batch.images, "imagenet_rgb"),
            "device (here: CPU): targets": lambda _: codec.encode(batch, outputs, size),
        },
        rounds,
    )
    print(f"{count} persons, {size[1]}x{size[0]}, one thread, CPU ms per sample")
    for name, seconds in spent.items():
        print(f"  {name:32s}{told([1000 * each / count for each in seconds])}")
    plain_s = spent["plain"]
    print(f"  ratio plain / ours, from photos: {ratios(plain_s, spent['ours, from photos'])}")
    print(f"  ratio plain / ours, from pieces: {ratios(plain_s, spent['ours, from pieces'])}")
    shares = np.quantile(covered(pieces, views), (0.1, 0.25, 0.5, 0.75, 0.9))
    print(f"  of its photo a view sees {', '.join(f'{share:.0%}' for share in shares)} "
          "(10, 25, 50, 75, 90 of 100 views)")  # fmt: skip


def drawn(columns: dict[str, list], epoch: int, size: tuple[int, int]) -> list[View]:
    """The views of an epoch, as the dataset draws them."""
    views = []
    for row, number in enumerate(columns["id"]):
        keypoints = np.array(columns["keypoints"][row], dtype=np.float64).reshape(17, 3)
        view, rng = (
            box_to_view(columns["box"][row], size, False),
            sample_generator(1, epoch, number),
        )
        person = keypoints[:, :2], keypoints[:, 2]
        views.append(draw_view(rng, view, *person, COCO, size, False, TRAINING))
    return views


def covered(dataset: TopDownDataset, views: dict[int, list[View]]) -> list[float]:
    """Of each view, which share of its photo lies in its window."""
    assert dataset.tiles is not None
    size, shares = dataset.input_size, []
    for row, view in [pair for drawn in views.values() for pair in enumerate(drawn)]:
        window = seen_window(invert(view_matrix(view, size, aligned=False)), size)
        photo = dataset.tiles.size(row)
        sides = [min(window[n + 2], photo[n]) - max(window[n], 0) for n in (0, 1)]
        shares.append(sides[0] * sides[1] / (photo[0] * photo[1]))
    return shares


def check(
    photos: TopDownDataset, pieces: TopDownDataset, columns: dict[str, list], views: list[View]
) -> None:
    """All sides cut the same pixels; a mirrored warp may round single pixels differently."""
    worst, off, unlike = 0, [], 0
    for row, view in enumerate(views):
        path, ours = photos.image_path(row), photos[1, row].image.copy()
        plain = plain_sample(path, row, columns, view, view.flip, photos.input_size)[3]
        away = np.abs(plain.astype(int) - ours)
        worst, off = max(worst, int(away.max())), [*off, float(away.mean())]
        unlike += not np.array_equal(ours, pieces[1, row].image)
    print(f"pixels: mean difference {np.mean(off):.4f}, largest {worst} of 255; from pieces "
          f"{unlike} samples differ from those of photos")  # fmt: skip


if __name__ == "__main__":
    main()
