"""People added one by one, as the columns of the table."""

from __future__ import annotations

import numpy as np

from data.ground.data_set import Drawn
from data.ground.sample import Pose
from pipelines.intake.person_columns import PersonColumns

K = 3


def pose(number: int) -> Pose:
    points = np.arange(2.0 * K).reshape(K, 2) / 3 + number
    return Pose(points, np.array([0, 1, 2]), area=number + 0.1, id=2**62 + number)


def gathered(count: int) -> PersonColumns:
    people = PersonColumns()
    for number in range(count):
        people.add(10 + number, pose(number), (number, 1 / 3, 5.0, 7.0))
    return people


def test_they_are_the_numbers_rounded_to_the_columns() -> None:
    people = gathered(2)
    columns = people.columns(K)
    points = np.array([pose(0).keypoints_image, pose(1).keypoints_image], np.float32)
    assert columns["person_id"].tolist() == [2**62, 2**62 + 1]
    assert columns["image_row"].tolist() == [10, 11]
    np.testing.assert_array_equal(columns["keypoints_image"], points.reshape(2, 2 * K))
    np.testing.assert_array_equal(columns["visibility"], [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(columns["area"], np.array([0.1, 1.1], np.float32))
    np.testing.assert_array_equal(
        columns["box_image"], np.array([(0, 1 / 3, 5, 7), (1, 1 / 3, 5, 7)], np.float32)
    )
    assert columns["num_keypoints"].tolist() == [2, 2]
    kinds = {name: (column.dtype.name, column.ndim) for name, column in columns.items()}
    assert kinds == {
        "person_id": ("int64", 1), "image_row": ("int64", 1), "box_image": ("float32", 2),
        "area": ("float32", 1), "keypoints_image": ("float32", 2), "visibility": ("int8", 2),
        "num_keypoints": ("int32", 1),
    }  # fmt: skip


def test_who_is_drawn_comes_as_often_and_under_other_ids() -> None:
    people = gathered(3)
    before = people.columns(K)
    people.draw(Drawn(np.array([2, 0, 2]), np.array([0, 0, 1000])))
    columns = people.columns(K)
    assert len(people) == 3 and columns["person_id"].tolist() == [2**62 + 2, 2**62, 2**62 + 1002]
    for name in set(columns) - {"person_id"}:
        np.testing.assert_array_equal(columns[name], before[name][[2, 0, 2]])
        assert columns[name].dtype == before[name].dtype


def test_of_nobody_columns_have_their_widths() -> None:
    people = gathered(2)
    people.draw(Drawn(np.zeros(0, np.int64), np.zeros(0, np.int64)))
    for nobody in (people, PersonColumns()):
        assert len(nobody) == 0
        assert nobody.columns(K)["keypoints_image"].shape == (0, 2 * K)
        assert nobody.columns(K)["visibility"].shape == (0, K)
