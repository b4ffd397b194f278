"""MPII's two layouts: rows as they stand, bad rows with their reason, HRNet's crop exactly."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from data.datasets.coco import Coco
from data.datasets.mpii import MAT, Mpii
from data.ground.sample import Rejected
from data.views.geometry import box_to_view, move, view_matrix
from tests.worlds.mpii_files import rectangle, row, write_json, write_release

pytestmark = pytest.mark.contract  # Matlab files are read by a process of their own


def read(root: Path, split: str = "train") -> tuple[dict[int, Any], list[Rejected]]:
    rejected: list[Rejected] = []
    return {s.image_id: s for s in Mpii().samples(root, split, rejected.append)}, rejected


def test_rows_of_hrnets_json(tmp_path: Path) -> None:
    half = [1, 0] * 8
    train = [row("000012.jpg"), row("000003.jpg"), row("000012.jpg", 50.0, joints_vis=half)]
    write_json(tmp_path, train, [row("000007.jpg")])
    found, rejected = read(tmp_path)
    assert rejected == [] and list(found) == [12, 3]
    sample = found[12]
    assert sample.image_path == tmp_path / "images" / "000012.jpg" and sample.ignore == ()
    assert [pose.id for pose in sample.poses] == [0, 2]
    whole, partly = sample.poses
    assert whole.keypoints_image[3].tolist() == [105.0, 74.0]  # from 0
    assert whole.visibility.tolist() == [2] * 16
    assert partly.visibility.tolist() == [2, 0] * 8 and partly.keypoints_image[1].tolist() == [0, 0]
    assert list(read(tmp_path, "val")[0]) == [7]


def hrnet_crop(center: Any, scale: float, size: int) -> Any:
    """Corners of the crop in the image, in plain words of HRNet's loader (get_affine_transform)."""
    middle = np.array([center[0], center[1] + 15 * scale]) - 1  # from Matlab's 1 to 0
    side = 200 * scale * 1.25
    corners = np.array([[0, 0], [size, 0], [size / 2, size / 2], [0, size]], float)
    return corners, middle + (corners / size - 0.5) * side


@pytest.mark.parametrize("scale", [0.4, 1.761835, 4.718488])
def test_the_view_is_hrnets_crop(tmp_path: Path, scale: float) -> None:
    center = [966.0, 340.25]
    write_json(tmp_path, [row("1.jpg", center=center, scale=scale)], [row("2.jpg")])
    box = read(tmp_path)[0][1].poses[0].box_image
    matrix = view_matrix(box_to_view(box, (256, 256), False), (256, 256), False)
    corners, expected = hrnet_crop(center, scale, 256)
    np.testing.assert_allclose(move(matrix, expected), corners, atol=1e-9)


BAD = {
    "no file name": {"image": 7},
    "file name leaves the folder": {"image": "../1.jpg"},
    "file name is no number of 64 bits": {"image": f"{2**63}.jpg"},
    "two images of one number": {"image": "0001.jpg"},
    "wrong number of values: joints": {"joints": [[1, 2]] * 15},
    "wrong number of values: joints_vis": {"joints_vis": [1] * 14},
    "joints_vis other than 0, 1": {"joints_vis": [5] * 16},
    "not finite: joints": {"joints": [[1, float("nan")]] * 16},
    "no centre and scale": {"scale": None},
}


def test_a_keypoint_that_no_column_of_32_bits_holds_is_none(tmp_path: Path) -> None:
    joints = [[1.0, 1e300]] * 16
    write_json(tmp_path, [row("1.jpg"), row("2.jpg", joints=joints)], [row("3.jpg")])
    assert [r.reason for r in read(tmp_path)[1]] == ["not finite: joints"]


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_row_is_told_with_its_reason(tmp_path: Path, reason: str) -> None:
    write_json(tmp_path, [row("1.jpg")], [row("2.jpg")])
    path = tmp_path / "annot" / "train.json"
    path.write_text(json.dumps([row("1.jpg"), row("1.jpg") | BAD[reason]]))
    found, rejected = read(tmp_path)
    assert [pose.id for pose in found[1].poses] == [0]
    assert [(r.kind, r.id, r.reason) for r in rejected] == [("person", "1", reason)]


@pytest.mark.parametrize(
    "changes",
    [{"center": [-1, -1]}, {"scale": -1}, {"center": [1]}, {"scale": 10**400}, {"scale": 1e30},
     {"center": [1e300, 5]}],
)  # fmt: skip
def test_a_person_without_a_place_cannot_be_cropped(tmp_path: Path, changes: Any) -> None:
    write_json(tmp_path, [row("1.jpg"), row("2.jpg", **changes)], [row("3.jpg")])
    assert [r.reason for r in read(tmp_path)[1]] == ["no centre and scale"]


