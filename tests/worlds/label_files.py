"""One small truth, as each annotation tool writes it: two images, three people, four keypoints.

A writer per dialect fills a folder and says where labels and images are. Where a format cannot say
something (a box, an occluded keypoint), `LACKS` tells.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

NAMES = ("nose", "left_wrist", "right_wrist", "hip")
LIMBS = (("nose", "hip"), ("left_wrist", "nose"))


@dataclass(frozen=True)
class Person:
    """points: x, y, visibility per keypoint; box x, y, w, h."""

    points: tuple[tuple[float, float, int], ...]
    box: tuple[float, float, float, float]


TRUTH: dict[str, tuple[tuple[int, int], tuple[Person, ...]]] = {
    "photo ä.jpg": (
        (64, 48),
        (
            Person(((10.25, 8.5, 2), (6.0, 20.0, 2), (15.5, 21.75, 1), (0, 0, 0)), (4, 4, 16, 36)),
            Person(
                ((40.5, 9.0, 2), (50.0, 22.5, 2), (33.0, 20.0, 2), (41.0, 30.0, 2)), (30, 5, 24, 30)
            ),
        ),
    ),
    "sub/b.png": (
        (40, 30),
        (Person(((20.0, 6.0, 1), (0, 0, 0), (25.0, 15.0, 2), (21.5, 20.0, 2)), (14, 3, 14, 22)),),
    ),
}

Written = tuple[Path, Path, str | None]  # labels, images, category
Writer = Callable[[Path], Written]


def pictures(folder: Path, names: dict[str, str] | None = None) -> Path:
    """The images, under other names where `names` has them."""
    for name, (size, _) in TRUTH.items():
        path = folder / (names or {}).get(name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(path)
    return folder


def _json(path: Path, content: object, bom: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8-sig" if bom else "utf-8")
    return path


def coco_rows(person_id: Any = 1, image_ids: tuple[Any, ...] = (1, 2)) -> dict[str, Any]:
    """Official rows of the truth."""
    images, people = [], []
    for image_id, (name, (size, persons)) in zip(image_ids, TRUTH.items(), strict=True):
        images.append({"id": image_id, "file_name": name, "width": size[0], "height": size[1]})
        for person in persons:
            keypoints = [value for point in person.points for value in point]
            box = list(person.box)
            people.append(
                {
                    "id": len(people) + 1,
                    "image_id": image_id,
                    "category_id": person_id,
                    "keypoints": keypoints,
                    "num_keypoints": sum(v > 0 for v in keypoints[2::3]),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    "segmentation": [],
                }
            )
    places = {name: place for place, name in enumerate(NAMES, 1)}
    limbs = [[places[one], places[other]] for one, other in LIMBS]
    kind = {"id": person_id, "name": "worker", "keypoints": list(NAMES), "skeleton": limbs}
    return {"images": images, "annotations": people, "categories": [kind]}


def coco_official(root: Path) -> Written:
    return _json(root / "labels.json", coco_rows()), pictures(root / "photos"), None


def coco_cvat(root: Path) -> Written:
    """CVAT's "COCO Keypoints 1.0": licences, attributes, a label without keypoints beside it."""
    content = coco_rows(2)
    content["categories"].insert(0, {"id": 1, "name": "helmet", "supercategory": ""})
    box = {"id": 99, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25}
    content["annotations"].append({**box, "segmentation": [], "iscrowd": 0})
    for row in content["annotations"]:
        row["attributes"] = {"occluded": False}
    content |= {"licenses": [{"name": "", "id": 0, "url": ""}], "info": {"version": ""}}
    return _json(root / "person_keypoints_default.json", content), pictures(root / "images"), None


def coco_roboflow(root: Path) -> Written:
    """Roboflow's: a first category of the same name without keypoints, limbs from 0, a folder with
    images and json in one place, names with their hash."""
    names = {"photo ä.jpg": "photo-_jpg.rf.0a1b2c.jpg", "sub/b.png": "b_png.rf.3d4e5f.jpg"}
    content = coco_rows(1, (0, 1))
    kind = content["categories"][0]
    kind["skeleton"] = [[one - 1, other - 1] for one, other in kind["skeleton"]]
    content["categories"].insert(0, {"id": 0, "name": "worker", "supercategory": "none"})
    for image in content["images"]:
        image["file_name"] = names[image["file_name"]]
    folder = pictures(root / "train", names)
    _json(folder / "_annotations.coco.json", content)
    return folder, folder, None


