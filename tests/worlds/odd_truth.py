"""Real truth with odd rows in it, as files of other people have them, and guesses near it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from data.ground.sample import AREA_OF_BOX
from data.ground.skeleton import load_skeleton

CROWDPOSE = load_skeleton("crowdpose").keypoints
Row = dict[str, Any]


def odd_truth(content: Row, rng: np.random.Generator) -> tuple[Row, Row]:
    """(a json of COCO's kind, the same with all filled in that official tools need)."""
    given = copy.deepcopy(content)
    names = {image["id"]: int(rng.choice([image["id"], 2**62 + image["id"]]))
             for image in given["images"]}  # fmt: skip
    for row in [*given["images"], *given["annotations"]]:
        key = "image_id" if "image_id" in row else "id"
        row[key] = names[row[key]]
    full = copy.deepcopy(given)
    for odd, plain in zip(given["annotations"], full["annotations"], strict=True):
        for number in rng.choice(len(CHANGES), 2, replace=False):
            if rng.random() < 0.4:
                CHANGES[number](odd, rng)
        plain.clear()
        plain.update(odd)
        *_, width, height = odd["bbox"]
        flags = np.reshape(odd["keypoints"], (-1, 3))[:, 2]
        plain.setdefault("num_keypoints", int((flags > 0).sum()))
        if "area" not in odd and not (width > 0 and height > 0):
            odd["area"] = 7.0
        plain.setdefault("area", odd.get("area", AREA_OF_BOX * width * height))
    return given, full


def counted_otherwise(row: Row, rng: np.random.Generator) -> None:
    row["num_keypoints"] = int(rng.choice([0, 0, 3, -1]))


def not_counted(row: Row, rng: np.random.Generator) -> None:
    row.pop("num_keypoints", None)


def no_flags(row: Row, rng: np.random.Generator) -> None:
    row["keypoints"] = [0 if n % 3 == 2 else v for n, v in enumerate(row["keypoints"])]


def other_flags(row: Row, rng: np.random.Generator) -> None:
    flags = rng.choice([0, 0.5, 1, 2, 3, -1, 1e9], len(row["keypoints"])).tolist()
    row["keypoints"] = [flags[n] if n % 3 == 2 else v for n, v in enumerate(row["keypoints"])]


def a_crowd(row: Row, rng: np.random.Generator) -> None:
    row["iscrowd"] = int(rng.choice([0, 1]))


def another_area(row: Row, rng: np.random.Generator) -> None:
    row["area"] = float(rng.choice([0, 1e-9, 1024, 9216, 9216.5, 3e10]))


def another_box(row: Row, rng: np.random.Generator) -> None:
    x, y, _, height = row["bbox"]
    row["bbox"] = [[x, y, 0, height], [x, y, -5.5, 3], [-1e6, y, 1e6, height]][rng.integers(3)]


def no_area(row: Row, rng: np.random.Generator) -> None:
    row.pop("area", None)


CHANGES = (counted_otherwise, not_counted, no_flags, other_flags, a_crowd, another_area,
           another_box, no_area)  # fmt: skip


def guesses(content: Row, rng: np.random.Generator) -> list[Row]:
    """Results in COCO's format, near people and far from all."""
    made = []
    for row in content["annotations"]:
        x, y, width, height = row["bbox"]
        around = [x, y] + rng.random((len(row["keypoints"]) // 3, 2)) * [abs(width), abs(height)]
        for _ in range(int(rng.integers(0, 3))):
            points = np.reshape(row["keypoints"], (-1, 3)).astype(float).copy()
            spread = rng.choice([0.5, 3, 12, 40])
            points[:, :2] = np.where(points[:, 2:] > 0, points[:, :2], around)
            points[:, :2] += rng.normal(0, spread, (len(points), 2))
            points[:, 2] = 1
            made.append({"image_id": row["image_id"], "category_id": row["category_id"],
                         "keypoints": points.ravel().tolist(),
                         "score": float(rng.choice([0.5, rng.random()]))})  # fmt: skip
    return made


def as_crowdpose(content: Row, rng: np.random.Generator) -> Row:
    """COCO's people in CrowdPose's 14 keypoints and layout, each image of some crowd index."""
    person = content["categories"][0]
    at = [person["keypoints"].index(n) if n in person["keypoints"] else -1 for n in CROWDPOSE]
    with_people = {row["image_id"] for row in content["annotations"]}
    rows = []
    for row in content["annotations"]:
        points = np.vstack([np.reshape(row["keypoints"], (-1, 3)), np.zeros((1, 3))])[at]
        rows.append({**row, "keypoints": points.ravel().tolist()})
    images = [
        {**image, "crowdIndex": float(rng.choice([0, 0.19, 0.2, 0.5, 0.8, 1]))}
        for image in content["images"]
        if image["id"] in with_people
    ]
    return {"images": images, "annotations": rows,
            "categories": [{**person, "keypoints": list(CROWDPOSE)}]}  # fmt: skip
