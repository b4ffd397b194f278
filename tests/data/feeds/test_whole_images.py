"""Whole images: views, masks and people, of drawn and of real images."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.datasets.coco import Coco
from data.feeds.image_people import ImagePeople
from data.feeds.resized_images import ResizedDataset
from data.feeds.whole_images import WholeImageDataset, collate_whole, keep_of
from data.ground.plug import Plug
from data.ground.resize import Resize
from data.ground.sample import Sample
from data.ground.skeleton import load_skeleton
from data.views.geometry import move, view_matrix
from data.views.settings import WholeImageAugmentation
from data.views.whole_views import draw_whole_view, plain_view
from tests.worlds.listed import crowd, pose, write_listed, write_tables

COCO = load_skeleton("coco")

AUGMENTATION = WholeImageAugmentation(
    "whole_image", scale=[0.75, 1.5], rotation=30.0, shift=40.0, flip_probability=0.5
)
AS_TESTED = WholeImageAugmentation("whole_image", reference="tested", flip_probability=0.0)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images: two people and a crowd; 32 people; nobody."""
    root = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    sizes = [(64, 48), (40, 80), (32, 32)]
    for n, (width, height) in enumerate(sizes):
        cv2.imwrite(str(root / f"{n}.png"), rng.integers(0, 256, (height, width, 3), np.uint8))
    keypoints = rng.uniform(0, 32, (34, 17, 2))
    seen = np.full((34, 17), 2, np.int64)
    seen[1, 5:] = 0
    people = [pose(n, (0, 0, 31, 31), keypoints[n], seen[n]) for n in range(34)]
    nobody, region = crowd(sizes[0], (0, 8, 32, 16))
    write_listed(
        root,
        [
            Sample(7, root / "0.png", 64, 48, (*people[:2], nobody), (region,)),
            Sample(8, root / "1.png", 40, 80, tuple(people[2:])),
            Sample(9, root / "2.png", 32, 32),
        ],
    )
    return root


def dataset(root: Path, augmentation: WholeImageAugmentation | None = None) -> WholeImageDataset:
    return WholeImageDataset(root, root, "train", (64, 64), COCO, augmentation=augmentation, seed=3)


def test_the_plain_view_fills_the_short_side_and_moves_people_with_it(prepared: Path) -> None:
    item = dataset(prepared)[0]
    people = ImagePeople(prepared, prepared, "train")
    keypoints, _ = people.poses(0)
    scale = 64 / 48
    expected = (keypoints - [32, 24]) * scale + 32
    np.testing.assert_allclose(item.keypoints_input, expected, atol=1e-4)
    np.testing.assert_allclose(move(item.to_image, item.keypoints_input), keypoints, atol=1e-3)
    assert item.image.shape == (64, 64, 3) and item.visibility.shape == (2, 17)


def test_no_loss_counts_over_crowds_and_outside_the_image(prepared: Path) -> None:
    item = dataset(prepared)[0]
    scale = 64 / 48
    left, top = (np.array([0, 8]) - [32, 24]) * scale / 2 + 16
    right, bottom = (np.array([32, 24]) - [32, 24]) * scale / 2 + 16
    crowd = item.keep[max(0, int(top) + 1) : int(bottom) - 1, max(0, int(left)) : int(right) - 1]
    assert item.keep.shape == (32, 32) and crowd.size > 50 and not crowd.any()
    assert item.keep[int(bottom) + 2 :].all()
    narrow = dataset(prepared)[1]
    wide = keep_of(np.zeros((32, 32), np.uint8), np.array([[1.0, 0, 16], [0, 1.0, 16]]), (64, 64))
    assert narrow.keep.all() and wide[:8].sum() == 0 and wide[8:24, 8:24].all()


