"""MPII Human Pose in both layouts that people have: checked rows for training, untouched truth.

HRNet's: ROOT/annot/{train,valid,trainval}.json and annot/gt_valid.mat; the official release:
ROOT/mpii_human_pose_v1_u12_1.mat, split by annot/{train,valid}_images.txt (one file name a line)
where they are, else a tenth of the images is `val`. Images lie in ROOT/images.

Its pixels count from 1 and its `scale` is in units of 200 px; everything that leaves this file
counts from 0. The box is the square whose padded view is HRNet's crop (lib/dataset/mpii.py).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from data.datasets.sources.mpii_mat import gt_valid, mat_rows
from data.ground.data_set import Counted, DataSet, Expected, Layout, accept
from data.ground.json_text import LARGEST, read_json, whole
from data.ground.refusal import refusal
from data.ground.sample import Pose, Reject, Rejected, Sample
from data.ground.skeleton import load_skeleton

MAT = "mpii_human_pose_v1_u12_1.mat"
FAR = 1e9  # of a centre or a scale, far beyond any image: its area is finite in 32 bits
LAYOUT = Layout(
    told="MPII as HRNet's tools (annot/{train,valid}.json, annot/gt_valid.mat) or the official "
    f"release ({MAT}) have it, and images/",
    folders=("images",),
    needed=(("annot/train.json", MAT), ("annot/valid.json", MAT), ("annot/gt_valid.mat", MAT)),
    optional=("annot/trainval.json", "annot/*_images.txt"),
)
SAME_PERSON = 1.0  # px that a person may lie apart in gt_valid.mat and valid.json; it is 1e-4
HEAD_SHARE = 0.6  # of the head box's diagonal: MPII's head size
_NAMES = {"val": "valid"}  # our split -> HRNet's name
_KEYPOINTS = len(load_skeleton("mpii").keypoints)


class Mpii(DataSet):
    """MPII Human Pose."""

    SKELETON = load_skeleton("mpii")
    SPLITS = ("train", "val")
    EVALUATORS = ("pckh", "keypoint_distance")
    PUBLISHED: Mapping[str, Counted] = {"val": Counted(people=2958)}
    LAYOUT = LAYOUT

    def truth_file(self, root: Path, split: str) -> Path:
        return truth_file(root, split)

    def truth_files(self, root: Path, split: str) -> list[Path]:
        more = [root / "annot" / f"{_NAMES.get(split, split)}_images.txt", _heads_file(root, split)]
        return [truth_file(root, split), *(path for path in more if path.is_file())]

    def check_truth(self, root: Path, split: str) -> None:
        read_truth(truth_file(root, split))

    def samples(self, root: Path, split: str, reject: Reject = accept) -> Iterator[Sample]:
        """Width and height are 0: no file of MPII tells them.

        `Pose.id` is the row of HRNet's json, or 1000 x image + rectangle of the .mat.
        """
        people: dict[int, list[Pose]] = {}
        names: dict[int, str] = {}
        for row in _rows(root, split):
            if reason := _fault(row, names):
                image = str(row.get("image"))
                reject(Rejected(split, "person", str(row["id"]), image, reason))
                continue
            image_id = _image_id(row["image"])
            names[image_id] = row["image"]
            people.setdefault(image_id, []).append(_to_pose(row))
        paths = {image_id: root / "images" / name for image_id, name in names.items()}
        return Expected(_samples(paths, people), len(people))

    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        """With head sizes, and positions as gt_valid.mat has them.

        Raises ValueError where HRNet's `val` has no gt_valid.mat, or one of other rows.
        """
        rows, path, heads = _rows(root, split), truth_file(root, split), _heads_file(root, split)
        if path.name != MAT and (split == "val" or heads.is_file()):
            rows = _from_heads(heads, path, rows)
        people: dict[int, list[Pose]] = {}
        for row in rows:
            if not (_image_name_fault(row) or _keypoint_fault(row)) and np.any(row["joints_vis"]):
                people.setdefault(_image_id(row["image"]), []).append(_to_pose(row))
        return people


def _samples(paths: Mapping[int, Path], people: Mapping[int, Sequence[Pose]]) -> Iterator[Sample]:
    for image_id, poses in people.items():
        regions: tuple[object, ...] = tuple([] for pose in poses if not pose.visibility.any())
        yield Sample(image_id, paths[image_id], 0, 0, tuple(poses), regions, clip=False)


def truth_file(root: Path, split: str) -> Path:
    """The json of HRNet's layout; the official .mat where it is there instead."""
    path = root / "annot" / f"{_NAMES.get(split, split)}.json"
    return root / MAT if not path.is_file() and (root / MAT).is_file() else path


