"""Views around people as samples: who gets one, what is grey, what counts, everyone in sight."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.feeds.person_views import PersonViewDataset
from data.feeds.whole_images import collate_whole
from data.ground.sample import Sample
from data.ground.skeleton import load_skeleton
from data.views.geometry import move
from data.views.settings import PersonCropAugmentation
from tests.worlds.listed import crowd, pose, write_listed

COCO = load_skeleton("coco")

PLAIN = PersonCropAugmentation("person_crop", [1.0, 1.0], 0.0, 0.0, 0.0)
SIZE = (64, 64)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of three people, the last with four keypoints, and a crowd; one of a small person;
    one of a person that has a view."""
    root = tmp_path_factory.mktemp("views")
    for n in range(3):
        cv2.imwrite(str(root / f"{n}.png"), np.full((100, 200, 3), 250, np.uint8))
    boxes = np.array([[10, 10, 30, 60], [150, 10, 40, 80], [90, 10, 30, 60], [0, 0, 9, 9],
                      [80, 0, 40, 90]], np.float32)  # fmt: skip
    rng = np.random.default_rng(0)
    points = boxes[:, None, :2] + rng.random((5, 17, 2)) * boxes[:, None, 2:]
    seen = np.full((5, 17), 2, np.int64)
    seen[2, 4:] = 0
    ids = (70, 71, 72, 80, 90)
    people = [pose(ids[n], boxes[n], points[n], seen[n]) for n in range(5)]
    nobody, region = crowd((200, 100), (45, 10, 35, 60))
    write_listed(
        root,
        [
            Sample(7, root / "0.png", 200, 100, (*people[:3], nobody), (region,)),
            Sample(8, root / "1.png", 200, 100, (people[3],)),
            Sample(9, root / "2.png", 200, 100, (people[4],)),
        ],
    )
    return root


def views(root: Path, augmentation: PersonCropAugmentation = PLAIN) -> PersonViewDataset:
    return PersonViewDataset(root, root, "train", SIZE, COCO, augmentation=augmentation, seed=3)


def test_main_people_get_a_view_each_with_everyone_of_the_image_in_it(prepared: Path) -> None:
    data = views(prepared)
    assert data.people.persons["person_id"][data.rows].tolist() == [70, 71, 90]
    items = [data[n] for n in range(3)]
    assert [len(item.keypoints_input) for item in items] == [3, 3, 1]
    for n, first in ((0, 0), (1, 0), (2, 4)):
        true = data.people.persons["keypoints_image"][first].reshape(17, 2)
        back = move(items[n].to_image, items[n].keypoints_input[0])
        np.testing.assert_allclose(back, true, atol=1e-3)
    batch = collate_whole(items)
    assert batch.visibility[0, :, 0].tolist() == [2, 2, 2] and batch.sample_id.tolist() == [0, 1, 2]


def test_outside_the_image_it_is_grey_and_counts_while_crowds_do_not(prepared: Path) -> None:
    item = views(prepared)[0]  # 60 pixels high become 0.6 x 64; its middle is (25, 40)
    scale = 0.6 * 64 / 60
    left, top = move(np.array([[scale, 0, 32 - scale * 25], [0, scale, 32 - scale * 40]]),
                     np.array([0.0, 0.0]))  # fmt: skip
    assert (item.image[:, : int(left) - 1] == 128).all() and left > 10
    assert (item.image[int(top) + 2 :, int(left) + 2 :] == 250).all()
    assert item.keep[:, : int(left) // 2 - 1].all()
    crowd = (np.array([[45, 10], [80, 70]]) - [25, 40]) * scale + 32
    (x, y), (_, bottom) = (crowd / 2).astype(int)
    assert not item.keep[y + 2 : bottom - 2, x + 2 :].any() and item.keep[:, : x - 1].all()


def test_draws_depend_on_seed_epoch_and_person_alone(prepared: Path) -> None:
    data = views(prepared, PersonCropAugmentation("person_crop"))
    first, again = data[4, 1], pickle.loads(pickle.dumps(data))[4, 1]
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.keypoints_input, again.keypoints_input)
    assert not np.array_equal(first.keypoints_input, data[5, 1].keypoints_input)
    assert not np.array_equal(first.keypoints_input, data[4, 0].keypoints_input)
