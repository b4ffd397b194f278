"""Crops and batches: parity with the plain road, draws fixed per sample, orders of the sampler."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data.feeds.loader import EpochSampler, build_loader, shard
from data.feeds.person_crops import BoxDataset, TopDownDataset, collate
from data.files.images import read_image
from data.ground.plug import Plug
from data.ground.sample import Sample
from data.ground.skeleton import load_skeleton
from data.views.draws import Turn
from data.views.geometry import box_to_view, crop, move, view_matrix
from data.views.settings import Augmentation
from tests.worlds.listed import pose, write_listed

COCO = load_skeleton("coco")

SIZE, PERSONS = (48, 64), 6
CHANGES = Augmentation(
    scale=0.3, rotation=40.0, shift=0.1, half_body_probability=0.5,
    photometric=[Plug("RandomBrightnessContrast", {"p": 0.5}), Plug("CoarseDropout")],
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images with three persons each, prepared."""
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.png"):
        noise = rng.integers(0, 255, (15, 20, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / name), cv2.resize(noise, (200, 150)))
    points, seen = rng.uniform(30, 140, (PERSONS, 17, 2)), rng.integers(0, 3, (PERSONS, 17))
    people = [
        pose(n * 1000 + 5, (40, 30, 60, 80), points[n], seen[n].astype(np.int64))
        for n in range(PERSONS)
    ]
    write_listed(
        tmp_path,
        [
            Sample(7, tmp_path / "a.jpg", 200, 150, tuple(people[:3])),
            Sample(9, tmp_path / "b.png", 200, 150, tuple(people[3:])),
        ],
    )
    return tmp_path


def dataset(folder: Path, changes: Augmentation | None = None, **options: object) -> TopDownDataset:
    given = {"aligned": False, "augmentation": changes, "seed": 3, **options}
    return TopDownDataset(folder, folder, "train", SIZE, COCO, **given)  # type: ignore[arg-type]


def test_without_augmentation_an_item_is_the_plain_crop(folder: Path) -> None:
    persons = dataset(folder)
    assert len(persons) == PERSONS
    for row, name in ((1, "a.jpg"), (4, "b.png")):
        item = persons[row]
        matrix = view_matrix(box_to_view((40, 30, 60, 80), SIZE, False), SIZE, False)
        np.testing.assert_array_equal(item.image, crop(read_image(folder / name), matrix, SIZE))
        points = persons.persons["keypoints_image"][row].reshape(17, 2)
        np.testing.assert_allclose(item.keypoints_input, move(matrix, points), atol=1e-4)
        np.testing.assert_allclose(move(item.to_image, item.keypoints_input), points, atol=1e-4)
        np.testing.assert_array_equal(item.visibility, persons.persons["visibility"][row])
        assert item.sample_id == row and item.image.dtype == np.uint8


def test_aligned_items_follow_the_dark_code(folder: Path) -> None:
    item = dataset(folder, aligned=True)[0]
    view = box_to_view((40, 30, 61, 81), SIZE, True)  # its box of a person counts both borders
    np.testing.assert_allclose(
        view_matrix(view, SIZE, True)[:, :2] @ item.to_image[:, :2], np.eye(2), atol=1e-9
    )
    np.testing.assert_allclose(move(item.to_image, np.array([23.5, 31.5])), (70.0, 70.0))


def test_a_flip_swaps_left_and_right(folder: Path) -> None:
    plain, flipped = (
        dataset(folder, Augmentation(flip_probability=p))[2] for p in (0.0, 1.0)
    )  # fmt: skip
    np.testing.assert_array_equal(flipped.visibility, plain.visibility[COCO.mirror])
    expected = plain.keypoints_input[COCO.mirror] * [-1, 1] + [SIZE[0], 0]
    np.testing.assert_allclose(flipped.keypoints_input, expected, atol=1e-3)
    points = dataset(folder).persons["keypoints_image"][2].reshape(17, 2)[COCO.mirror]
    np.testing.assert_allclose(move(flipped.to_image, flipped.keypoints_input), points, atol=1e-3)


def same(a: tuple, b: tuple) -> bool:
    return all(np.array_equal(np.asarray(x), np.asarray(y)) for x, y in zip(a, b, strict=True))


def test_draws_depend_on_seed_epoch_and_person_only(folder: Path) -> None:
    persons = dataset(folder, CHANGES)
    items = {(epoch, row): persons[epoch, row] for epoch in (0, 1) for row in range(PERSONS)}
    other = pickle.loads(pickle.dumps(persons))
    for index in reversed(items):
        assert same(other[index], items[index])
    assert not any(same(items[0, row], items[1, row]) for row in range(PERSONS))
    again = dataset(folder, CHANGES, seed=4)
    assert not same(again[0, 0], items[0, 0])


@pytest.mark.contract
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(folder: Path, workers: int) -> None:
    def epochs(count: int) -> list[torch.Tensor]:
        sampler = EpochSampler(PERSONS, global_batch=2, seed=1)
        loader = build_loader(dataset(folder, CHANGES), sampler, 2, workers=count)
        seen = []
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            seen += [tensor for batch in loader for tensor in batch]
        return seen

    alone, together = epochs(0), epochs(workers)
    assert len(alone) == 2 * 3 * 5
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_batch_has_the_promised_shapes(folder: Path) -> None:
    batch = next(iter(build_loader(dataset(folder), [0, 3, 5], 3)))
    assert batch.images.shape == (3, 64, 48, 3) and batch.images.dtype == torch.uint8
    assert batch.keypoints_input.shape == (3, 17, 2)
    assert batch.keypoints_input.dtype == torch.float32
    assert batch.visibility.shape == (3, 17) and batch.visibility.dtype == torch.int64
    assert batch.sample_id.tolist() == [0, 3, 5]
    assert batch.to_image.shape == (3, 2, 3) and batch.to_image.dtype == torch.float64


