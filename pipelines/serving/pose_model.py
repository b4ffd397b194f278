"""The model in the registry: images in, poses out. This file travels with every version.

MLflow runs it where nothing of Limber is installed, beside `graph.pt2` (the exported network and
codec), `transforms.py` (the crop geometry of the day) and `card.json`; so it imports none of ours.
Networks that read whole images bring their codec's code in `codec/`: grouping is no graph.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import importlib.util
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

CROPS_AT_ONCE = 32
READ = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # as stored, like COCO's labels
ENCODED = "an encoded image (JPEG, PNG...)"
ACCEPTED = (
    "an array [H, W, 3] of whole numbers 0 to 255 (RGB), the bytes of an encoded image (JPEG, "
    "PNG...), or those in base64 as text; a path or an address is never opened: send the file's "
    "content"
)


class PoseModel(PythonModel):  # type: ignore[misc]
    """Poses of images: top-down in boxes, without boxes the whole image is one; or bottom-up."""

    def load_context(self, context: PythonModelContext) -> None:
        files = {name: Path(place) for name, place in context.artifacts.items()}
        self._card = json.loads(files["card"].read_text())
        self._geometry = _load_file(files["transforms"])
        self._graph = torch.export.load(files["graph"]).module()
        self._codec: Any = None
        if "codec" in files:
            self._codec, self._skeleton = _load_codec(files["codec"], self._card)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,  # or the other forms: MLflow checks nothing behind this hint
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """One answer per image; see README.md of `mlflow/` for the forms of `model_input`.

        Answer: {"poses": [{"keypoints": [[x, y, score], ...], "score", "box"}], "whole_image"},
        in pixels of the image as it is stored (an EXIF turn is not followed). Raises ValueError
        that names the image and what is accepted.
        """
        return [
            self._answer(*_read_row(row, f"image {i}")) for i, row in enumerate(_rows(model_input))
        ]

    def _answer(self, image: np.ndarray, boxes: np.ndarray | None) -> dict[str, Any]:
        if self._codec is not None:
            if boxes is not None:
                raise ValueError("boxes: this model finds everyone in the whole image itself; "
                                 "accepted: images without boxes")  # fmt: skip
            return {"poses": list(self._people(image)), "whole_image": True}
        whole = boxes is None
        if boxes is None:
            boxes = np.array([[0.0, 0.0, image.shape[1], image.shape[0]]])
        poses = [
            pose
            for start in range(0, len(boxes), CROPS_AT_ONCE)
            for pose in self._poses(image, boxes[start : start + CROPS_AT_ONCE])
        ]
        return {"poses": poses, "whole_image": whole}

    @torch.no_grad()
    def _poses(self, image: np.ndarray, boxes: np.ndarray) -> Iterator[dict[str, Any]]:
        geometry, aligned = self._geometry, self._card["aligned"]
        size = (self._card["input_size"][0], self._card["input_size"][1])
        views = [geometry.box_to_view(box, size, aligned) for box in boxes]
        matrices = [geometry.view_matrix(view, size, aligned) for view in views]
        crops = np.stack([geometry.crop(image, matrix, size) for matrix in matrices])
        points, scores = (part.numpy() for part in self._graph(torch.from_numpy(crops)))
        for box, matrix, found, certain in zip(boxes, matrices, points, scores, strict=True):
            points_image = geometry.move(geometry.invert(matrix), found.astype(np.float64))
            yield self._pose(box, points_image, certain.astype(np.float64))

    @torch.no_grad()
    def _people(self, image: np.ndarray) -> Iterator[dict[str, Any]]:
        """Bottom-up: everyone in the image, best first; a box spans the keypoints found."""
        codec, size, scales = self._codec, min(self._card["input_size"]), self._card["scales"]
        fed, to_image = codec.resize(image, size, 1.0, min(scales))
        others = (codec.resize(image, size, s, min(scales))[0] for s in scales if s != 1.0)
        plain, mirrored = [], []
        for shown in (fed, *others):
            painted = self._graph(torch.from_numpy(shown[None]))
            plain.append(painted[: len(painted) // 2])
            mirrored.append(codec.mirror(painted[len(painted) // 2 :], self._skeleton))
        passes = [*plain, *mirrored] if self._card["flip_test"] else plain
        stages = codec.merge(*passes) if len(passes) > 1 else passes[0]
        found = codec.decode(stages, (fed.shape[1], fed.shape[0]))
        for n in torch.argsort(found.pose_scores, descending=True, stable=True).tolist():
            points = self._geometry.move(to_image, found.keypoints_input[n].double().numpy())
            scores = found.scores[n].double().numpy()
            seen = points[scores > 0] if (scores > 0).any() else points
            low, high = seen.min(axis=0), seen.max(axis=0)
            yield {
                "keypoints": np.column_stack([points, scores]).tolist(),
                "score": float(found.pose_scores[n]),
                "box": [*low.tolist(), *(high - low).tolist()],
            }

    def _pose(self, box: np.ndarray, points: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
        """The person's score: mean of those of keypoints above the threshold, as in evaluation."""
        sure = scores[scores > self._card["keypoint_threshold"]]
        return {
            "keypoints": np.column_stack([points, scores]).tolist(),
            "score": float(sure.mean()) if len(sure) else 0.0,
            "box": box.tolist(),
        }


