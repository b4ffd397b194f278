"""The formats of labels by name: how each is read, and how some are written.

Which of them a file is, `guessing.py` tells.
"""

from __future__ import annotations

from data.datasets.formats import coco, cvat, label_studio, labelme, mpii, yolo_pose
from data.datasets.formats.labels import Reader, Writer

READERS: dict[str, Reader] = {
    "coco": coco.read,
    "yolo_pose": yolo_pose.read,
    "labelme": labelme.read,
    "cvat": cvat.read,
    "label_studio": label_studio.read,
    "mpii": mpii.read,
    "crowdpose": coco.read,  # its json is of COCO's kind
}
WRITERS: dict[str, Writer] = {"coco": coco.write, "yolo_pose": yolo_pose.write}