def coco_loose(root: Path) -> Written:
    """What hand-made converters write: text ids, sizes as fractions, names of Windows with percent
    signs, nothing that can be left out, a byte order mark."""
    content = coco_rows("w", ("img-785", 9223372036854775807))
    for image in content["images"]:
        image["file_name"] = "C:\\data\\" + image["file_name"].replace("/", "\\").replace(
            " ", "%20"
        )
        image |= {"width": float(image["width"]), "height": float(image["height"])}
    for row in content["annotations"]:
        for key in ("area", "iscrowd", "segmentation", "num_keypoints", "id"):
            del row[key]
        row["keypoints"] = [row["keypoints"][i : i + 3] for i in range(0, 12, 3)]
    return _json(root / "own.json", content, bom=True), pictures(root / "p"), None


def coco_two_kinds(root: Path) -> Written:
    content = coco_rows()
    dog = {"id": 7, "name": "dog", "keypoints": ["head", "tail"], "skeleton": []}
    content["categories"].append(dog)
    row = {"id": 50, "image_id": 1, "category_id": 7, "keypoints": [1, 1, 2, 5, 5, 2]}
    content["annotations"].append({**row, "bbox": [0, 0, 6, 6]})
    return _json(root / "labels.json", content), pictures(root / "photos"), "worker"


def _yolo_line(person: Person, size: tuple[int, int], values: int, kind: int = 0) -> str:
    x, y, w, h = person.box
    words = [(x + w / 2) / size[0], (y + h / 2) / size[1], w / size[0], h / size[1]]
    texts = [str(kind), *(f"{word:.10f}" for word in words)]
    for px, py, v in person.points:
        texts += [f"{px / size[0]:.10f}", f"{py / size[1]:.10f}", str(v)][:values]
    return " ".join(texts)


def _yolo_texts(folder: Path, names: dict[str, str], values: int, kind: int = 0) -> None:
    for name, (size, people) in TRUTH.items():
        path = (folder / names.get(name, name)).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [_yolo_line(person, size, values, kind) for person in people]
        path.write_text("\n".join(lines) + "\n")


def yolo_ultralytics(root: Path) -> Written:
    """path and splits as folders, class names by number, names of keypoints."""
    names = {name: f"train/{name}" for name in TRUTH}
    pictures(root / "images", names)
    _yolo_texts(root / "labels", names, 3)
    (root / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval:\nkpt_shape: [4, 3]\nflip_idx: [0, 2, 1, 3]\n"
        "names:\n  0: worker\nkpt_names:\n  0: [nose, left_wrist, right_wrist, hip]\n"
    )
    return root / "data.yaml", root, None


def yolo_roboflow(root: Path) -> Written:
    """`../train/images` from a folder that is not there, names as a list, no keypoints' names; a
    second class."""
    pictures(root / "train/images")
    _yolo_texts(root / "train/labels", {}, 3, 1)
    (root / "data.yaml").write_text(
        "train: ../train/images\nval: ../train/images\n\nkpt_shape: [4, 3]\n"
        "flip_idx: [0, 2, 1, 3]\nnc: 2\nnames: ['dog', 'worker']\n"
    )
    text = (root / "data.yaml").read_text().replace("val: ../train/images\n", "")
    (root / "data.yaml").write_text(text)
    return root, root, "worker"


def yolo_two_values(root: Path) -> Written:
    """Two folders side by side, no visibility, no splits; the folder of texts is given."""
    _yolo_texts(root / "labels", {}, 2)
    (root / "pose.yml").write_text("kpt_shape: [4, 2]\nnames: [worker]\n")
    return root / "labels", pictures(root / "images"), None