def test_keypoints_outside_the_image_stay(tmp_path: Path) -> None:
    far = [[-40.5, 2000.0]] * 16
    write_json(tmp_path, [row("1.jpg", joints=far)], [row("2.jpg", joints=far)])
    assert read(tmp_path)[0][1].poses[0].keypoints_image[0].tolist() == [-41.5, 1999.0]
    assert Mpii().truth(tmp_path, "val")[2][0].keypoints_image[0].tolist() == [-41.5, 1999.0]


def test_truth_has_heads_and_counts_whom_no_one_can_crop(tmp_path: Path) -> None:
    valid = [row("1.jpg"), row("2.jpg", center=[-1, -1]), row("1.jpg", 30.0)]
    write_json(tmp_path, [row("9.jpg")], valid)
    truth = Mpii().truth(tmp_path, "val")
    assert {k: [p.id for p in v] for k, v in truth.items()} == {1: [0, 2], 2: [1]}
    assert truth[1][0].head_size == pytest.approx(0.6 * 50)  # 30 x 40
    assert Mpii().truth(tmp_path, "train")[9][0].head_size == 0


def test_truth_is_gt_valids_not_the_jsons(tmp_path: Path) -> None:
    write_json(tmp_path, [row("9.jpg")], [row("1.jpg")])
    moved = row("1.jpg", joints_vis=[0, *[1] * 15])
    moved["joints"][3] = [500.0, 500.0]
    (tmp_path / "annot" / "valid.json").write_text(json.dumps([moved]))
    pose = Mpii().truth(tmp_path, "val")[1][0]
    assert pose.keypoints_image[0].tolist() == [99.0, 59.0] and pose.visibility[0] == 2
    assert pose.keypoints_image[3].tolist() == [105.0, 74.0]


def test_rows_in_another_order_than_gt_valids_are_refused(tmp_path: Path) -> None:
    """As many people in both, and each would have been scored by somebody else's head."""
    valid = [row("1.jpg"), row("2.jpg", 130.0), row("3.jpg", 160.0)]
    write_json(tmp_path, [row("9.jpg")], valid)
    assert sorted(Mpii().truth(tmp_path, "val")) == [1, 2, 3]
    (tmp_path / "annot" / "valid.json").write_text(json.dumps([valid[0], valid[2], valid[1]]))
    with pytest.raises(ValueError, match=r"person 1 is 30 px from that of valid.json \(3.jpg\)"):
        Mpii().truth(tmp_path, "val")


def test_an_image_in_both_lists_is_refused(tmp_path: Path) -> None:
    release(tmp_path)
    path = tmp_path / "annot" / "train_images.txt"
    path.write_text("\ufeff" + path.read_text(), encoding="utf-8")  # a byte order mark is no name
    assert 1 in read(tmp_path)[0]
    path.write_text("000000001.jpg\n000000004.jpg\n")
    with pytest.raises(ValueError, match=r"images.txt: 1 of its images .* as 000000004.jpg"):
        read(tmp_path)


def test_what_is_no_mpii_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train.json: no such file, nor .*u12_1.mat, accepted"):
        list(Mpii().samples(tmp_path, "train"))
    path = tmp_path / "annot" / "train.json"
    write_json(tmp_path, [row("1.jpg")], [row("2.jpg")])
    for text, says in (
        ("[{", "truncated or no json"),
        ('{"images": [], "annotations": [], "categories": []}', "is the data set `coco`"),
        ('[{"image": "1.jpg"}]', "accepted: a list of {image, center"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=says):
            list(Mpii().samples(tmp_path, "train"))
    heads = tmp_path / "annot" / "gt_valid.mat"
    savemat(heads, {"pos_gt_src": np.zeros((16, 2, 1))})
    with pytest.raises(ValueError, match=r"gt_valid.mat: lacks or has another 'jnt_missing'"):
        Mpii().truth(tmp_path, "val")
    write_json(tmp_path, [row("1.jpg")], [row("2.jpg")] * 3)
    (tmp_path / "annot" / "valid.json").write_text(json.dumps([row("2.jpg")]))
    with pytest.raises(ValueError, match=r"3 people, valid.json has 1"):
        Mpii().truth(tmp_path, "val")
    heads.unlink()
    with pytest.raises(ValueError, match=r"gt_valid.mat: no such file"):
        Mpii().truth(tmp_path, "val")


def test_coco_and_mpii_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / "person_keypoints_train2017.json").write_text(json.dumps([row("1.jpg")]))
    with pytest.raises(ValueError, match=r"person_keypoints_train2017.json lies there: is the"):
        list(Mpii().samples(tmp_path, "train"))
    with pytest.raises(ValueError, match="looks like MPII's: is the data set `mpii`"):
        list(Coco().samples(tmp_path, "train"))


