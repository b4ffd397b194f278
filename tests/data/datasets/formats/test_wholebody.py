"""COCO-WholeBody: the official layout of its rows as 133 keypoints, where they are asked for."""

import json
from pathlib import Path

from data.datasets.formats import coco
from data.datasets.formats.labels import Labels
from tests.worlds.label_files import coco_rows, pictures

PARTS = {"foot": 6, "face": 68, "lefthand": 21, "righthand": 21}


def read(root: Path, category: str | None) -> Labels:
    """Hands have fractions as flags; a part that is not valid has what is not to be read."""
    content = coco_rows()
    for row in content["annotations"]:
        row["keypoints"] = [5.0, 6.0, 2.0] * 17
        for part, count in PARTS.items():
            row[f"{part}_kpts"] = [value for i in range(count) for value in (i, i + 0.5, 1.0)]
            row[f"{part}_valid"] = True
    one, two, three = content["annotations"]
    one |= {"lefthand_kpts": [1.0, 2.0, 0.14] * 21, "righthand_valid": False}
    del two["face_kpts"]
    three["foot_kpts"] = [1, 2]
    content["categories"][0]["keypoints"] = [f"body_{i}" for i in range(17)]
    (root / "labels.json").write_text(json.dumps(content))
    return coco.read(root / "labels.json", pictures(root / "photos"), category)


def test_whole_bodies_have_133_keypoints(tmp_path: Path) -> None:
    labels = read(tmp_path, "wholebody")
    names, (person, other) = labels.keypoints, labels.images[0].people
    assert len(names) == 133 and person.keypoints_image.shape == (133, 2)
    assert names[17] == "left_big_toe" and names[22] == "right_heel" and names[23] == "face_1"
    assert names[91] == "left_hand_1" and names[132] == "right_hand_21"
    assert person.keypoints_image[17 + 5].tolist() == [5.0, 5.5]  # the sixth of the feet
    assert person.keypoints_image[23 + 67].tolist() == [67.0, 67.5]  # the last of the face
    assert person.visibility[91:112].tolist() == [2] * 21 and not person.visibility[112:].any()
    assert person.num_keypoints is None  # the file's number counts the body alone
    assert not other.visibility[23:91].any() and other.visibility[91:].tolist() == [1] * 42
    assert [note.reason for note in labels.notes] == ["2 values instead of 18: foot_kpts"]


def test_left_and_right_of_whole_bodies_are_told(tmp_path: Path) -> None:
    """The jaw's ends, the outer corners of the eyes, hands and feet; 10 of 68 lie in the middle."""
    pairs = dict(read(tmp_path, "wholebody").mirrored)
    assert pairs["face_17"] == "face_1" and pairs["face_46"] == "face_37"
    assert pairs["left_hand_9"] == "right_hand_9" and pairs["left_heel"] == "right_heel"
    face = [name for pair in pairs.items() for name in pair if name.startswith("face")]
    assert len(face) == len(set(face)) == 58
    assert {f"face_{i + 1}" for i in range(68)} - set(face) == {
        f"face_{i}" for i in (9, 28, 29, 30, 31, 34, 52, 58, 63, 67)
    }


def test_without_being_asked_they_have_their_17(tmp_path: Path) -> None:
    labels = read(tmp_path, None)
    assert len(labels.keypoints) == 17 and labels.mirrored == () and labels.notes == ()