@pytest.mark.contract
@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_image_is_named(folder: Path, workers: int) -> None:
    (folder / "b.png").unlink()
    with pytest.raises(ValueError, match=r"b\.png"):
        list(build_loader(dataset(folder), [0, 4], 1, workers=workers))


def test_a_missing_split_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"persons\.arrow"):
        len(TopDownDataset(folder, folder, "val", SIZE, COCO, aligned=False))


def test_boxes_give_the_same_crops_without_keypoints(folder: Path) -> None:
    boxes = np.tile([40.0, 30, 60, 80], (PERSONS, 1))
    paths = [folder / "a.jpg"] * 3 + [folder / "b.png"] * 3
    items = BoxDataset(paths, boxes, SIZE, aligned=False)
    batch = collate([items[row] for row in range(len(items))])
    assert batch.keypoints_input.shape == (PERSONS, 0, 2)
    for row in range(PERSONS):
        item = dataset(folder)[row]
        np.testing.assert_array_equal(batch.images[row].numpy(), item.image)
        np.testing.assert_array_equal(batch.to_image[row].numpy(), item.to_image)
    with pytest.raises(ValueError, match="5 image paths for 6 boxes"):
        BoxDataset(paths[:5], boxes, SIZE, aligned=False)


def steps_of(world_size: int, **options: object) -> list[list[set[Turn]]]:
    """Per epoch and step, the turns of all ranks."""
    given = {"size": 53, "seed": 5, "global_batch": 12, **options}
    epochs = []
    for epoch in (0, 1):
        ranks = []
        for rank in range(world_size):
            sampler = EpochSampler(rank=rank, world_size=world_size, **given)  # type: ignore[arg-type]
            sampler.set_epoch(epoch)
            rows, each = list(sampler), sampler.global_batch // world_size
            assert len(rows) == len(sampler) == sampler.steps_per_epoch * each
            ranks.append([rows[i : i + each] for i in range(0, len(rows), each)])
        epochs.append([{i for part in step for i in part} for step in zip(*ranks, strict=True)])
    return epochs


@pytest.mark.parametrize("options", [{}, {"size": 5}, {"steps": 9}])
def test_every_world_size_takes_the_same_steps(options: dict[str, int]) -> None:
    assert all(steps_of(size, **options) == steps_of(1, **options) for size in (2, 3, 4))


def test_an_epoch_is_whole_batches_of_rows_that_come_once() -> None:
    alone = steps_of(1)
    assert [len(epoch) for epoch in alone] == [4, 4]
    rows = [row for step in alone[0] for _, row, _ in step]
    assert len(set(rows)) == len(rows) == 48
    assert [{turn.row for turn in s} for s in alone[0]] != [
        {turn.row for turn in s} for s in alone[1]
    ]
    assert {turn.epoch for step in alone[1] for turn in step} == {1}


def test_a_position_goes_on_in_mid_epoch() -> None:
    sampler = EpochSampler(53, 1, 2, 5, 12)
    sampler.set_epoch(3)
    whole = list(sampler)
    sampler.set_position(3)
    assert list(sampler) == whole[3 * 6 :] and len(sampler) == 6
    sampler.set_epoch(3)
    assert list(sampler) == whole


def test_small_splits_are_repeated_or_refused() -> None:
    rows = [row for _, row, _ in EpochSampler(5, global_batch=12)]
    assert len(rows) == 12 and set(rows) == set(range(5))
    with pytest.raises(ValueError, match=r"5 samples .* 12"):
        EpochSampler(5, global_batch=12, small_split="refuse")
    with pytest.raises(ValueError, match="zero training steps"):
        EpochSampler(0, global_batch=12)
    with pytest.raises(ValueError, match="given 12, accepted: a multiple of the 5"):
        EpochSampler(50, world_size=5, global_batch=12)


def test_steps_can_be_set() -> None:
    assert len(EpochSampler(53, global_batch=12, steps=2)) == 24
    rows = [row for _, row, _ in EpochSampler(53, global_batch=12, steps=9)]
    assert len(rows) == 108 and set(rows) == set(range(53))
    assert list(EpochSampler(4, global_batch=2, shuffle=False)) == [(0, r, 0) for r in range(4)]


@pytest.mark.parametrize("options", [{"global_batch": 12}, {"global_batch": 4, "steps": 3}])
def test_no_view_comes_twice_in_an_epoch(folder: Path, options: dict[str, int]) -> None:
    """A split that is smaller than its batch, or than its steps."""
    persons = dataset(folder, CHANGES)
    turns = list(EpochSampler(PERSONS, **options))
    assert [turn.again for turn in turns] == [0] * PERSONS + [1] * PERSONS
    views = {persons[turn].to_image.tobytes() for turn in turns}
    assert len(views) == len(turns) == 2 * PERSONS
    for turn in turns[:PERSONS]:
        assert same(persons[turn], persons[turn.epoch, turn.row]), "round 0 is as it always was"


@pytest.mark.parametrize("size", [0, 1, 7, 10])
def test_shards_cover_every_row_once(size: int) -> None:
    for world_size in (1, 2, 3, 4):
        rows = [row for rank in range(world_size) for row in shard(size, rank, world_size)]
        assert rows == list(range(size))
