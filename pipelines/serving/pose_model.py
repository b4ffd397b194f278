"""The model in the registry: images in, poses out. This file travels with every version.

MLflow runs it where nothing of Limber is installed, beside `graph.pt2` (the exported network; of
crops with its codec), `card.json`, and `code/`: the very code that cuts crops and reads poses where
a recipe is evaluated, and of networks that read whole images the codec's, as grouping is no graph.
Files that are not those which were registered are refused, and a graph that holds more than one:
all of them by the tag of the version, where MLflow brought them for a version and its registry
answers; else the artifacts by `digests.json`, and that and this file by what MLmodel says of them.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model, set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.utils.yaml_utils import read_yaml

CROPS_AT_ONCE = 32
TENSORS_ALONE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch.load's own switch, also inside of torch
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
TAG = "limber.sha256"  # of a version, and in MLmodel's metadata: {file: sha256}
WRITTEN_LATER = ("export/", "registered_model_meta")  # by `export`; by MLflow for a version
LOGIN = re.compile(r"://[^/\s]+@")  # in an address: nobody's to read
CACHES = "__pycache__"  # of Python and numba, beside the code that was run
CONSTANTS, TENSORS = "data/constants/", ("tensor_", "model_constants_config.json")


class InputError(MlflowException, ValueError):  # type: ignore[misc]
    """What is wrong with the input, in a sentence: HTTP 400 where MLflow serves the model."""

    def __init__(self, message: str) -> None:
        super().__init__(message, INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """As it was first: MLflow's server puts all of the input before it."""
        return self._message

    @message.setter
    def message(self, message: str) -> None:
        if "_message" not in vars(self):
            self._message = message


class PoseModel(PythonModel):  # type: ignore[misc]
    """Poses of images: top-down in boxes, without boxes the whole image is one; or bottom-up."""

    def load_context(self, context: PythonModelContext) -> None:
        files = {name: Path(place) for name, place in context.artifacts.items()}
        if "digests" not in files:
            raise _unlike(next(iter(files.values())).parent, "MLmodel names no digests")
        _check_files(files["digests"])
        _check_model(files["digests"].parent.parent)
        self._card = json.loads(files["card"].read_text())
        self._graph = _load_graph(files["graph"])
        self._code = _Code(files["code"], self._card["code"]["package"])
        self._geometry = self._code.module("data.views.geometry")
        self._readout = self._code.module("pipelines.prediction.readout")
        self._input = self._code.module("pipelines.serving.model_input")
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
        rows = _refusing(self._input.rows_of, model_input)
        return [
            self._answer(*_refusing(self._read_row, row, f"image {i}"))
            for i, row in enumerate(rows)
        ]

    def _read_row(self, row: dict[str, Any], where: str) -> tuple[np.ndarray, np.ndarray | None]:
        image, boxes = self._input.read_row(row, where)
        if self._codec is not None and boxes is not None:
            why = "this model finds everyone in the whole image itself"
            raise ValueError(f"{where}: boxes: {why}; accepted: images without boxes")
        return image, boxes

    def _answer(self, image: np.ndarray, boxes: np.ndarray | None) -> dict[str, Any]:
        if self._codec is not None:
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


def _check_files(digests: Path) -> None:
    """Raises MlflowException for a file beside `digests` that differs, is gone or was added.

    digests: {file: sha256} as json. What caches hold is not read: they are removed.
    """
    folder = digests.parent
    for cache in [each for each in folder.rglob(CACHES) if each.is_dir()]:
        shutil.rmtree(cache)
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path != digests and CACHES not in path.parts
    }
    told = json.loads(digests.read_text())
    if wrong := sorted(n for n in found.keys() | told.keys() if found.get(n) != told.get(n)):
        raise _unlike(folder, f"{wrong[0]} is not what was registered ({len(wrong)} such files)")


def _unlike(folder: Path, fault: str) -> MlflowException:
    return MlflowException(f"{folder}: {fault}; not loaded", INVALID_PARAMETER_VALUE)


def _check_model(folder: Path) -> None:
    """Raises MlflowException for a model's folder whose files differ from what its version's tag
    tells of all of them; where no registry answers, from what MLmodel does of some."""
    told = _told_by_registry(folder)
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    names = {name for name, path in found.items() if path.is_file() and CACHES not in path.parts}
    names = {name for name in names if not name.startswith(WRITTEN_LATER)}
    if told is None:
        try:
            told = dict((Model.load(str(folder)).metadata or {})[TAG])
        except (KeyError, TypeError, ValueError, OSError, MlflowException) as error:
            raise _unlike(folder, "MLmodel does not tell the digests of its files") from error
        names &= told.keys()
    digests = {name: hashlib.sha256(found[name].read_bytes()).hexdigest() for name in names}
    if wrong := sorted(n for n in names | told.keys() if digests.get(n) != told.get(n)):
        raise _unlike(folder, f"{wrong[0]} is not what was registered ({len(wrong)} such files)")


def _told_by_registry(folder: Path) -> dict[str, str] | None:
    """{file: sha256} of the version that MLflow brought `folder` for; None, and a line, where it
    was not brought for one, or no registry tells of it."""
    uri, meta = mlflow.get_registry_uri(), WRITTEN_LATER[1]
    version = read_yaml(str(folder), meta) if (folder / meta).is_file() else None
    if not version or not version.get("model_name"):
        return None
    before = os.environ.get(RETRIES)
    os.environ[RETRIES] = "1"
    try:
        if (file := uri.partition("sqlite:///")[2]) and not Path(file).is_file():
            raise ValueError("no database is there")  # which asking would make
        kept = mlflow.MlflowClient(uri, uri).get_model_version(
            version["model_name"], str(version["model_version"])
        )
        return dict(json.loads(kept.tags[TAG]))
    except Exception as error:  # noqa: BLE001 - whatever a server or its lack makes of it
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        said = f"{folder}: held against its own digests alone, {uri} does not tell them ({why})"
        print(LOGIN.sub("://***@", said), file=sys.stderr, flush=True)
        return None
    finally:
        os.environ.pop(RETRIES)
        os.environ.update({RETRIES: before} if before else {})


def _load_graph(path: Path) -> Any:
    """The exported network. Raises MlflowException where it holds more than tensors and a graph.

    torch.export.load itself would unpickle such, running what it asks for.
    """
    names = [str(name) for name in torch._C.PyTorchFileReader(str(path)).get_all_records()]
    constants = [name.partition(CONSTANTS)[2] for name in names if CONSTANTS in name]
    if strange := [name for name in constants if not name.startswith(TENSORS)]:
        fault = f"holds {strange[0]}, which loading would run as code"
        raise MlflowException(f"{path}: {fault}; not loaded", INVALID_PARAMETER_VALUE)
    before = os.environ.get(TENSORS_ALONE)
    os.environ[TENSORS_ALONE] = "1"
    try:
        return torch.export.load(path).module()
    except Exception as error:
        fault = "is damaged, or holds what would have to be run as code"
        raise MlflowException(f"{path}: {fault}; not loaded", INVALID_PARAMETER_VALUE) from error
    finally:
        os.environ.pop(TENSORS_ALONE)
        os.environ.update({TENSORS_ALONE: before} if before else {})


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


def _refusing(read: Callable[..., Any], *given: Any) -> Any:
    """What reads the input, its ValueError as one that is served in its own words."""
    try:
        return read(*given)
    except ValueError as error:
        raise InputError(str(error)) from error


set_model(PoseModel())
