"""The data hash: changed by a table, a file of truth and the skeleton, and by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from data.datasets.stick_figures import draw_split
from data.files.table import write_table
from data.ground.sample import Rejected
from data.ground.skeleton import Skeleton, load_skeleton
from data.menus import DATASETS
from pipelines.host import places
from pipelines.intake.splits import read_split
from pipelines.intake.summary import hash_tables, summarise
from pipelines.intake.tables import write_split


@dataclass
class Prepared:
    """What a data hash is taken of."""

    folder: Path
    truth: dict[str, Path]
    skeleton: Skeleton

    @property
    def hash(self) -> str:
        return hash_tables(self.folder, self.truth, self.skeleton)


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    for split in ("train", "val"):
        (tmp_path / "prepared" / split).mkdir(parents=True)
        images_table(tmp_path / "prepared" / split, 7)
        (tmp_path / f"{split}.json").write_text(split)
    truth = {split: tmp_path / f"{split}.json" for split in ("train", "val")}
    return Prepared(tmp_path / "prepared", truth, load_skeleton("coco"))


def images_table(folder: Path, crc32: int) -> None:
    columns = {"image_id": np.arange(3), "crc32": np.array([crc32, 8, 9])}
    write_table(folder / "images.arrow", columns)


def another_image(prepared: Prepared) -> None:
    images_table(prepared.folder / "val", 70)


def one_more_table(prepared: Prepared) -> None:
    write_table(prepared.folder / "val" / "persons.arrow", {"person_id": np.arange(2)})


def another_truth(prepared: Prepared) -> None:
    prepared.truth["val"].write_text("vaL")


def one_more_truth(prepared: Prepared) -> None:
    prepared.truth["val mat"] = prepared.truth["val"]


def another_sigma(prepared: Prepared) -> None:
    sigmas = (0.5, *prepared.skeleton.sigmas[1:])
    prepared.skeleton = replace(prepared.skeleton, sigmas=sigmas)


def a_limb_less(prepared: Prepared) -> None:
    prepared.skeleton = replace(prepared.skeleton, limbs=prepared.skeleton.limbs[1:])


@pytest.mark.parametrize(
    "change",
    [
        another_image, one_more_table, another_truth, one_more_truth, another_sigma, a_limb_less,
    ],
)  # fmt: skip
def test_what_decides_a_training_changes_the_hash(
    prepared: Prepared, change: Callable[[Prepared], None]
) -> None:
    before = prepared.hash
    change(prepared)
    assert prepared.hash != before


def test_a_table_is_of_its_split(prepared: Prepared) -> None:
    hashes = {prepared.hash}
    for split, other in (("train", "val"), ("val", "train")):
        images_table(prepared.folder / split, 70)
        images_table(prepared.folder / other, 7)
        hashes.add(prepared.hash)
    assert len(hashes) == 3


def a_picture_beside(prepared: Prepared) -> None:
    (prepared.folder / "preview.png").write_bytes(b"picture")
    (prepared.folder / "quarantine.csv").write_text("split,kind\n")


def written_again(prepared: Prepared) -> None:
    images_table(prepared.folder / "val", 7)
    prepared.truth["val"].write_text("val")


def moved_elsewhere(prepared: Prepared) -> None:
    prepared.folder = prepared.folder.rename(prepared.folder.with_name("elsewhere"))
    away = prepared.truth["val"].rename(prepared.truth["val"].with_name("truth.json"))
    prepared.truth["val"] = away


def named_in_another_order(prepared: Prepared) -> None:
    prepared.truth = dict(reversed(prepared.truth.items()))


@pytest.mark.parametrize(
    "change", [a_picture_beside, written_again, moved_elsewhere, named_in_another_order]
)
def test_nothing_else_does(prepared: Prepared, change: Callable[[Prepared], None]) -> None:
    before = prepared.hash
    change(prepared)
    assert prepared.hash == before


def test_a_summary_counts_each_split_and_says_where_its_truth_lies(
    home: Path, tmp_path: Path
) -> None:
    kind, raw, folder = DATASETS["stick_figures"], places.raw("stick_figures"), tmp_path / "tables"
    folder.mkdir()
    splits = []
    for seed, name in enumerate(kind.SPLITS):
        draw_split(raw, name, images=1 + seed, seed=seed)
        split = read_split(kind, "a test's", name, raw)
        write_split(folder / name, split, kind.SKELETON)
        splits.append(split)
    splits[1].rejected.append(Rejected("val", "image", "9", "9", "image missing"))
    told = summarise(folder, "stick_figures", splits)
    assert (told["dataset"], told["skeleton"]) == ("stick_figures", "coco")
    assert raw == home.resolve() / told["raw"]
    assert {name: raw / path for name, path in told["truth"].items()} == {
        name: kind.truth_file(raw, name) for name in kind.SPLITS
    }
    train, val = told["splits"]["train"], told["splits"]["val"]
    assert (train["images"], val["images"]) == (1, 2)
    assert train["training_persons"] == len(splits[0].people) > 0
    assert (train["quarantined"], val["quarantined"]) == ({}, {"image missing": 1})
    rows = 1 + 2 + sum(split.persons for split in splits) + 1
    assert told["bad_row_share"] == pytest.approx(1 / rows, abs=1e-6)
    before = told["data_hash"]
    kind.truth_file(raw, "val").write_text("{}")
    assert summarise(folder, "stick_figures", splits)["data_hash"] != before
