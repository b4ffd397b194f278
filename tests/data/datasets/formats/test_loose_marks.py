"""labelme, CVAT and Label Studio: whose a point is, what is occluded, what is left out and told."""

import io
import json
import weakref
import zipfile
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from PIL import Image

from data.datasets.formats import cvat, label_studio, labelme
from data.datasets.formats.guessing import guess
from data.datasets.formats.labels import Labels
from data.datasets.formats.marks import turned_box
from data.datasets.formats.plain_xml import CHUNK, Limits, children
from tests.worlds.label_files import cvat_text, pictures

Shape = dict[str, Any]


def point(name: str, x: float, y: float, **others: Any) -> Shape:
    return {"label": name, "points": [[x, y]], "shape_type": "point", **others}


def frame(label: str, x: float, y: float, w: float, h: float, **others: Any) -> Shape:
    corners = [[x + w, y], [x, y + h]]
    return {"label": label, "points": corners, "shape_type": "rectangle", **others}


def read_labelme(root: Path, *shapes: Shape, category: str | None = None) -> Labels:
    """One image of 64 x 48."""
    Image.new("RGB", (64, 48)).save(root / "a.png")
    content = {"shapes": list(shapes), "imagePath": "a.png", "imageWidth": 64, "imageHeight": 48}
    (root / "a.json").write_text(json.dumps(content))
    return labelme.read(root, root, category)


def seen(labels: Labels) -> list[tuple[list[list[float]], list[int]]]:
    people = [person for image in labels.images for person in image.people]
    return [(p.keypoints_image.tolist(), p.visibility.tolist()) for p in people]


def test_points_without_group_or_box_are_one_person(tmp_path: Path) -> None:
    labels = read_labelme(tmp_path, point("a", 1, 2), point("b", 3, 4))
    assert labels.category == "person" and labels.keypoints == ("a", "b")
    assert seen(labels) == [([[1, 2], [3, 4]], [2, 2])]
    assert labels.images[0].people[0].box_image is None


def test_points_without_group_go_to_the_smallest_box_around_them(tmp_path: Path) -> None:
    labels = read_labelme(
        tmp_path,
        frame("worker", 0, 0, 60, 40),
        frame("worker", 10, 10, 10, 10),
        point("a", 12, 12),
        point("a", 50, 30),
        point("b", 63, 47),
    )
    assert seen(labels) == [([[50, 30]], [2]), ([[12, 12]], [2])]
    assert [person.box_image for person in labels.images[0].people] == [
        (0, 0, 60, 40),
        (10, 10, 10, 10),
    ]
    assert [(note.id, note.reason) for note in labels.notes] == [
        ("keypoint b", "in no box, and in no group: which person's it is is not said")
    ]


def test_a_polygon_is_the_outline_and_without_a_box_the_box(tmp_path: Path) -> None:
    outline = {"label": "worker", "points": [[1, 1], [9, 2], [4, 8]], "shape_type": "polygon"}
    person = read_labelme(tmp_path, outline, point("a", 3, 3)).images[0].people[0]
    assert person.segmentation == [[1, 1, 9, 2, 4, 8]] and person.box_image == (1, 1, 8, 7)
    group = {"group_id": 1}
    shapes = frame("worker", 0, 0, 9, 9, **group), outline | group, point("a", 3, 3, **group)
    both = read_labelme(tmp_path, *shapes).images[0].people[0]
    assert both.segmentation == [[1, 1, 9, 2, 4, 8]] and both.box_image == (0, 0, 9, 9)


FLAGS: dict[str, tuple[Shape, int]] = {
    "nothing": ({}, 2),
    "a flag": ({"flags": {"Occluded": True}}, 1),
    "a flag that is down": ({"flags": {"occluded": False}}, 2),
    "a description": ({"description": " Hidden "}, 1),
    "a number": ({"description": "1"}, 1),
    "absent": ({"description": "0"}, 0),
    "difficult": ({"difficult": True}, 1),
    "other words": ({"description": "left one", "flags": None}, 2),
}


@pytest.mark.parametrize("told, flag", FLAGS.values(), ids=FLAGS)
def test_labelme_tells_visibility_in_several_ways(told: Shape, flag: int, tmp_path: Path) -> None:
    labels = read_labelme(tmp_path, point("a", 1, 2, **told), point("sure", 3, 4))
    assert seen(labels)[0][1] == [flag, 2]


