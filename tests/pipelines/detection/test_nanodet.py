"""A real detector (NanoDet) on real photos: as good as it was measured elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from data.files.images import read_image
from pipelines.detection.opening import open_detector

pytestmark = pytest.mark.contract


def test_people_of_real_photos(real_data: Path) -> None:
    """AP 0.323, AP50 0.568, AR 0.430 were measured with other code (18 photos, 74 people)."""
    file, photos = real_data / "weights" / "nanodet.onnx", real_data / "coco_mini"
    detector = open_detector(str(file))
    assert (detector.name, detector.kind) == ("nanodet", "gfl")
    assert detector.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    truth = COCO(photos / "annotations" / "person_keypoints_val2017.json")
    ids = truth.getImgIds()
    images = [read_image(photos / "val2017" / truth.imgs[i]["file_name"]) for i in ids]
    rows = [
        {"image_id": i, "category_id": 1, "bbox": box.tolist(), "score": float(score)}
        for i, found in zip(ids, detector.find(images), strict=True)
        for box, score in zip(*found, strict=True)
    ]
    referee = COCOeval(truth, truth.loadRes(rows), "bbox")
    for step in (referee.evaluate, referee.accumulate, referee.summarize):
        step()
    assert np.allclose(referee.stats[[0, 1, 8]], [0.323, 0.568, 0.430], atol=0.005)
