"""What a user of an annotation tool has on disk: photos with names as cameras and people give them,
and the tool's export."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np

from data.datasets.sources.stick_pictures import draw_image
from data.ground.skeleton import load_skeleton

NAMES = load_skeleton("coco").keypoints


def cvat_team(folder: Path, photos: int = 12, seed: int = 5) -> tuple[Path, Path]:
    """(annotations.xml, photos): people with COCO's 17 keypoints, exported as CVAT for images 1.1.

    Sub-folders, blanks and letters beyond ASCII in names; keypoints in an order of the user's own.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    for number in range(photos):
        picture, people = draw_image(np.random.default_rng([seed, number]))
        name = f"Baustelle Süd/IMG {number:04d}.jpg"
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        height, width = picture.shape[:2]
        about = {"id": str(number), "name": name, "width": str(width), "height": str(height)}
        image = ElementTree.SubElement(root, "image", about)
        for group, row in enumerate(people, 1):
            _skeleton(image, row, str(group))
    labels = folder / "annotations.xml"
    ElementTree.ElementTree(root).write(labels, encoding="utf-8", xml_declaration=True)
    return labels, folder / "photos"


def _skeleton(image: ElementTree.Element, row: dict[str, Any], group: str) -> None:
    """A row of COCO's json as a skeleton, and its box in the same group."""
    shape = {"source": "manual", "z_order": "0", "group_id": group}
    skeleton = ElementTree.SubElement(image, "skeleton", {"label": "worker", **shape})
    points = np.array(row["keypoints"], dtype=float).reshape(-1, 3)
    for name, (x, y, seen) in sorted(zip(NAMES, points, strict=True)):
        flags = {"outside": str(int(seen == 0)), "occluded": str(int(seen == 1))}
        at = {"label": name, "points": f"{x:.2f},{y:.2f}", **flags}
        ElementTree.SubElement(skeleton, "points", at)
    x, y, width, height = row["bbox"]
    corners = {"xtl": x, "ytl": y, "xbr": x + width, "ybr": y + height}
    at = {key: f"{value:.2f}" for key, value in corners.items()}
    ElementTree.SubElement(image, "box", {"label": "frame", "occluded": "0", **at, **shape})