BAD: dict[str, tuple[list[Shape], str]] = {
    "no label": ([point("", 1, 1)], "no label"),
    "two points": ([point("b", 1, 1) | {"points": [[1, 1], [2, 2]]}], "4 values instead of 2"),
    "not finite": ([point("b", float("nan"), 1)], "not finite: point"),
    "one corner": ([frame("w", 1, 1, 2, 2) | {"points": [[1, 1]]}], "1 corners: rectangle"),
    "a circle": ([point("b", 1, 1) | {"shape_type": "circle"}], "1 shapes of type circle are not"),
    "twice": ([point("b", 1, 1, group_id=2)] * 2, "keypoints labelled twice in one person: b;"),
    "two boxes": ([frame("w", 1, 1, 2, 2, group_id=2)] * 2, "several boxes or polygons in one"),
}


@pytest.mark.parametrize("shapes, reason", BAD.values(), ids=BAD)
def test_a_bad_shape_is_noted_and_the_others_are_read(
    shapes: list[Shape], reason: str, tmp_path: Path
) -> None:
    labels = read_labelme(tmp_path, point("a", 1, 2, group_id=1), *shapes)
    assert ([[1, 2]], [2]) in seen(labels)
    assert [reason in note.reason for note in labels.notes] == [True]


def test_labelmes_images_are_counted_from_the_json(tmp_path: Path) -> None:
    """Two folders, each with a 1.png and its json."""
    for place, folder in enumerate(("a", "b"), 1):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (64, 48)).save(tmp_path / folder / "1.png")
        content = {"shapes": [point("nose", place, place)], "imagePath": "1.png"}
        (tmp_path / folder / "1.json").write_text(json.dumps(content))
    labels = labelme.read(tmp_path, tmp_path)
    assert [image.file for image in labels.images] == ["a/1.png", "b/1.png"]
    assert seen(labels) == [([[1, 1]], [2]), ([[2, 2]], [2])]


def test_other_files_among_labelmes_are_noted(tmp_path: Path) -> None:
    for name, text in {"b.json": "{", "c.json": "[1]", "d.json": '{"shapes": [1]}'}.items():
        (tmp_path / name).write_text(text)
    notes = read_labelme(tmp_path, point("a", 1, 2)).notes
    assert [note.id for note in notes] == ["b.json", "c.json", "d.json"]
    assert "truncated or no json" in notes[0].reason
    assert notes[1].reason == notes[2].reason == "no json of labelme: it has no list `shapes`"


def test_of_several_labels_with_keypoints_one_is_asked_for(tmp_path: Path) -> None:
    shapes = [
        frame("worker", 0, 0, 9, 9, group_id=1),
        point("a", 1, 1, group_id=1),
        frame("dog", 20, 20, 9, 9, group_id=2),
        point("tail", 21, 21, group_id=2),
        frame("car", 40, 40, 5, 5),
    ]
    told = r"several labels have keypoints: worker \(1 people\), dog \(1 people\); name one with"
    with pytest.raises(ValueError, match=told):
        read_labelme(tmp_path, *shapes)
    labels = read_labelme(tmp_path, *shapes, category="dog")
    assert labels.keypoints == ("tail",) and seen(labels) == [([[21, 21]], [2])]
    with pytest.raises(ValueError, match="given 'cat', accepted: car, dog, worker"):
        read_labelme(tmp_path, *shapes, category="cat")


def read_cvat(root: Path, text: str, category: str | None = None) -> Labels:
    (root / "a.xml").write_text(text)
    return cvat.read(root / "a.xml", pictures(root / "images"), category)


def test_cvats_labels_tell_order_and_limbs(tmp_path: Path) -> None:
    labels = read_cvat(tmp_path, cvat_text())
    assert labels.keypoints == ("nose", "left_wrist", "right_wrist", "hip")
    assert labels.limbs == (("nose", "hip"), ("left_wrist", "nose"))


def image_of(shapes: str, attributes: str = "") -> str:
    name = 'id="0" name="sub/b.png" width="40" height="30"'
    return f"<annotations><image {name} {attributes}>{shapes}</image></annotations>"


POINTS = '<points label="a" points="4.5,5" occluded="1"/><points label="b" points="9,9"/>'


def test_cvats_points_and_boxes_of_one_group_are_a_person(tmp_path: Path) -> None:
    grouped = POINTS.replace("<points ", '<points group_id="3" ')
    box = '<box label="worker" xtl="2" ytl="4" xbr="10" ybr="10" group_id="3" rotation="90"/>'
    labels = read_cvat(tmp_path, image_of(grouped + box, 'subset="Validation"'))
    assert labels.category == "worker" and labels.keypoints == ("a", "b")
    assert seen(labels) == [([[4.5, 5], [9, 9]], [1, 2])]
    assert labels.images[0].people[0].box_image == pytest.approx((3, 3, 6, 8))
    assert labels.images[0].split == "val"


