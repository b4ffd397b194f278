"""The people of a split on their way into persons.arrow: 200 bytes each, no objects of Python's.

In: people one by one. Out: the columns of the table.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from data.ground.data_set import Drawn
from data.ground.sample import Pose

Box = tuple[float, float, float, float]


class PersonColumns:
    """Who is trained on, in the order added; all of the same skeleton."""

    def __init__(self) -> None:
        self._values: dict[str, array[Any]] = {
            "person_id": array("q"),
            "image_row": array("q"),
            "box_image": array("f"),
            "area": array("f"),
            "keypoints_image": array("f"),
            "visibility": array("b"),
            "num_keypoints": array("i"),
        }

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ids(self) -> array[int]:
        return self._values["person_id"]

    @property
    def image_rows(self) -> array[int]:
        return self._values["image_row"]

    def add(self, image_row: int, pose: Pose, box_image: Box) -> None:
        self.ids.append(pose.id)
        self.image_rows.append(image_row)
        self._values["box_image"].extend(box_image)
        self._values["area"].append(pose.area)
        points = pose.keypoints_image.astype(np.float32)
        self._values["keypoints_image"].frombytes(points.tobytes())
        self._values["visibility"].frombytes(pose.visibility.astype(np.int8).tobytes())
        self._values["num_keypoints"].append(pose.counted_keypoints)

    def draw(self, drawn: Drawn) -> None:
        """Leaves those of `drawn`, in its order, each with what is added to its id."""
        count = max(len(self), 1)
        for name, values in self._values.items():
            taken = np.asarray(values).reshape(count, -1)[drawn.rows]
            if name == "person_id":
                taken = taken + drawn.added[:, None]
            self._values[name] = array(values.typecode, taken.astype(taken.dtype).tobytes())

    def columns(self, keypoints: int) -> dict[str, np.ndarray]:
        """By name: [N] or [N, M], views of what was added; `keypoints` of each person."""
        widths = {"box_image": 4, "keypoints_image": 2 * keypoints, "visibility": keypoints}
        columns = {name: np.asarray(values) for name, values in self._values.items()}
        return columns | {name: columns[name].reshape(-1, n) for name, n in widths.items()}
