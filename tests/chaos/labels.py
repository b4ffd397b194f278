"""Labels, boxes and poses with a value or bytes changed: COCO's json, MPII's json and mat, rows."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np

from data.datasets.stick_figures import draw_split
from data.ground.skeleton import load_skeleton
from pipelines.evaluation.poses_file import read_results
from pipelines.host.folders import file_digest
from pipelines.intake.look import KnownDigests
from pipelines.intake.splits import Split, read_split
from pipelines.prediction.boxes import read_detections
from pipelines.prediction.coco_results import read_image_info, read_predictions
from pipelines.prediction.given_boxes import read_given_boxes
from pipelines.recipe.datasets import data_set
from tests.chaos.fault import Fault, Outcome, shared_folder
from tests.chaos.limits import limited
from tests.chaos.mutants import HOLDS
from tests.chaos.mutators import broken_bytes, broken_tree
from tests.worlds.mpii_files import rectangle, row, write_json, write_release

IMAGES = 4
COCO = load_skeleton("coco")


def drawn(folder: Path) -> None:
    draw_split(folder, "val", IMAGES, seed=1)


def hrnets(folder: Path) -> None:
    people = [row(f"{number:09d}.jpg", 60.0 + 5 * number) for number in range(1, IMAGES + 1)]
    write_json(folder, people, people)


def released(folder: Path) -> None:
    hrnets(folder)
    shutil.rmtree(folder / "annot")
    images = [(f"{number:09d}.jpg", [rectangle(), rectangle()], 1) for number in range(1, IMAGES)]
    write_release(folder, images, [1, 2, 1])


def sane(split: Split) -> None:
    """Nothing of what is trained on is nonsense, whatever stood in the file."""
    for image in split.images:
        path = split.root / image.path
        assert path.resolve().is_relative_to(split.root.resolve()), path
        assert 0 < image.width < 10_000 and 0 < image.height < 10_000
    people = split.people.columns(len(split.people.columns(1)["visibility"]) // len(split.people))
    seen = people["visibility"]
    x, y, width, height = people["box_image"].T
    images = [split.images[row] for row in people["image_row"]]
    sides = np.array([(image.width + 1, image.height + 1) for image in images])
    assert np.isfinite(people["box_image"]).all() and (width > 0).all() and (height > 0).all()
    inside = (x + width <= sides[:, 0]) & (y + height <= sides[:, 1])
    assert all(inside | [not image.clip for image in images])
    points = people["keypoints_image"].reshape(*seen.shape, 2)
    assert np.isfinite(points[seen > 0]).all()
    assert set(seen.ravel().tolist()) <= {0, 1, 2}
    assert ((people["area"] > 0) & (people["area"] <= 1e10)).all()
    assert len(set(people["person_id"].tolist())) == len(people["person_id"]), "two of one id"


def read(name: str, root: Path) -> None:
    """As prepare and evaluate read them."""
    kind = data_set(name)
    kind.check_truth(root, "val")
    sane(read_split(kind, name, "val", root))
    kind.truth(root, "val")


def known_digest(path: Path, known: Path) -> None:
    assert KnownDigests(known).of(path) == file_digest(path)


def broken_rows(draw: random.Random, folder: Path) -> Outcome:
    """Boxes, poses and digests that a command is given or finds: one reader a trial."""
    path, labelled = folder / "rows.json", folder / "labels.json"
    labelled.write_text("[]")
    keypoints = len(COCO.keypoints)
    box = {"image_id": 7, "category_id": 1, "bbox": [1.0, 2.0, 30.0, 40.0], "score": 0.5}
    pose = {"image_id": 7, "category_id": 1, "keypoints": [1.0, 2.0, 0.9] * keypoints, "score": 0.5}
    person = {"id": 1, "name": "person", "keypoints": list(COCO.keypoints)}
    images = [{"id": 7, "file_name": "a.jpg"}]
    named = {"images": images, "annotations": [box], "categories": [person]}
    tree, reader = draw.choice(
        (
            ([box, box], lambda: read_given_boxes(path, COCO)),
            (named, lambda: read_given_boxes(path, COCO)),
            ([box, box], lambda: read_detections(path, {7})),
            ([pose, pose], lambda: read_predictions(path, 0.2, keypoints)),
            ([{**pose, "file_name": "a.jpg"}, pose], lambda: read_results(path, COCO, {7}, {})),
            (named, lambda: read_image_info(path, folder)),
            ({str(labelled): [2, 1, 1, 1, "0" * 64]}, lambda: known_digest(labelled, path)),
        )
    )
    path.write_text(json.dumps(tree))
    broken_json(draw, path)

    def read() -> None:
        reader()

    return limited(read, (path.name,))


def broken_json(draw: random.Random, file: Path) -> None:
    if draw.random() < 0.7:
        tree, _, _ = broken_tree(draw, json.loads(file.read_text()))
        file.write_text(json.dumps(tree))
    else:
        file.write_bytes(broken_bytes(draw, file.read_bytes()))


def broken_coco(draw: random.Random, folder: Path) -> Outcome:
    root = shutil.copytree(shared_folder("drawn", drawn), folder / "raw")
    kind = data_set("stick_figures")
    file = kind.truth_file(root, "val")
    broken_json(draw, file)
    return limited(lambda: read("stick_figures", root), (file.name,))


def broken_mpii(draw: random.Random, folder: Path) -> Outcome:
    """In one folder for all trials, so that its Matlab file is read once."""
    root = shared_folder("read-once", hrnets)
    file = root / "annot" / "valid.json"
    whole = file.read_bytes()
    read("mpii", root)
    try:
        broken_json(draw, file)
        return limited(lambda: read("mpii", root), ("valid.json", "gt_valid.mat"))
    finally:
        file.write_bytes(whole)


def broken_mat(draw: random.Random, folder: Path) -> Outcome:
    name, fill = draw.choice((("hrnets", hrnets), ("released", released)))
    root = shutil.copytree(shared_folder(name, fill), folder / "raw")
    file = next(root.rglob("*.mat"))
    file.write_bytes(broken_bytes(draw, file.read_bytes()))
    return limited(lambda: read("mpii", root), (file.name,))


FAULTS = [
    Fault("mutant-coco", "COCO's json with a value or bytes changed", HOLDS, broken_coco, 1500, 30),
    Fault("mutant-mpii", "MPII's json with a value or bytes changed", HOLDS, broken_mpii, 700, 4),
    Fault("mutant-rows", "json of boxes, poses, images and digests changed", HOLDS, broken_rows,
          1500, 60),
    Fault("mutant-mat", "MPII's Matlab files with bytes changed", HOLDS, broken_mat, 200, 4),
]  # fmt: skip