def test_outside_counts_as_background_where_the_recipe_says_so(prepared: Path) -> None:
    away = dataclasses.replace(AUGMENTATION, scale=[2.0, 2.0], rotation=0.0, shift=0.0)
    ignored = dataset(prepared, away)[0, 1]
    counted = dataset(prepared, dataclasses.replace(away, count_outside=True))[0, 1]
    np.testing.assert_array_equal(ignored.image, counted.image)
    corner = np.s_[:6, :6]
    assert not ignored.keep[corner].any() and counted.keep[corner].all()
    inside = np.s_[10:22, 10:22]
    np.testing.assert_array_equal(ignored.keep[inside], counted.keep[inside])


@pytest.mark.parametrize("resize", [Resize("short", 64), Resize("height", 8, fill=128)])
@pytest.mark.parametrize("size", [(640, 427), (427, 640), (100, 100), (621, 640)])
def test_a_view_as_tested_has_the_size_and_place_of_the_test(
    size: tuple[int, int], resize: Resize
) -> None:
    view = plain_view(size, (512, 320), "tested", resize)
    matrix = view_matrix(view, (512, 320), aligned=False)
    np.testing.assert_allclose(matrix, resize.matrix(size, 320), atol=1e-9)


@pytest.mark.parametrize("resize", [Resize("short", 64), Resize("height", 8, fill=128)])
def test_a_view_as_tested_has_the_pixels_of_the_test(prepared: Path, resize: Resize) -> None:
    data = WholeImageDataset(
        prepared, prepared, "train", (192, 128), COCO, augmentation=AS_TESTED, resize=resize
    )
    for n in range(len(data)):
        tested = ResizedDataset([data.people.path(n)], resize, 128)[0].image[:128, :192]
        trained = data[n].image[:, : tested.shape[1]]
        np.testing.assert_array_equal(trained, tested)


def test_only_images_with_people_are_trained_on(prepared: Path) -> None:
    data = dataset(prepared)
    assert len(data) == 2
    batch = collate_whole([data[0], data[1]])
    assert batch.keypoints_input.shape == (2, 32, 17, 2) and batch.keep.shape == (2, 32, 32)
    assert int((batch.visibility[0].sum(-1) > 0).sum()) == 2
    assert batch.sample_id.tolist() == [0, 1]


def test_draws_depend_on_seed_epoch_and_image_alone(prepared: Path) -> None:
    changes = dataclasses.replace(
        AUGMENTATION, photometric=[Plug("RandomBrightnessContrast", {"p": 1.0})]
    )
    data = dataset(prepared, changes)
    first, again = data[5, 1], pickle.loads(pickle.dumps(data))[5, 1]
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.keypoints_input, again.keypoints_input)
    assert not np.array_equal(first.image, data[6, 1].image)


def test_a_mirrored_view_swaps_left_and_right(prepared: Path) -> None:
    always = dataclasses.replace(AUGMENTATION, scale=[1.0, 1.0], rotation=0.0, shift=0.0)
    plain = dataset(prepared, dataclasses.replace(always, flip_probability=0.0))[0]
    mirrored = dataset(prepared, dataclasses.replace(always, flip_probability=1.0))[0]
    swapped = plain.keypoints_input[:, COCO.mirror]
    np.testing.assert_allclose(mirrored.keypoints_input[..., 0], 64 - swapped[..., 0], atol=1e-4)
    np.testing.assert_array_equal(mirrored.visibility, plain.visibility[:, COCO.mirror])
    np.testing.assert_array_equal(mirrored.keep[:, 1:], plain.keep[:, :0:-1])


def test_drawn_views_stay_within_what_the_recipe_says() -> None:
    rng, size = np.random.default_rng(1), (640, 480)
    views = [draw_whole_view(rng, size, (512, 512), AUGMENTATION) for _ in range(2000)]
    factors = np.array([view.size[0] / 480 for view in views])
    angles = np.array([view.rotation for view in views])
    moves = np.array([(view.center[0] - 320) / view.size[0] for view in views])
    assert 0.75 <= factors.min() < 0.77 and 1.48 < factors.max() <= 1.5
    assert -30 <= angles.min() < -29 and 29 < angles.max() <= 30
    assert abs(moves).max() <= 40 / 200 and abs(moves).max() > 0.19
    assert 0.45 < np.mean([view.flip for view in views]) < 0.55


