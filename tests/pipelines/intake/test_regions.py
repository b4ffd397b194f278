"""Regions as run lengths: pycocotools' where they are right, the box where they are not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask
from pycocotools.coco import COCO

from data.ground.sample import Pose
from pipelines.intake.regions import counts_of, run_lengths
from tests.worlds.here import ROOT

HEIGHT, WIDTH = 20, 30
BOX = Pose(np.zeros((17, 2)), np.zeros(17, int), (2, 3, 4, 5))


def pixels(counts: str) -> np.ndarray:
    return np.asarray(mask.decode({"counts": counts, "size": (HEIGHT, WIDTH)}))


@pytest.mark.parametrize("region", [[], None, {}])
def test_without_a_region_it_is_the_box_and_nothing_is_told(region: object) -> None:
    counts, why = run_lengths(region, BOX, HEIGHT, WIDTH)
    assert pixels(counts).sum() == pixels(counts)[3:8, 2:6].sum() == 20 and why == ""


def test_a_box_without_end_is_cut_to_the_image() -> None:
    for box, count in (((-1e9, -1e9, 2e9, 2e9), HEIGHT * WIDTH), ((1e9, 0, 5, 5), 0)):
        pose = Pose(np.zeros((17, 2)), np.zeros(17, int), box)
        assert pixels(run_lengths(None, pose, HEIGHT, WIDTH)[0]).sum() == count


FLAT = [3.5, 2, 20, 4, 11.25, 17]


@pytest.mark.parametrize(
    "region",
    [
        [FLAT],
        [[[3.5, 2], [20, 4], [11.25, 17]]],  # point pairs of each polygon
        [[3.5, 2], [20, 4], [11.25, 17]],  # of one
        FLAT,
        [FLAT, [1, 2, 3, 4]],  # and a line
    ],
)
def test_polygons_are_read_in_every_form(region: object) -> None:
    expected = mask.merge(mask.frPyObjects([FLAT], HEIGHT, WIDTH))["counts"].decode()
    assert run_lengths(region, BOX, HEIGHT, WIDTH) == (expected, "")


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_are_read_in_both_forms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = np.asfortranarray(rng.random((HEIGHT, WIDTH)) < rng.random(), dtype=np.uint8)
    counts = mask.encode(drawn)["counts"].decode()
    listed = counts_of(counts, HEIGHT * WIDTH).tolist()
    for form in (counts, listed, [float(each) for each in listed]):
        region = {"counts": form, "size": [HEIGHT, WIDTH]}
        assert run_lengths(region, BOX, HEIGHT, WIDTH) == (counts, "")


def test_regions_of_real_people_are_pycocotools(real_data: Path) -> None:
    for split in ("train", "val"):
        path = real_data / "coco_mini" / "annotations" / f"person_keypoints_{split}2017.json"
        content = json.loads(path.read_text())
        official = COCO()
        official.dataset = content
        official.createIndex()
        sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
        for row in content["annotations"]:
            region = row["segmentation"]
            counts, why = run_lengths(region, BOX, *sizes[row["image_id"]])
            assert (counts, why) == (official.annToRLE(row)["counts"].decode(), "")


LONG = 10**9
SIZE = [HEIGHT, WIDTH]
HOSTILE: list[tuple[str, Any]] = [
    ("of another size", {"counts": [600], "size": [30, 20]}),
    ("of another size", {"counts": "0", "size": None}),
    ("pixels in sum", {"counts": [LONG], "size": SIZE}),
    ("pixels in sum", {"counts": [700, -100], "size": SIZE}),
    ("pixels in sum", {"counts": [5], "size": SIZE}),
    ("no whole numbers", {"counts": [None, 2.5], "size": SIZE}),
    ("that are cut", {"counts": "PPPo", "size": SIZE}),
    ("no compressed", {"counts": "o" * 900, "size": SIZE}),
    ("no compressed", {"counts": "\x01é", "size": SIZE}),
    ("longer run lengths", {"counts": "0" * 99999, "size": SIZE}),
    ("longer run lengths", {"counts": [0] * 99999, "size": SIZE}),
    ("no run lengths", {"counts": None, "size": SIZE}),
    ("no finite number", [[0, 0, 9, None, 9, 9]]),
    ("no finite number", [[0, 0, 9, float("nan"), 9, 9]]),
    ("no finite number", [[0, 0, float("inf"), 3, 9, 9]]),
    ("no finite number", [[0, 0, 10**400, 3, 9, 9]]),
    ("no finite number", [["a", "b", "c", "d", "e", "f"]]),
    ("odd number", [[[0, 0], [9, [1]], [3, 3]]]),
    ("no finite number", [[1, 2, 3, 4, 5, 6], "x"]),
    ("far outside", [[0, 0, 1e12, 3, 9, 9]]),
    ("far outside", [[0, 0, -LONG, 3, 9, 9]]),
    ("endless outline", [[0, 0, 30, 20] * 20000]),
    ("odd number", [[0, 0, 9, 3, 9, 9, 1]]),
    ("odd number", [1, 2, 3]),
    ("fewer than 3 corners", [[0, 0, 9, 3]]),
    ("fewer than 3 corners", [[1, 2]]),
    ("neither polygons nor", "text"),
    ("neither polygons nor", 7),
]

CHILD = """
import json, resource, signal, sys
from data.ground.sample import Pose
from pipelines.intake.regions import run_lengths
import numpy as np
given = json.load(sys.stdin)
pose = Pose(np.zeros((17, 2)), np.zeros(17, int), (2, 3, 4, 5))
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (256 << 20),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
print(json.dumps([run_lengths(region, pose, 20, 30) for region in given]))
"""


@pytest.mark.contract
def test_hostile_regions_are_the_box_within_time_and_memory() -> None:
    given = json.dumps([region for _, region in HOSTILE])
    done = subprocess.run([sys.executable, "-c", CHILD], input=given, text=True,
                          capture_output=True, cwd=ROOT, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    box = run_lengths(None, BOX, HEIGHT, WIDTH)[0]
    for (reason, _), (counts, why) in zip(HOSTILE, json.loads(done.stdout), strict=True):
        assert counts == box and "its box taken" in why and reason in why