def _heads_file(root: Path, split: str) -> Path:
    return root / "annot" / f"gt_{_NAMES.get(split, split)}.mat"


def read_truth(path: Path) -> list[dict[str, Any]]:
    """HRNet's json or the official .mat as one row per person. ValueError where it is neither."""
    if path.name == MAT:
        return list(mat_rows(path))
    if not path.is_file():
        raise _no_mpii(path)
    content = read_json(path)
    accepted = "a list of {image, center, scale, joints, joints_vis} (MPII as HRNet's)"
    if isinstance(content, dict) and "annotations" in content:
        do = "is the data set `coco`?"
        raise refusal(path, fault="given COCO's json", accepted=accepted, do=do)
    if not isinstance(content, list) or not all(
        isinstance(row, dict) and {"image", "joints"} <= set(row) for row in content
    ):
        raise refusal(path, accepted=accepted)
    return [row | {"id": number} for number, row in enumerate(content)]


def _no_mpii(path: Path) -> ValueError:
    root = path.parent.parent
    coco = list((root / "annotations").glob("person_keypoints_*.json"))
    hint = f"{coco[0].name} lies there: is the data set `coco`? " if coco else ""
    return refusal(
        path,
        fault=f"no such file, nor {root / MAT}",
        accepted=LAYOUT.told,
        do=f"{hint}run `python -m pipelines.fetch DATASET` or use a demo recipe",
    )


def _rows(root: Path, split: str) -> list[dict[str, Any]]:
    path = truth_file(root, split)
    rows = read_truth(path)
    if path.name != MAT:
        return rows
    chosen = _chosen_images(root, split, sorted({str(row["image"]) for row in rows}))
    return [
        row
        for row in rows
        if str(row["image"]) in chosen and (split != "val" or (row["single"] and row["head_box"]))
    ]


def _chosen_images(root: Path, split: str, names: list[str]) -> set[str]:
    listed = _listed_images(root, split)
    if listed is not None:
        for other in Mpii.SPLITS:
            both = listed & (_listed_images(root, other) or set()) if other != split else set()
            if both:
                where = root / "annot" / f"{_NAMES.get(split, split)}_images.txt"
                fault = f"{len(both)} of its images are in that of {other} too, as {min(both)}"
                raise refusal(where, fault=fault, accepted="each image in one list")
        return listed
    held_out = {name for name in names if zlib.crc32(name.encode()) % 10 == 0}
    return held_out if split == "val" else set(names) - held_out


def _listed_images(root: Path, split: str) -> set[str] | None:
    path = root / "annot" / f"{_NAMES.get(split, split)}_images.txt"
    return set(path.read_text(encoding="utf-8-sig").split()) if path.is_file() else None