def test_cvats_group_0_is_none_and_a_folder_stands_for_its_file(tmp_path: Path) -> None:
    boxes = '<box label="w" xtl="{}" ytl="0" xbr="{}" ybr="20" group_id="0"/>'
    points = '<points label="a" points="{},5" group_id="0"/>'
    shapes = [boxes.format(0, 9), boxes.format(10, 19), points.format(5), points.format(15)]
    (tmp_path / "annotations.xml").write_text(image_of("".join(shapes)))
    assert guess(tmp_path) == "cvat"
    labels = cvat.read(tmp_path, pictures(tmp_path / "images"))
    assert seen(labels) == [([[5, 5]], [2]), ([[15, 5]], [2])]


def test_cvats_bad_shapes_are_noted(tmp_path: Path) -> None:
    skeleton = f'<skeleton label="w">{POINTS}</skeleton>'
    bad = {
        "<skeleton>" + POINTS + "</skeleton>": "no label",
        f'<skeleton label="w">{POINTS}{POINTS}</skeleton>': "labelled twice in one person",
        '<skeleton label="w"><points label="a" points="1,x"/></skeleton>': "no numbers: point a",
        '<box label="w" xtl="5" ytl="1" xbr="2" ybr="4"/>': "a side below 0: box",
        '<box label="w" xtl="5"/>': "not finite: box",
        '<polygon label="w" points=""/>': "no numbers: polygon",
    }
    labels = read_cvat(tmp_path, image_of(skeleton + "".join(bad)))
    assert len(seen(labels)) == 1
    for note, reason in zip(labels.notes, bad.values(), strict=True):
        assert reason in note.reason


ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 20))
XML = {
    "entities that grow": (f'<!DOCTYPE a [<!ENTITY e0 "x">{ENTITIES}]><a>&e19;</a>', "declares a"),
    "a file from elsewhere": (
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        "declares a document",
    ),
    "deep": ("<annotations>" + "<a>" * 100_000, "elements nested more than 50 deep"),
    "cut": (cvat_text()[:900], r"cut off or no xml \("),
    "empty": ("", "cut off or no xml"),
    "another root": ("<annotation/>", "its root is <annotation>, accepted: <annotations> of CVAT"),
    "a video": (
        '<annotations><track label="w"><skeleton frame="0"/></track></annotations>',
        "tracks of a video, which name no images; export the task as .CVAT for images 1.1.",
    ),
    "nobody": (image_of(""), "no person with a labelled keypoint in 0 images|in 1 images"),
}


@pytest.mark.parametrize("text, told", XML.values(), ids=XML)
def test_xml_of_no_use_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told) as error:
        read_cvat(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "a.xml"))


@pytest.mark.parametrize(
    ("grown", "told"),
    [
        (
            "<image>" + f"<a>{'x' * CHUNK}</a>" * 5 + "</image>",
            "262,144 bytes of xml in one element",
        ),
        (f"<meta>{'x' * 5 * CHUNK}</meta>", "262,144 bytes of xml in one"),
        (f'<image name="{"x" * 5 * CHUNK}"/>', "262,144 bytes of xml in one"),
        (f"<image>{'<a/>' * 999}</image>", "1,000 elements; export fewer images at once"),
        ("<a/>" * 1000, "1,000 elements; export fewer images at once"),
    ],
    ids=["elements", "text", "an attribute", "many in one", "many beside one another"],
)
def test_xml_without_end_is_refused(grown: str, told: str) -> None:
    text, limits = f"<annotations>{grown}</annotations>".encode(), Limits(1000, 4 * CHUNK)
    with pytest.raises(ValueError, match=rf"a\.xml: more than {told}"):
        list(children(Path("a.xml"), io.BytesIO(text), "annotations", limits=limits))


def test_a_zip_that_no_xml_is_packed_to_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations.xml", f"<annotations>{'<a/>' * 500_000}</annotations>")
    said = r"a\.zip: 2,000,027 bytes in a zip of \d,\d\d\d, accepted: at most 100 times as many"
    with pytest.raises(ValueError, match=said):
        cvat.read(tmp_path / "a.zip", pictures(tmp_path / "images"))


def test_images_of_an_xml_are_not_kept() -> None:
    image = '<image id="0"><points label="a" points="4.5,5"/></image>'
    text = f"<annotations>{image * 5_000}</annotations>".encode()
    held, most = list[weakref.ref[Element]](), 0
    for element in children(Path("a.xml"), io.BytesIO(text), "annotations"):
        held = [each for each in held if each() is not None] + [weakref.ref(element)]
        most = max(most, len(held))
    assert most < 2 * CHUNK / len(image), "a chunk's and no more"
    assert len(list(children(Path("a.xml"), io.BytesIO(text), "annotations"))) == 5_000


SIZE = {"original_width": 40, "original_height": 30}


def region(own: str, name: str, x: float, y: float, **others: Any) -> Shape:
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]}
    return {"id": own, "type": "keypointlabels", "value": value, **SIZE, **others}


