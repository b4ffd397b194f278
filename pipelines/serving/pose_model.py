"""The model in the registry: images in, poses out. This file travels with every version.

MLflow runs it where nothing of Limber is installed, beside `graph.pt2` (the exported network; of
crops with its codec), `card.json`, and `code/`: the very code that cuts crops and reads poses where
a recipe is evaluated, and of networks that read whole images the codec's, as grouping is no graph.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import sys
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
        self._graph = torch.export.load(files["graph"]).module()
        self._code = _Code(files["code"], self._card["code"]["package"])
        self._geometry = self._code.module("data.views.geometry")
        self._readout = self._code.module("pipelines.prediction.readout")
        self._codec = self._code.codec(self._card["code"]["codec"])  # None: it is in the graph
        skeletons = self._code.module("data.ground.skeleton")
        self._skeleton = skeletons.load_skeleton(self._card["skeleton"]["name"])

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
                why = "this model finds everyone in the whole image itself"
                raise ValueError(f"boxes: {why}; accepted: images without boxes")
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
        """Top-down: one pose per box, scored as in evaluation; a box's own score counts as 1."""
        size = (self._card["input_size"][0], self._card["input_size"][1])
        cut = [self._geometry.cut_box(image, box, size, self._card["aligned"]) for box in boxes]
        crops, to_image = (np.stack(parts) for parts in zip(*cut, strict=True))
        rows = torch.arange(len(boxes))
        points, scores = self._graph(torch.from_numpy(crops))
        decoded = self._code.module("data.ground.sample").Decoded(points, scores, rows)
        poses = self._readout.in_image(decoded, torch.from_numpy(to_image), rows)
        threshold = self._card["keypoint_threshold"]
        sure = self._readout.person_scores(poses.scores, np.ones(len(boxes)), threshold)
        for row, box in enumerate(boxes):
            yield _pose(poses, row, float(sure[row]), box.tolist())

    @torch.no_grad()
    def _people(self, image: np.ndarray) -> Iterator[dict[str, Any]]:
        """Bottom-up: everyone in the image, best first; a box spans the keypoints found."""
        codec, readout, size = self._codec, self._readout, min(self._card["input_size"])
        shown, others, to_image = codec.resize.at_scales(image, size, self._card["scales"])
        passes = [self._fields(each) for each in (shown, *others)]
        plain, mirrored = [each[0] for each in passes], [each[1] for each in passes if each[1]]
        stages = readout.merge_passes(codec, self._skeleton, plain, mirrored)
        decoded = codec.decode(stages, (shown.shape[1], shown.shape[0]))
        one = torch.from_numpy(to_image[None])
        poses = readout.in_image(decoded, one, torch.zeros(1, dtype=torch.int64))
        for row in readout.best_first(poses):
            box = readout.span(poses.keypoints_image[row], poses.scores[row])
            yield _pose(poses, row, float(poses.pose_scores[row]), list(box))

    def _fields(self, image: np.ndarray) -> list[list[dict[str, torch.Tensor]]]:
        """Stages painted of the image, and of its mirror (without flip test: none)."""
        painted = iter(self._graph(torch.from_numpy(image[None])))
        stages: list[list[str]] = self._card["stages"]
        mirrored = stages if self._card["flip_test"] else []
        return [[{name: next(painted) for name in s} for s in of] for of in (stages, mirrored)]


def _pose(poses: Any, row: int, score: float, box: list[float]) -> dict[str, Any]:
    columns = np.column_stack([poses.keypoints_image[row], poses.scores[row]]).astype(np.float64)
    return {"keypoints": columns.tolist(), "score": score, "box": box}


class _Code:
    """The code that travelled: a package named after its content; two versions keep apart."""

    def __init__(self, folder: Path, package: str) -> None:
        self._package = package
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))

    def module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{self._package}.{name}")

    def codec(self, place: dict[str, Any] | None) -> Any:
        """The codec that the card names, or None."""
        if place is None:
            return None
        return getattr(self.module(place["module"]), place["class"])(**place["options"])


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
        counts = f"given {len(boxes)} lists for {len(images)} images"
        raise ValueError(f"boxes: {counts}; accepted: one list of boxes per image")
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
        bound = "finite numbers, width and height above 0"
        raise ValueError(f"{where}: boxes[{row}]: given {boxes[row].tolist()}; accepted: {bound}")
    return boxes


set_model(PoseModel())