def release(root: Path) -> None:
    points = rectangle()["annopoints"]["point"]
    text = points.copy()
    text["is_visible"] = ["1", "0"] * 8
    some = points[:3].copy()
    some["is_visible"][0] = np.zeros((0, 0))
    write_release(
        root,
        [
            ("000000001.jpg", [rectangle(), rectangle(scale=None)], 1),
            ("000000002.jpg", [rectangle(annopoints={"point": some})], 1),
            ("000000003.jpg", [], 1),
            ("000000004.jpg", [rectangle(annopoints={"point": text}), rectangle(x1=None)], 1),
            ("000000005.jpg", [rectangle(annopoints=None)], 0),
            ("000000006.jpg", [{"x1": 1, "y1": 2, "x2": 3, "y2": 4}], 1),
            ("000000007.jpg", [rectangle(annopoints=None)], 1),
            ("000000008.jpg", [rectangle(annopoints={"point": points[4]})], 1),
        ],
        [[1, 2], [1], [], [1], [], [], [], 1],
    )
    (root / "annot").mkdir()
    (root / "annot" / "valid_images.txt").write_text("000000004.jpg\n000000002.jpg\n")
    (root / "annot" / "train_images.txt").write_text(
        "".join(f"00000000{n}.jpg\n" for n in (1, 3, 5, 6, 7, 8))
    )


def test_the_official_release(tmp_path: Path) -> None:
    release(tmp_path)
    found, rejected = read(tmp_path)
    assert [(r.id, r.reason) for r in rejected] == [("1", "no centre and scale")]
    assert {k: [p.id for p in s.poses] for k, s in found.items()} == {1: [0], 7: [6000], 8: [7000]}
    pose = found[1].poses[0]
    assert pose.keypoints_image[2].tolist() == [101.0, 61.0]
    assert pose.visibility.tolist() == [2, 1] * 8
    assert pose.box_image == (115 - 1 - 80, 100 + 12 - 1 - 80, 160, 160)
    assert not found[7].poses[0].visibility.any() and len(found[7].ignore) == 1
    assert np.flatnonzero(found[8].poses[0].visibility).tolist() == [4]  # a point that is no list


def test_the_releases_val_counts_single_people_with_heads(tmp_path: Path) -> None:
    release(tmp_path)
    found, rejected = read(tmp_path, "val")
    assert rejected == [] and {k: len(s.poses) for k, s in found.items()} == {2: 1, 4: 1}
    assert found[2].poses[0].visibility.tolist() == [2, 1, 2, *[0] * 13]
    assert found[4].poses[0].visibility.tolist() == [2, 1] * 8  # flags as text
    truth = Mpii().truth(tmp_path, "val")
    assert truth[4][0].head_size == pytest.approx(30) and truth[4][0].id == 3000


def test_without_a_list_a_tenth_is_held_out(tmp_path: Path) -> None:
    names = [f"{n:09d}.jpg" for n in range(60)]
    write_release(tmp_path, [(name, [rectangle()], 1) for name in names], [[1]] * 60)
    train, val = (set(read(tmp_path, split)[0]) for split in Mpii.SPLITS)
    assert not train & val and len(train | val) == 60 and 1 < len(val) < 15


@pytest.mark.parametrize("images", [[("1.jpg", [rectangle()], 1)]])
def test_a_release_of_one_image(tmp_path: Path, images: Any) -> None:
    write_release(tmp_path, images, [[1]])
    (tmp_path / "annot").mkdir()
    (tmp_path / "annot" / "train_images.txt").write_text("1.jpg")
    assert [p.id for p in read(tmp_path)[0][1].poses] == [0]


def test_a_damaged_release_is_named(tmp_path: Path) -> None:
    path = tmp_path / MAT
    savemat(path, {"something": 1})
    with pytest.raises(ValueError, match="no RELEASE with annolist and img_train"):
        list(Mpii().samples(tmp_path, "train"))
    path.write_bytes(b"no Matlab at all")
    with pytest.raises(ValueError, match=r"u12_1.mat: not readable"):
        list(Mpii().samples(tmp_path, "train"))


def test_real_mpii(real_data: Path) -> None:
    root = real_data / "mpii_mini"
    counts = {split: sum(len(s.poses) for s in read(root, split)[0].values())
              for split in Mpii.SPLITS}  # fmt: skip
    assert counts == {"train": 3, "val": 2} and read(root)[1] == []
    listed = {p.id: p for s in read(root, "val")[0].values() for p in s.poses}
    for people in Mpii().truth(root, "val").values():
        for pose in people:
            np.testing.assert_array_equal(pose.visibility, listed[pose.id].visibility)
            seen = pose.visibility > 0
            difference = pose.keypoints_image[seen] - listed[pose.id].keypoints_image[seen]
            assert np.abs(difference).max() < 1e-3
            heads = loadmat(root / "annot" / "gt_valid.mat")["headboxes_src"][:, :, pose.id]
            expected = 0.6 * np.linalg.norm(heads[1] - heads[0])
            assert pose.head_size == pytest.approx(expected, rel=1e-12)