@pytest.mark.parametrize(
    ("image", "expected"),
    [((640, 480), (704, 512)), ((480, 640), (512, 704)), ((500, 500), (512, 512)),
     ((427, 640), (512, 768)), ((1, 1), (512, 512)), ((1000, 10), (2048, 128))],
)  # fmt: skip
def test_input_sizes_of_the_short_side_rule(
    image: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert Resize().input_size(image, 512) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ((640, 480), (496, 368)),
        ((480, 640), (368, 368)),
        ((641, 480), (496, 368)),
        ((10, 1000), (368, 368)),
        ((1000, 10), (1472, 16)),
    ],
)
def test_input_sizes_of_the_height_rule(image: tuple[int, int], expected: tuple[int, int]) -> None:
    assert Resize("height", 8).input_size(image, 368) == expected


def test_a_resized_image_lies_where_its_matrix_says(tmp_path: Path) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    cv2.circle(image, (40, 20), 5, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "dot.png"), image)
    for resize in (Resize(), Resize("height", 8)):
        item = ResizedDataset([tmp_path / "dot.png"], resize, 128)[0]
        rows, columns = np.nonzero(item.image[..., 0] > 127)
        found = move(item.to_image, np.array([columns.mean(), rows.mean()]))
        np.testing.assert_allclose(found, [40, 20], atol=0.3)


def test_the_short_side_rule_is_the_affine_of_the_official_code() -> None:
    """Width to width, the integer middle to the middle (get_affine_transform with rotation 0)."""
    matrix = Resize().matrix((481, 640), 512)
    scale = 512 / 481
    np.testing.assert_allclose(matrix[:, :2], np.eye(2) * scale)
    np.testing.assert_allclose(matrix @ [241, 320, 1], [256, 352])


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"augmentation.scale: given \[1.5, 0.7\]"):
        WholeImageAugmentation("whole_image", scale=[1.5, 0.7])
    with pytest.raises(ValueError, match="rotation -1"):
        WholeImageAugmentation("whole_image", rotation=-1.0)


def test_real_images(tmp_path: Path, real_data: Path) -> None:
    raw = real_data / "coco_mini"
    write_tables(tmp_path, Coco(), raw, "train")
    data = WholeImageDataset(
        tmp_path, raw, "train", (512, 512), COCO, augmentation=AUGMENTATION, seed=1
    )
    assert 0 < len(data) < len(data.people.images)  # some real images show nobody
    batch = collate_whole([data[0, n] for n in range(len(data))])
    assert batch.images.shape == (len(data), 512, 512, 3)
    for n in range(len(data)):
        points = batch.keypoints_input[n][batch.visibility[n] > 0].numpy()
        image = move(batch.to_image[n].numpy(), points)
        row = int(data.rows[n])
        size = data.people.images["width"][row], data.people.images["height"][row]
        assert (image >= -1).all() and (image <= size).all()


@pytest.mark.parametrize("resize", [Resize("short", 64), Resize("height", 8, fill=128)])
def test_real_views_as_tested_have_the_pixels_of_the_test(
    tmp_path: Path, real_data: Path, resize: Resize
) -> None:
    """JPEGs, of which training reads as many rows as it needs."""
    raw = real_data / "coco_mini"
    write_tables(tmp_path, Coco(), raw, "train")
    data = WholeImageDataset(
        tmp_path, raw, "train", (448, 256), COCO, augmentation=AS_TESTED, resize=resize
    )
    for n, row in enumerate(data.rows):
        tested = ResizedDataset([data.people.path(int(row))], resize, 256)[0].image[:256, :448]
        height, width = tested.shape[:2]
        apart = data[n].image[:height, :width].astype(int) - tested
        assert np.abs(apart).mean() < 0.1