def _rows(given: Any) -> list[dict[str, Any]]:
    """A DataFrame, a list of dicts, or one dict (of one image, or of lists of them) -> rows."""
    if isinstance(given, pd.DataFrame):
        rows = given.to_dict("records")
    elif isinstance(given, dict):
        rows = _columns_to_rows(given) if _holds_several(given.get("image")) else [given]
    else:
        rows = list(given) if isinstance(given, list | tuple | np.ndarray) else []
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            f"given {type(given).__name__} without an image in it; accepted: a DataFrame or a list "
            'of {"image": ..., "boxes": [[x, y, w, h], ...]}, boxes optional'
        )
    return rows


def _holds_several(image: Any) -> bool:
    """Whether a dict's `image` is a list of images and not one."""
    if isinstance(image, np.ndarray):
        return image.ndim == 4 or (image.ndim == 1 and image.dtype.kind in "OUS")
    if not isinstance(image, list) or not image:
        return False
    first = image[0]
    return isinstance(first, str | bytes) or (np.ndim(first) == 3)


def _columns_to_rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    images = list(columns["image"])
    boxes = columns.get("boxes")
    boxes = [None] * len(images) if boxes is None else list(boxes)
    if len(boxes) != len(images):
        raise ValueError(f"boxes: given {len(boxes)} lists for {len(images)} images; accepted: one "
                         "list of boxes per image")  # fmt: skip
    rest = set(columns) - {"image", "boxes"}
    pairs = zip(images, boxes, strict=True)
    return [{"image": i, "boxes": b, **dict.fromkeys(rest)} for i, b in pairs]


def _read_row(row: dict[str, Any], where: str) -> tuple[np.ndarray, np.ndarray | None]:
    if unknown := sorted(set(map(str, row)) - {"image", "boxes"}):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; accepted: image, boxes")
    if "image" not in row:
        raise ValueError(f"{where}: no `image`; accepted: {ACCEPTED}")
    return _read_image(row["image"], f"{where}: image"), _read_boxes(row.get("boxes"), where)


def _read_image(given: Any, where: str) -> np.ndarray:
    """uint8 [H, W, 3] RGB."""
    if isinstance(given, np.ndarray) and given.ndim == 0:  # MLflow's server wraps text
        given = given.item()
    if isinstance(given, str):
        given = _from_base64(given, where)
    if isinstance(given, bytes | bytearray | memoryview):
        return _from_bytes(bytes(given), where)
    try:
        image = np.asarray(given)
        if image.dtype == object:  # a column of a DataFrame: lists of lists
            image = np.array(image.tolist())
    except ValueError as error:
        raise ValueError(f"{where}: rows of unequal length; accepted: {ACCEPTED}") from error
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape or image.dtype.kind not in "uif":
        what = f"{type(given).__name__} of shape {list(image.shape)}"
        raise ValueError(f"{where}: given {what}, accepted: {ACCEPTED}")
    with np.errstate(invalid="ignore"):
        whole = image.astype(np.uint8)
    if not np.array_equal(whole, image):
        raise ValueError(f"{where}: has values other than whole numbers 0 to 255")
    return np.ascontiguousarray(whole)


def _from_base64(text: str, where: str) -> bytes:
    body = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        raise ValueError(f"{where}: text {shown!r} is not base64; accepted: {ACCEPTED}") from error


def _from_bytes(content: bytes, where: str) -> np.ndarray:
    image = None
    if content:
        try:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), READ)
        except cv2.error as error:
            raise ValueError(f"{where}: no readable image: {error}") from error
    if image is None:
        raise ValueError(f"{where}: {len(content)} bytes that are no image; accepted: {ACCEPTED}")
    return image


def _read_boxes(given: Any, where: str) -> np.ndarray | None:
    """float64 [N, 4] (x, y, w, h), or None where none are given."""
    if given is None or (isinstance(given, float) and np.isnan(given)):  # a gap in a DataFrame
        return None
    shape = "[[x, y, width, height], ...] in image pixels"
    try:
        boxes = np.array([list(box) for box in given], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: boxes: given {given!r}, accepted: {shape}") from error
    if boxes.shape == (0,):
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{where}: boxes of shape {list(boxes.shape)}; accepted: {shape}")
    bad = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] <= 0).any(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"{where}: boxes[{row}]: given {boxes[row].tolist()}; accepted: finite "
                         "numbers, width and height above 0")  # fmt: skip
    return boxes


def _load_file(path: Path) -> ModuleType:
    """A Python file under a name of its own: two versions in one process keep apart."""
    name = f"limber_geometry_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def _load_codec(folder: Path, card: dict[str, Any]) -> tuple[Any, Any]:
    """(codec, skeleton) from the code that travelled; its package is named after its content."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    place = card["codec"]
    codec = getattr(importlib.import_module(place["module"]), place["class"])(**place["options"])
    skeletons = importlib.import_module(f"{place['package']}.ground.skeleton")
    return codec, skeletons.load_skeleton(card["skeleton"]["name"])


set_model(PoseModel())