def read_tasks(root: Path, *results: list[Shape], **task: Any) -> Labels:
    annotations = [{"result": result} for result in results]
    tasks = [{"id": 5, "data": {"image": "b.png"}, "annotations": annotations} | task]
    (root / "tasks.json").write_text(json.dumps(tasks))
    return label_studio.read(root / "tasks.json", pictures(root / "photos"))


def test_label_studios_points_alone_are_one_person(tmp_path: Path) -> None:
    labels = read_tasks(tmp_path, [region("1", "a", 10, 50), region("2", "b", 50, 10)])
    assert seen(labels) == [([[4, 15], [20, 3]], [2, 2])]


def box(own: str, x: float) -> Shape:
    value = {"x": x, "y": 0, "width": 20, "height": 50, "rectanglelabels": ["worker"]}
    return {"id": own, "type": "rectanglelabels", "value": value, **SIZE}


def test_label_studios_parent_goes_before_the_box_around(tmp_path: Path) -> None:
    points = [region("p", "a", 15, 25, parentID="two"), region("q", "a", 55, 25, parentID="one")]
    labels = read_tasks(tmp_path, [box("one", 10), box("two", 50), *points])
    assert seen(labels) == [([[22, 7.5]], [2]), ([[6, 7.5]], [2])]
    assert [person.box_image for person in labels.images[0].people] == [
        (4, 0, 8, 15),
        (20, 0, 8, 15),
    ]


def test_label_studios_meta_names_the_person(tmp_path: Path) -> None:
    told = [region(str(i), "a", 10 * i, 50, meta={"text": [f"P{i}"]}) for i in (1, 2)]
    assert seen(read_tasks(tmp_path, told)) == [([[4, 15]], [2]), ([[8, 15]], [2])]


def test_json_min_is_read(tmp_path: Path) -> None:
    flat = [region("", name, x, 50)["value"] | SIZE for name, x in (("a", 10), ("b", 20))]
    task = {"id": 5, "image": "/data/upload/1/0a1b2c3d-b.png", "kp": flat, "annotation_id": 1}
    (tmp_path / "min.json").write_text(json.dumps([task]))
    labels = label_studio.read(tmp_path / "min.json", pictures(tmp_path / "photos"))
    assert seen(labels) == [([[4, 15], [8, 15]], [2, 2])]


def test_of_a_task_labelled_twice_the_ground_truth_is_read(tmp_path: Path) -> None:
    both = [{"result": [region("1", "a", 10, 10)]},
            {"result": [region("1", "a", 50, 50)], "ground_truth": True}]  # fmt: skip
    labels = read_tasks(tmp_path, annotations=both)
    assert seen(labels) == [([[20, 15]], [2])]
    assert [note.reason for note in labels.notes] == ["labelled 2 times: one of them is read"]


LEFT_OUT = {
    "no size": ({"original_width": None, "original_height": None}, "no one size of the image"),
    "two sizes": ({"original_width": 41}, "no one size of the image: (40, 30), (41, 30)"),
    "turned": ({"image_rotation": 90}, "turned in the tool: labels of turned images are not read"),
    "no label": ({"value": {"x": 1, "y": 1, "keypointlabels": []}}, "not one label"),
    "no number": ({"value": {"x": None, "y": 1, "keypointlabels": ["b"]}}, "not finite: point"),
}


@pytest.mark.parametrize("change, reason", LEFT_OUT.values(), ids=LEFT_OUT)
def test_label_studios_bad_rows_are_noted(change: Shape, reason: str, tmp_path: Path) -> None:
    good = {"id": 1, "data": {"image": "photo ä.jpg"}}
    good["annotations"] = [{"result": [region("1", "a", 10, 10)]}]
    bad = {"id": 2, "data": {"image": "b.png"}}
    bad["annotations"] = [{"result": [region("1", "a", 9, 9), region("2", "b", 5, 5) | change]}]
    (tmp_path / "tasks.json").write_text(json.dumps([good, bad]))
    labels = label_studio.read(tmp_path / "tasks.json", pictures(tmp_path / "photos"))
    assert [reason in note.reason for note in labels.notes] == [True]


def test_a_turned_box_is_the_upright_one_around_it() -> None:
    np.testing.assert_allclose(turned_box((0, 0, 4, 2), 90, (2, 1)), (1, -1, 2, 4), atol=1e-12)
    np.testing.assert_allclose(turned_box((0, 0, 4, 2), 90, (0, 0)), (-2, 0, 2, 4), atol=1e-12)
    half = turned_box((-1, -1, 2, 2), 45, (0, 0))
    np.testing.assert_allclose(half, (-(2**0.5), -(2**0.5), 2 * 2**0.5, 2 * 2**0.5))
