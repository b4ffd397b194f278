"""Skeletons over images: what is seen of them, in which colour; pages of people and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.files.images import read_image
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from pipelines.pictures.people import (
    LEFT,
    MIDDLE,
    RIGHT,
    draw_poses,
    page_of_people,
    page_of_pictures,
    titled,
    write_picture,
)

NAMES = ("nose", "hand L", "hand R", "left_foot", "right_foot")
LIMBS = (("hand L", "left_foot"), ("hand R", "right_foot"), ("left_foot", "right_foot"))
PAIRS = (("hand L", "hand R"), ("left_foot", "right_foot"))  # sides are the pairs', not the names'
SKELETON = Skeleton("five", NAMES, LIMBS, PAIRS, (0.1,) * 5, ())
POINTS = np.array([[100, 20], [40, 40], [160, 40], [40, 160], [160, 160]], float)
IMAGE = np.full((200, 200, 3), 200, np.uint8)
EMPTY = 30  # grey of a page where nothing is


def pose(*visibility: int, points: np.ndarray = POINTS) -> Pose:
    return Pose(points, np.array(visibility), (10.0, 10.0, 180.0, 180.0))


def at(picture: np.ndarray, x: float, y: float) -> tuple[int, ...]:
    return tuple(picture[round(y), round(x)].tolist())


def test_sides_have_their_colours_and_the_axis_its_own() -> None:
    drawn = draw_poses(IMAGE, [pose(2, 2, 2, 2, 2)], SKELETON)
    colours = [at(drawn, x, y) for x, y in POINTS]
    assert colours == [MIDDLE, LEFT, RIGHT, LEFT, RIGHT]
    limbs = [at(drawn, 40, 100), at(drawn, 160, 100), at(drawn, 100, 160)]
    assert limbs == [LEFT, RIGHT, MIDDLE], "one from side to side is of the axis"
    assert (IMAGE == 200).all(), "the image itself stays as it is"


def test_absent_keypoints_and_their_limbs_are_not_drawn() -> None:
    drawn = draw_poses(IMAGE, [pose(2, 2, 0, 0, 2)], SKELETON, names=True)
    plain = at(IMAGE, 0, 0)
    assert at(drawn, 40, 40) == LEFT and at(drawn, 160, 160) == RIGHT
    assert at(drawn, 160, 40) == plain and at(drawn, 40, 160) == plain
    assert at(drawn, 40, 100) == at(drawn, 160, 100) == at(drawn, 100, 160) == plain
    nobody = draw_poses(IMAGE, [pose(0, 0, 0, 0, 0)], SKELETON, names=True)
    np.testing.assert_array_equal(nobody, IMAGE)


def test_occluded_keypoints_are_hollow() -> None:
    drawn = draw_poses(IMAGE, [pose(0, 1, 2, 0, 0)], SKELETON)
    assert at(drawn, 160, 40) == RIGHT
    assert sum(at(drawn, 40, 40)) < 200, "dark in the middle"
    red, _, blue = np.moveaxis(drawn[34:47, 34:47], -1, 0)
    assert ((red > 150) & (blue < 20)).sum() > 8, "in its colour around it"


def test_names_are_written_beside_keypoints_when_asked() -> None:
    seen = pose(0, 2, 0, 0, 0)
    without = draw_poses(IMAGE, [seen], SKELETON)
    named = draw_poses(IMAGE, [seen], SKELETON, names=True)
    changed = np.argwhere((without != named).any(-1))
    assert len(changed) > 100 and changed[:, 1].min() > 40, "to the right of it"


@pytest.mark.parametrize("far", [-1e9, 1e9])
def test_a_keypoint_far_outside_disturbs_nothing(far: float) -> None:
    points = POINTS.copy()
    points[0] = far
    drawn = draw_poses(IMAGE, [pose(2, 2, 0, 0, 0, points=points)], SKELETON, names=True)
    assert at(drawn, 40, 40) == LEFT


def tiles(page: np.ndarray, width: int, height: int) -> list[bool]:
    """Whether each place of a page, row by row, shows anything."""
    return [
        bool((page[y : y + height, x : x + width] != EMPTY).any())
        for y in range(0, page.shape[0], height)
        for x in range(0, page.shape[1], width)
    ]


def page(people: int) -> np.ndarray:
    """Four columns of tiles of 60 x 80."""
    person = (IMAGE, pose(2, 2, 2, 2, 2), "7")
    return page_of_people([person] * people, SKELETON, columns=4, tile=(60, 80))


def test_a_page_of_one_person_is_that_person_at_twice_the_size() -> None:
    one = page(1)
    assert one.shape == (160, 240, 3)
    assert tiles(one, 60, 80) == [True, True, False, False] * 2


def test_people_stand_around_the_first_and_below() -> None:
    assert tiles(page(4), 60, 80) == [True, True, True, True, True, True, True, False]
    assert tiles(page(6), 60, 80) == [True] * 9 + [False] * 3
    with pytest.raises(ValueError, match="at least one person"):
        page(0)


def test_a_person_is_in_the_middle_of_its_tile() -> None:
    points = np.full((5, 2), 100.0)
    in_tile = pose(0, 2, 0, 0, 0, points=points)
    shown = page_of_people([(IMAGE, in_tile, "")] * 2, SKELETON, columns=3, tile=(60, 80))
    assert at(shown, 2 * 60 + 30, 40) == LEFT
    assert at(shown, 60, 80) == LEFT, "the first, of twice the size"


def test_a_title_is_written_in_the_upper_left_corner_of_a_copy() -> None:
    one, other = titled(IMAGE, "train 1"), titled(IMAGE, "train 2")
    assert (IMAGE == 200).all() and (one != other).any()
    changed = np.argwhere((one != IMAGE).any(-1))
    assert changed[:, 0].max() < 20 and changed[:, 1].max() < 100


def test_pictures_keep_their_shape_within_their_squares() -> None:
    wide, tall = np.full((20, 40, 3), 90, np.uint8), np.full((120, 60, 3), 150, np.uint8)
    shown = page_of_pictures([(wide, "a"), (tall, "b"), (wide, "c")], columns=2, side=60)
    assert shown.shape == (120, 120, 3)
    assert at(shown, 55, 25) == (90,) * 3 and at(shown, 55, 35) == (EMPTY,) * 3
    assert at(shown, 85, 55) == (150,) * 3 and at(shown, 95, 55) == (EMPTY,) * 3
    assert (shown[60:, 60:] == EMPTY).all(), "the last row is filled up"
    with pytest.raises(ValueError, match="at least one picture"):
        page_of_pictures([])


def test_a_picture_is_read_back_in_its_colours(tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:, :3], picture[:, 3:] = LEFT, RIGHT
    write_picture(tmp_path / "picture.png", picture)
    np.testing.assert_array_equal(read_image(tmp_path / "picture.png"), picture)
    with pytest.raises(ValueError, match=r"nowhere/picture\.png: cannot write the picture"):
        write_picture(tmp_path / "nowhere" / "picture.png", picture)