def yolo_listed(root: Path) -> Written:
    """A split as a text file with the images' paths."""
    pictures(root / "images")
    _yolo_texts(root / "labels", {}, 3)
    (root / "train.txt").write_text("".join(f"./images/{name}\n" for name in TRUTH))
    (root / "data.yaml").write_text("train: train.txt\nkpt_shape: [4, 3]\nnames: {0: worker}\n")
    return root / "data.yaml", root / "images", None


def _shapes(people: tuple[Person, ...], grouped: bool) -> list[dict[str, Any]]:
    shapes: list[dict[str, Any]] = []
    for place, person in enumerate(people, 1):
        x, y, w, h = person.box
        group = {"group_id": place if grouped else None, "description": "", "flags": {}}
        corners = [[x, y], [x + w, y + h]]
        shapes.append({"label": "worker", "points": corners, "shape_type": "rectangle", **group})
        for name, (px, py, v) in zip(NAMES, person.points, strict=True):
            shape = {"label": name, "points": [[px, py]], "shape_type": "point", **group}
            if v == 1:
                shape |= {"flags": {"occluded": True}} if grouped else {"description": "occluded"}
            shapes += [shape] if v else []
    return shapes


def _labelme(root: Path, grouped: bool) -> Written:
    pictures(root / "photos")
    for name, (size, people) in TRUTH.items():
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": _shapes(people, grouped),
            "imagePath": "..\\photos\\" + name.replace("/", "\\"),
            "imageData": "AAAA",
            "imageWidth": size[0],
            "imageHeight": size[1],
        }
        _json(root / "labels" / f"{Path(name).stem}.json", content)
    return root / "labels", root / "photos", None


def labelme_groups(root: Path) -> Written:
    return _labelme(root, grouped=True)


def labelme_alone(root: Path) -> Written:
    return _labelme(root, grouped=False)


SVG = (
    '<line x1="1" y1="1" x2="2" y2="2" data-type="edge" data-node-from="1" data-node-to="4"></line>'
    '<line x1="1" y1="1" x2="2" y2="2" data-type="edge" data-node-from="2" data-node-to="1"></line>'
    + "".join(
        f'<circle r="1" cx="1" cy="1" data-type="element node" data-element-id="{i}" '
        f'data-node-id="{i}" data-label-name="{name}"></circle>'
        for i, name in enumerate(NAMES, 1)
    )
)


def cvat_text() -> str:
    """CVAT for images 1.1: skeletons, and each person's box in the skeleton's group."""
    escaped = SVG.replace("&", "&amp;").replace("<", "&lt;")
    label = "<label><name>{}</name><type>{}</type><attributes></attributes>{}</label>"
    labels = [label.format("worker", "skeleton", f"<svg>{escaped}</svg>")]
    labels += [label.format(name, "points", "<parent>worker</parent>") for name in NAMES]
    labels += [label.format("frame", "rectangle", "")]
    images, group = [], 0
    for place, (name, (size, people)) in enumerate(TRUTH.items()):
        shapes = []
        for person in people:
            group += 1
            x, y, w, h = person.box
            points = [
                f'<points label="{n}" source="manual" outside="{int(v == 0)}" '
                f'occluded="{int(v == 1)}" points="{px:.2f},{py:.2f}"></points>'
                for n, (px, py, v) in zip(reversed(NAMES), reversed(person.points), strict=True)
            ]
            shapes.append(
                f'<skeleton label="worker" source="manual" z_order="0" group_id="{group}">'
                f"{''.join(points)}</skeleton>"
                f'<box label="frame" source="manual" occluded="0" xtl="{x:.2f}" ytl="{y:.2f}" '
                f'xbr="{x + w:.2f}" ybr="{y + h:.2f}" z_order="0" group_id="{group}"></box>'
            )
        sizes = f'width="{size[0]}" height="{size[1]}"'
        images.append(f'<image id="{place}" name="{name}" {sizes}>{"".join(shapes)}</image>')
    meta = f"<meta><task><name>t</name><labels>{''.join(labels)}</labels></task></meta>"
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
    return f"{head}{meta}{''.join(images)}</annotations>"


def cvat_xml(root: Path) -> Written:
    (root / "annotations.xml").write_text(cvat_text(), encoding="utf-8")
    return root / "annotations.xml", pictures(root / "images"), None