def _from_heads(path: Path, beside: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with positions, labels and head boxes of gt_valid.mat: the same people in order."""
    positions, labelled, heads = gt_valid(path)
    if len(rows) != len(heads):
        fault = f"{len(heads)} people, {beside.name} has {len(rows)}"
        raise refusal(path, fault=fault, accepted="two files of one split, row by row")
    for n, row in enumerate(rows):
        away = _away(row, positions[n], labelled[n])
        if away > SAME_PERSON:
            fault = f"its person {n} is {away:.0f} px from that of {beside.name} ({row['image']})"
            do = "are they of one release? the rows have to be in one order"
            raise refusal(path, fault=fault, accepted="two files of one split, row by row", do=do)
    return [
        row | {"joints": positions[n], "joints_vis": labelled[n], "head_box": heads[n].tolist()}
        for n, row in enumerate(rows)
    ]


def _away(row: Mapping[str, Any], positions: np.ndarray, labelled: np.ndarray) -> float:
    """Median distance in pixels of keypoints that both files label; 0 where they share none."""
    if _keypoint_fault(row):
        return 0.0
    shared = (_numbers(row["joints_vis"]) > 0) & (labelled > 0)
    distances = np.hypot(*(_numbers(row["joints"]) - positions)[shared].T)
    return float(np.median(distances)) if len(distances) else 0.0


def _fault(row: Mapping[str, Any], names: Mapping[int, str]) -> str | None:
    if reason := _image_name_fault(row):
        return reason
    if names.get(_image_id(row["image"]), row["image"]) != row["image"]:
        return "two images of one number"
    return _keypoint_fault(row) or _place_fault(row)


def _image_name_fault(row: Mapping[str, Any]) -> str | None:
    name = row.get("image")
    if not isinstance(name, str) or not name:
        return "no file name"
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return "file name leaves the folder"
    stem = PurePosixPath(name).stem
    known = stem.isdecimal() and len(stem) < 20 and whole(int(stem)) is not None
    return None if known else "file name is no number of 64 bits"


def _keypoint_fault(row: Mapping[str, Any]) -> str | None:
    joints, labelled = _numbers(row.get("joints")), _numbers(row.get("joints_vis"))
    if joints.shape != (_KEYPOINTS, 2):
        return "wrong number of values: joints"
    if labelled.shape != (_KEYPOINTS,):
        return "wrong number of values: joints_vis"
    if not np.isin(labelled, (0, 1, 2)).all():
        return "joints_vis other than 0, 1"
    inside = np.abs(joints[labelled > 0]) <= LARGEST
    return None if inside.all() else "not finite: joints"


def _place_fault(row: Mapping[str, Any]) -> str | None:
    center, scale = _numbers(row.get("center")), _numbers(row.get("scale"))
    if center.shape != (2,) or scale.shape != () or not (np.abs([*center, scale]) <= FAR).all():
        return "no centre and scale"
    return "no centre and scale" if center[0] == -1 or scale <= 0 else None


def _numbers(value: object) -> np.ndarray:
    """float64, or an empty array where there are no numbers."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0)


def _image_id(name: str) -> int:
    return int(PurePosixPath(name).stem)


def _to_pose(row: Mapping[str, Any]) -> Pose:
    """0-based; HRNet's code moves the centre down by 15 x scale and pads by 1.25, as views do."""
    labelled = _numbers(row["joints_vis"])
    points = np.where(labelled[:, None] > 0, _numbers(row["joints"]) - 1.0, 0.0)
    visibility = np.where(labelled > 0, row.get("visibility", 2), 0).astype(np.int64)
    box = (0.0, 0.0, 0.0, 0.0) if _place_fault(row) else _box(row["center"], float(row["scale"]))
    area = box[2] * box[3]
    return Pose(points, visibility, box, area, id=row["id"], head_size=_head_size(row))


def _box(center: Sequence[float], scale: float) -> tuple[float, float, float, float]:
    side = 200.0 * scale
    return center[0] - 1.0 - side / 2, center[1] + 15.0 * scale - 1.0 - side / 2, side, side


def _head_size(row: Mapping[str, Any]) -> float:
    x1, y1, x2, y2 = row.get("head_box") or (0.0,) * 4
    return HEAD_SHARE * math.hypot(x2 - x1, y2 - y1)
