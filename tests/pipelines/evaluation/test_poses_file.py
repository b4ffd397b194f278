"""Poses of any file of results are scored as pycocotools scores them; wrong rows are named."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from data.menus import DATASETS
from pipelines import evaluate
from pipelines.evaluation.poses_file import score_file
from pipelines.host import places
from pipelines.intake.prepared import image_files
from pipelines.intake.preparing import prepare
from tests.worlds.drawn import NAME, draw

Row = dict[str, Any]


@pytest.fixture(scope="module")
def drawn(module_home: Path) -> Path:
    draw(module_home, train=1, val=6)
    return module_home


def near_rows(dataset: str) -> list[Row]:
    """The true people, a few pixels away, some twice, in COCO's results format."""
    rng = np.random.default_rng(0)
    rows = []
    for image_id, people in DATASETS[dataset].truth(places.raw(dataset), "val").items():
        for pose in [*people, *people[:1]]:
            moved = pose.keypoints_image + rng.normal(0, 5, pose.keypoints_image.shape)
            points = np.column_stack([moved, np.ones(len(moved))]).ravel().tolist()
            score = float(rng.random())
            rows.append(
                {"image_id": image_id, "category_id": 1, "keypoints": points, "score": score}
            )
    return rows


def by_pycocotools(dataset: str, rows: list[Row]) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(DATASETS[dataset].truth_file(places.raw(dataset), "val")))
        scored = COCOeval(truth, truth.loadRes(rows), "keypoints")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return [float(value) for value in scored.stats]


def written(folder: Path, rows: object) -> Path:
    path = folder / "poses.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def real(real_coco: Path) -> Path:
    prepare("coco", 0.0)
    return real_coco


def check(dataset: str, tmp_path: Path) -> None:
    rows = near_rows(dataset)
    path, expected = written(tmp_path, rows), by_pycocotools(dataset, rows)
    numbers = score_file(path, dataset)
    assert list(numbers.values()) == pytest.approx(expected, abs=1e-9)
    assert 0.1 < numbers["AP"] < 0.95


def test_numbers_are_those_of_pycocotools(drawn: Path, tmp_path: Path) -> None:
    check(NAME, tmp_path)


def test_numbers_of_real_people_are_those_of_pycocotools(real: Path, tmp_path: Path) -> None:
    check("coco", tmp_path)


def test_rows_that_name_their_files_need_no_ids(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers of another tool's own, which happen to be those of other images here."""
    rows = near_rows(NAME)
    expected = score_file(written(tmp_path, rows), NAME)
    files = image_files(places.prepared(NAME), places.raw(NAME), "val")
    following = dict(zip(files, [*list(files)[1:], next(iter(files))], strict=True))
    for row in rows:
        row["file_name"] = files[row["image_id"]].name
        row["image_id"] = following[row["image_id"]]
    assert score_file(written(tmp_path, rows), NAME) == expected
    command = ["--poses", str(written(tmp_path, rows)), "--dataset", NAME, "--split", "val"]
    assert evaluate.main(command) == 0
    assert f"poses.json: AP {expected['AP']:.3f}  AP50" in capsys.readouterr().out
    for row in rows:
        del row["file_name"]
    assert score_file(written(tmp_path, rows), NAME)["AP"] < expected["AP"] / 2


def test_a_file_without_rows_finds_nobody(drawn: Path, tmp_path: Path) -> None:
    assert score_file(written(tmp_path, []), NAME)["AP"] == 0


def changed(key: str, value: object) -> Callable[[Row], Row]:
    return lambda row: row | {key: value}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("image_id", -5), "image_id -5: none of the 6 images that are scored"),
        (changed("image_id", "x"), "image_id 'x': none of the 6"),
        (changed("file_name", "cat.jpg"), None),
        (lambda r: r | {"file_name": "cat.jpg", "image_id": -5}, "image_id -5 and file_name 'cat"),
        (changed("keypoints", [1.0] * 48), "keypoints: given 48 numbers, accepted: 51 numbers"),
        (changed("keypoints", None), "keypoints: given None, accepted: 51 numbers"),
        (changed("keypoints", [float("nan"), *[1.0] * 50]), "keypoints: given nan, accepted: 51"),
        (changed("keypoints", [None, *[1.0] * 50]), "keypoints: given None, accepted: 51"),
        (changed("score", float("inf")), "score: given inf, accepted: a number"),
        (changed("score", 1e30), "score: given 1e[+]30, accepted: a number, up to 1,000,000"),
        (changed("keypoint_names", ["beak"]), r"keypoint_names: given \['beak'\], accepted: nose"),
        (changed("category_id", 18), "category_id: given 18, accepted: 1"),
        (lambda _: "row", "row 1: given 'row', accepted: rows of COCO"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(
    drawn: Path, tmp_path: Path, change: Callable[[Row], object], said: str | None
) -> None:
    rows = near_rows(NAME)
    path = written(tmp_path, [rows[0], change(rows[1]), *rows[2:]])
    if said is None:
        assert score_file(path, NAME)["AP"] > 0
        return
    with pytest.raises(ValueError, match=said) as refused:
        score_file(path, NAME)
    assert "poses.json: row 1" in str(refused.value)


def test_what_cannot_be_scored_is_said(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(written(tmp_path, []))
    for command, said in (
        (["--poses", path], "--poses FILE: accepted: with --dataset NAME"),
        (["demo_hrnet", "--poses", path, "--dataset", NAME], "accepted: with --dataset NAME"),
        (["--poses", path, "--dataset", "coca"], "did you mean 'coco'"),
        (["--poses", path, "--dataset", NAME, "--split", "test"], "given 'test', accepted: train"),
        (["--poses", path, "--dataset", "mpii"], "summary.json: no such file"),
        (["--poses", str(tmp_path / "no.json"), "--dataset", NAME], "no.json: no such file"),
        (
            ["--poses", str(written(tmp_path, {})), "--dataset", NAME],
            "given dict, accepted: a list",
        ),
        ([], "accepted: RECIPE, --champion SLOT --dataset NAME, or --poses FILE"),
    ):
        assert evaluate.main(command) == 2
        assert said in capsys.readouterr().err, command
