"""Data sets by name: the menu, and entries of params.yaml, strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.datasets.own import OwnData, Part, Source
from data.datasets.sources.splitting import Cut
from data.ground.skeleton import load_skeleton
from data.menus import DATASETS
from pipelines.recipe.datasets import data_set, data_set_names, read_source, skeleton_named
from pipelines.recipe.params import dataset_settings

ENTRY = """
datasets:
  coco: {source: null}
  workers:
    format: coco
    train: {labels: a/train.json, images: a/photos}
    split: {val: 0.2, by: folder, seed: 3}
    category: worker
    skeleton: coco
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(ENTRY)
    return path


def test_an_entry_with_a_format_is_a_data_set(params: Path) -> None:
    kind = data_set("workers", params)
    assert isinstance(kind, OwnData) and load_skeleton("coco") == kind.SKELETON
    part = Part("a/train.json", "a/photos")
    assert kind.source == Source(
        "coco", part, split=Cut(0.2, "folder", 3), category="worker", skeleton="coco"
    )
    assert data_set_names(params) == [*DATASETS, "workers"]
    assert data_set("workers", params) is kind, "made once"


def test_what_prepare_is_given_has_the_entrys_own_default(params: Path) -> None:
    assert dataset_settings("workers", params)["bad_row_limit"] == 0.1
    params.write_text(f"{ENTRY}    bad_row_limit: 0.25\n")
    assert dataset_settings("workers", params)["bad_row_limit"] == 0.25


def test_one_of_the_menu_is_itself(params: Path) -> None:
    assert data_set("coco", params) is DATASETS["coco"]


def test_an_entry_that_was_changed_is_read_again(params: Path) -> None:
    before = data_set("workers", params)
    params.write_text(ENTRY.replace("skeleton: coco", "skeleton: mpii"))
    after = data_set("workers", params)
    assert (before.SKELETON.name, after.SKELETON.name) == ("coco", "mpii")


def test_an_unknown_name_is_refused_with_those_there_are(params: Path) -> None:
    with pytest.raises(ValueError, match=r"'worker', accepted: coco, .*workers; did you mean 'wor"):
        data_set("worker", params)


@pytest.mark.parametrize(
    ("line", "wrong", "says"),
    [
        ("format: coco", "format: cocoo", r"workers.format: given 'cocoo', accepted: .*coco"),
        ("category", "categorie", "categorie: unknown key; did you mean 'category'"),
        ("by: folder", "by: day", "split.by: given 'day', accepted: one of file, folder, video"),
        ("val: 0.2", "val: 20", "split.val: given 20, accepted: 0 to 1"),
        ("labels: a/train.json, ", "", "train.labels: missing"),
        ("skeleton: coco", "skeleton: cat", r"skeleton: given 'cat', accepted: coco, crowdpose"),
        ("skeleton: coco", "skeleton: cat.yaml", "cat.yaml: no such file"),
    ],
)
def test_a_wrong_entry_names_its_key(params: Path, line: str, wrong: str, says: str) -> None:
    params.write_text(ENTRY.replace(line, wrong))
    with pytest.raises(ValueError, match=says):
        data_set("workers", params)


def test_a_skeleton_may_be_a_file_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "hand.yaml"
    path.write_text(
        "keypoints: [thumb, wrist]\nlimbs: [[thumb, wrist]]\nmirrored: []\n"
        "sigmas: [0.05, 0.05]\nupper_body: []\nreference: [thumb, wrist]\n"
    )
    skeleton = skeleton_named(str(path), "x")
    assert (skeleton.name, skeleton.reference) == ("hand", ("thumb", "wrist"))
    assert skeleton.lower_body == ("thumb", "wrist")


def test_an_entry_is_checked_whole() -> None:
    entry = {"format": "coco", "train": {"labels": "a", "images": "b"}}
    with pytest.raises(ValueError, match=r"x.split: given beside `val`"):
        read_source(entry | {"val": entry["train"], "split": {"val": 0.1}}, "x")