def cvat_zip(root: Path) -> Written:
    with zipfile.ZipFile(root / "task.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations.xml", cvat_text())
    return root / "task.zip", pictures(root / "images"), None


def _region(
    kind: str, own: str, label: str, size: tuple[int, int], **value: float
) -> dict[str, Any]:
    sides = {"x": size[0], "width": size[0], "y": size[1], "height": size[1]}
    percent = {key: number / sides[key] * 100 for key, number in value.items()}
    return {
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {**percent, kind: [label]},
        "id": own,
        "from_name": kind,
        "to_name": "image",
        "type": kind,
    }


def _task(people: tuple[Person, ...], size: tuple[int, int], linked: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for place, person in enumerate(people):
        x, y, w, h = person.box
        box = _region("rectanglelabels", f"b{place}", "worker", size, x=x, y=y, width=w, height=h)
        box["value"]["rotation"] = 0
        rows.append(box)
        for name, (px, py, v) in zip(NAMES, person.points, strict=True):
            own = f"k{place}{name}"
            point = _region("keypointlabels", own, name, size, x=px, y=py)
            point["value"]["width"] = 0.5
            if linked == "parentID":
                point["parentID"] = f"b{place}"
            if v == 1 and linked == "relation":
                choice = {"value": {"choices": ["Occluded"]}, "id": own, "type": "choices"}
                rows.append({**choice, "from_name": "visible", "to_name": "image"})
            elif v == 1:
                point["meta"] = {"text": ["occluded"]}
            rows += [point] if v else []
            if linked == "relation" and v:
                rows.append({"type": "relation", "from_id": own, "to_id": f"b{place}"})
    return rows


def _label_studio(root: Path, linked: str, addresses: dict[str, str]) -> Written:
    tasks = [
        {
            "id": place,
            "data": {"image": addresses[name]},
            "annotations": [
                {"id": 1, "was_cancelled": True, "result": []},
                {"id": 2, "was_cancelled": False, "result": _task(people, size, linked)},
            ],
            "predictions": [{"result": _task(people, size, linked)}],
        }
        for place, (name, (size, people)) in enumerate(TRUTH.items(), 1)
    ]
    return _json(root / "project-1.json", tasks), pictures(root / "photos"), None


def label_studio_parents(root: Path) -> Written:
    addresses = {
        "photo ä.jpg": "/data/upload/3/0a1b2c3d-photo%20%C3%A4.jpg",
        "sub/b.png": "/data/local-files/?d=photos%2Fsub%2Fb.png",
    }
    return _label_studio(root, "parentID", addresses)


def label_studio_relations(root: Path) -> Written:
    addresses = {
        "photo ä.jpg": "https://bucket.example/x/photo%20%C3%A4.jpg?X-Amz-Signature=abc",
        "sub/b.png": "s3://bucket/photos/sub/b.png",
    }
    return _label_studio(root, "relation", addresses)


DIALECTS: dict[str, tuple[str, Writer]] = {
    "coco: official": ("coco", coco_official),
    "coco: CVAT": ("coco", coco_cvat),
    "coco: Roboflow": ("coco", coco_roboflow),
    "coco: hand-made": ("coco", coco_loose),
    "coco: two kinds": ("coco", coco_two_kinds),
    "yolo_pose: Ultralytics": ("yolo_pose", yolo_ultralytics),
    "yolo_pose: Roboflow": ("yolo_pose", yolo_roboflow),
    "yolo_pose: two values": ("yolo_pose", yolo_two_values),
    "yolo_pose: listed": ("yolo_pose", yolo_listed),
    "labelme: groups": ("labelme", labelme_groups),
    "labelme: alone": ("labelme", labelme_alone),
    "cvat: xml": ("cvat", cvat_xml),
    "cvat: zip": ("cvat", cvat_zip),
    "label_studio: parents": ("label_studio", label_studio_parents),
    "label_studio: relations": ("label_studio", label_studio_relations),
}
NUMBERED = {"yolo_pose: Roboflow", "yolo_pose: two values", "yolo_pose: listed"}  # no names
NO_FLAGS = {"yolo_pose: two values"}  # occluded is read as visible
