"""Views, affines and augmentation against the official conventions; photometric by seed."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from data.ground.plug import Plug
from data.ground.skeleton import load_skeleton
from data.views.crop_views import draw_view, has_halves
from data.views.draws import sample_generator
from data.views.geometry import View, box_to_view, crop, invert, move, seen_window, view_matrix
from data.views.photometric import Photometric, check_photometric
from data.views.settings import Augmentation
from tests.worlds.skeletons import ODD

COCO = load_skeleton("coco")

SIZE = (192, 256)


def official(view: View, size: tuple[int, int], less: int) -> np.ndarray:
    """The HRNet (less 0) and DARK (less 1) codes: three point pairs through OpenCV."""
    angle, length = math.radians(view.rotation), (view.size[0] - less) / 2
    middle = np.array(view.center)
    above = middle + np.array([math.sin(angle), -math.cos(angle)]) * length
    to = np.array([(size[0] - less) / 2, (size[1] - less) / 2])
    to_above = to - np.array([0, (size[0] - less) / 2])

    def third(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return b + np.array([b[1] - a[1], a[0] - b[0]])

    sources = [middle, above, third(middle, above)]
    targets = [to, to_above, third(to, to_above)]
    return cv2.getAffineTransform(np.float32(sources), np.float32(targets))


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("rotation", [0.0, 30.0, -75.0])
def test_affine_is_the_official_one(aligned: bool, rotation: float) -> None:
    view = View((210.5, 133.25), (150.0, 200.0), rotation)
    ours = view_matrix(view, SIZE, aligned)
    np.testing.assert_allclose(ours, official(view, SIZE, int(aligned)), atol=2e-4)


@pytest.mark.parametrize("aligned", [False, True])
def test_flip_is_the_affine_of_the_mirrored_image(aligned: bool) -> None:
    width, rng = 301, np.random.default_rng(0)
    view = View((120.0, 90.0), (90.0, 120.0), 25.0, flip=True)
    mirrored = View((width - 1 - 120.0, 90.0), view.size, view.rotation)
    points = rng.uniform(0, 300, (20, 2))
    turned = points.copy()
    turned[:, 0] = width - 1 - points[:, 0]
    expected = move(view_matrix(mirrored, SIZE, aligned), turned)
    np.testing.assert_allclose(move(view_matrix(view, SIZE, aligned), points), expected, atol=1e-9)
    image = rng.integers(0, 255, (200, width, 3), dtype=np.uint8)
    ours = crop(image, view_matrix(view, SIZE, aligned), SIZE).astype(int)
    theirs = crop(image[:, ::-1].copy(), view_matrix(mirrored, SIZE, aligned), SIZE)
    assert np.abs(ours - theirs).mean() < 0.1


def test_box_to_view_keeps_the_aspect_and_pads() -> None:
    view = box_to_view((10, 20, 100, 50), SIZE, aligned=False)
    assert view.center == (60.0, 45.0)
    assert view.size == pytest.approx((125.0, 125.0 * 256 / 192))
    tall = box_to_view((10, 20, 10, 200), SIZE, aligned=True, padding=1.0)
    assert tall.center == (14.5, 119.5)
    assert tall.size == pytest.approx((150.0, 200.0))


def test_aligned_views_map_corner_pixels_to_corner_pixels() -> None:
    view = View((99.5, 199.5), (192.0, 256.0))
    corners = move(view_matrix(view, SIZE, aligned=True), np.array([[4.0, 72.0], [195.0, 327.0]]))
    np.testing.assert_allclose(corners, [[0, 0], [191, 255]], atol=1e-9)


def test_invert_goes_back() -> None:
    matrix = view_matrix(View((50.0, 60.0), (30.0, 40.0), 33.0, True), SIZE, False)
    points = np.random.default_rng(0).uniform(-100, 300, (9, 2))
    np.testing.assert_allclose(move(invert(matrix), move(matrix, points)), points, atol=1e-9)


@pytest.mark.parametrize("rotation", [0.0, 40.0, 130.0, -90.0])
def test_a_crop_needs_nothing_outside_its_window(rotation: float) -> None:
    image = np.random.default_rng(0).integers(0, 255, (300, 200, 3), dtype=np.uint8)
    matrix = view_matrix(View((90.0, 150.0), (60.0, 80.0), rotation), SIZE, False)
    left, top, right, bottom = seen_window(invert(matrix), SIZE)
    assert 20 < left < 65 and 115 < right < 160 and 80 < top < 125 and 175 < bottom < 220
    whole = crop(image, matrix, SIZE)
    np.testing.assert_array_equal(crop(image[:bottom], matrix, SIZE), whole)
    outside = np.random.default_rng(1).integers(0, 255, (300, 200, 4), dtype=np.uint8)
    outside[top:bottom, left:right, :3] = image[top:bottom, left:right]
    np.testing.assert_array_equal(crop(outside, matrix, SIZE), whole)


def person(count: int = 17) -> tuple[np.ndarray, np.ndarray]:
    keypoints = np.random.default_rng(3).uniform(50, 250, (17, 2))
    return keypoints, (np.arange(17) < count).astype(np.int64) * 2


def drawn(augmentation: Augmentation, draws: int, count: int = 17) -> list[View]:
    keypoints, visibility = person(count)
    view = box_to_view((50, 50, 200, 200), SIZE, False)
    return [
        draw_view(sample_generator(0, 0, i), view, keypoints, visibility, COCO, SIZE, False,
                  augmentation) for i in range(draws)
    ]  # fmt: skip


def test_draws_follow_the_official_distributions() -> None:
    plain = box_to_view((50, 50, 200, 200), SIZE, False)
    views = drawn(Augmentation(scale=0.35, rotation=45.0), 4000)
    factors = np.array([view.size[0] / plain.size[0] for view in views])
    angles = np.array([view.rotation for view in views])
    assert factors.min() == pytest.approx(0.65) and factors.max() == pytest.approx(1.35)
    assert np.mean((factors > 0.651) & (factors < 1.349)) == pytest.approx(0.683, abs=0.03)
    assert np.mean(angles == 0) == pytest.approx(0.4, abs=0.03)
    assert np.std(angles[angles != 0]) == pytest.approx(43, abs=3)
    assert np.abs(angles).max() == pytest.approx(90)
    assert np.mean([view.flip for view in views]) == pytest.approx(0.5, abs=0.03)
    assert {view.center for view in views} == {plain.center}


def test_a_range_is_drawn_evenly_between_its_ends() -> None:
    plain = box_to_view((50, 50, 200, 200), SIZE, False)
    even = Augmentation(scale=[0.7, 1.35], rotation=[-45.0, 30.0], rotation_probability=1.0)
    views = drawn(even, 4000)
    factors = np.array([view.size[0] / plain.size[0] for view in views])
    angles = np.array([view.rotation for view in views])
    for values, least, most in ((factors, 0.7, 1.35), (angles, -45.0, 30.0)):
        assert least <= values.min() and values.max() <= most
        share, _ = np.histogram(values, bins=5, range=(least, most))
        np.testing.assert_allclose(share / 4000, 0.2, atol=0.025)
    assert abs(np.corrcoef(factors, angles)[0, 1]) < 0.05


DRAWN_ANGLES = [-79.5321, 0.0, 19.4498]  # as trainings drew that are done
DRAWN_WIDTHS = [155.9580, 176.4023, 241.6866]


def test_numbers_draw_as_ever_and_no_reading_shifts_other_draws() -> None:
    numbers = Augmentation(scale=0.35, rotation=45.0, shift=0.1, half_body_probability=0.3)
    ranges = replace(numbers, scale=[0.7, 1.35], rotation=[-45.0, 45.0])
    first = drawn(numbers, 3)
    np.testing.assert_allclose([view.rotation for view in first], DRAWN_ANGLES, atol=1e-3)
    np.testing.assert_allclose([view.size[0] for view in first], DRAWN_WIDTHS, atol=1e-3)
    for one, other in zip(first, drawn(ranges, 3), strict=True):
        assert (one.center, one.flip) == (other.center, other.flip)
        assert (one.rotation == 0) == (other.rotation == 0)


def test_without_augmentation_a_draw_changes_nothing() -> None:
    plain = box_to_view((50, 50, 200, 200), SIZE, False)
    assert drawn(Augmentation(flip_probability=0.0), 3) == [plain] * 3


def test_shift_moves_by_fractions_of_the_box() -> None:
    plain = box_to_view((50, 50, 200, 200), SIZE, False)
    moved = np.array([view.center for view in drawn(Augmentation(shift=0.1), 500)]) - plain.center
    limit = 0.1 * np.array(plain.size) / 1.25
    assert (np.abs(moved) <= limit).all() and (np.abs(moved).max(axis=0) > 0.9 * limit).all()


def test_half_body_as_the_official_code() -> None:
    keypoints, _ = person()
    always = Augmentation(half_body_probability=1.0, flip_probability=0.0)
    halves = {"upper": keypoints[:11], "lower": keypoints[11:]}
    expected = {}
    for name, points in halves.items():
        width, height = points.max(axis=0) - points.min(axis=0)
        width, height = max(width, height * 0.75), max(height, width / 0.75)
        expected[name] = (points.mean(axis=0), np.array([width, height]) * 1.5)
    views = drawn(always, 1000)
    is_upper = [np.allclose(view.center, expected["upper"][0]) for view in views]
    assert np.mean(is_upper) == pytest.approx(0.7, abs=0.05)
    for view, upper in zip(views, is_upper, strict=True):
        center, size = expected["upper" if upper else "lower"]
        np.testing.assert_allclose(view.center, center)
        np.testing.assert_allclose(view.size, size)


def test_half_body_needs_more_than_8_keypoints_and_3_in_a_half() -> None:
    always = Augmentation(half_body_probability=1.0, flip_probability=0.0)
    plain = box_to_view((50, 50, 200, 200), SIZE, False)
    assert set(drawn(always, 20, count=8)) == {plain}
    upper = person()[0][:11]
    for view in drawn(always, 50, count=13):  # two of the lower half are labelled: always upper
        np.testing.assert_allclose(view.center[0], upper.mean(axis=0)[0])


@pytest.mark.parametrize("name", ["halves", "all_upper"])
def test_a_skeleton_without_two_halves_has_none_drawn(name: str) -> None:
    skeleton = ODD[name]
    points = np.random.default_rng(1).uniform(50, 250, (23, 2))
    plain = box_to_view((50, 50, 200, 200), SIZE, False)
    always = Augmentation(half_body_probability=1.0, half_body_upper=1.0, flip_probability=0.0)
    given = points, np.full(23, 2), skeleton, SIZE, False, always
    view = draw_view(sample_generator(0, 0, 1), plain, *given)
    assert (view == plain) != has_halves(skeleton)
    if has_halves(skeleton):
        np.testing.assert_allclose(view.center, points[:11].mean(axis=0))


def test_a_generator_depends_on_seed_epoch_round_and_id_only() -> None:
    first = sample_generator(1, 2, 3).random(4)
    assert first[:2].tolist() == [0.0925885790718205, 0.4149406683860519], "as trainings before"
    np.testing.assert_array_equal(first, sample_generator(1, 2, 3).random(4))
    np.testing.assert_array_equal(first, sample_generator(1, 2, 3, 0).random(4))
    others: list[tuple[int, ...]] = [
        (2, 2, 3), (1, 3, 3), (1, 2, 4), (3, 2, 1), (1, 3, 2), (-1, 0, 900100581904),
        (1, 2, 3, 1), (1, 2, 3, 2),
    ]  # fmt: skip
    assert all((sample_generator(*other).random(4) != first).all() for other in others)


PLUGS = [Plug("RandomBrightnessContrast", {"p": 1.0}), Plug("GaussNoise", {"p": 1.0}),
         Plug("CoarseDropout", {"p": 1.0})]  # fmt: skip


def test_photometric_changes_are_those_of_the_seed() -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    changes = Photometric(PLUGS)
    first = changes(image, seed=5)
    assert (changes(image, seed=6) != first).any() and (first != image).any()
    np.testing.assert_array_equal(changes(image, seed=5), first)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(changes))(image, seed=5), first)


@pytest.mark.parametrize(
    ("plug", "said"),
    [
        (Plug("RandomBrightnes"), "did you mean 'RandomBrightnessContrast'"),
        (Plug("Rotate"), "Rotate: moves pixels"),
        (Plug("HorizontalFlip"), "HorizontalFlip: moves pixels"),
        (Plug("Compose"), "Compose: moves pixels or is no transform"),
        (Plug("GaussNoise", {"std": 1}), "GaussNoise: unknown argument 'std'"),
        (Plug("GaussNoise", {"p": 4}), "GaussNoise: given {'p': 4}"),
        (Plug("RandomBrightnessContrast", {"brightness_limit": "much"}), "brightness_limit"),
        (Plug("ToFloat"), "ToFloat: gives float32"),
        (Plug("FDA"), "FDA"),
    ],
)
def test_what_cannot_work_is_refused_by_name(plug: Plug, said: str) -> None:
    with pytest.raises(ValueError) as error:
        check_photometric([PLUGS[0], plug])
    assert said in str(error.value)


def test_occlusion_is_allowed() -> None:
    names = ("CoarseDropout", "Erasing", "GridDropout", "PixelDropout", "XYMasking")
    options = {"XYMasking": {"num_masks_x": 1, "num_masks_y": 1, "mask_x_length": 5,
                             "mask_y_length": 5}}  # fmt: skip
    check_photometric([Plug(name, options.get(name, {})) for name in names])
