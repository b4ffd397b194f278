"""A pose network of ONNX that is none of ours, read as its sidecar says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.host.onnx_session import NUMPY, filled, open_session, run_session, signature
from pipelines.prediction.crop_reader import CropReader, Cut
from pipelines.prediction.sidecar import Sidecar, read_sidecar

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

AT_ONCE = 32
OUTPUTS = {"heatmaps": 1, "simcc": 2, "coordinates": 1}  # how many each kind is read from


def foreign_reader(path: Path, sidecar: Path, name: str, flip_test: bool | None) -> CropReader:
    """Raises ValueError where the sidecar does not fit the network, and for a flip test."""
    if flip_test:
        raise refusal(name, fault="is read once", accepted="no flip test of networks of others")
    about, skeleton = read_sidecar(sidecar)
    session = open_session(path)
    network = _Network(session, about, len(skeleton.keypoints), sidecar)
    if about.keypoints:
        network.order = [about.keypoints.index(each) for each in skeleton.keypoints]
    network(np.zeros((1, about.size[1], about.size[0], 3), np.uint8))  # refuses what does not fit
    crop, most = about.crop, network.batch or AT_ONCE
    cut = Cut(about.size, crop.aligned, about.threshold, about.nms_threshold, crop.padding, most)
    return CropReader(name, file_digest(path), skeleton, cut, network)


class _Network:
    """A session as a `CropNetwork`; order: the skeleton's keypoints among the network's."""

    def __init__(
        self, session: InferenceSession, about: Sidecar, keypoints: int, where: Path
    ) -> None:
        self.session, self.about, self.where = session, about, where
        self.keypoints, self.order = keypoints, list(range(keypoints))
        given = session.get_inputs()
        if len(given) != 1 or len(given[0].shape) != 4 or given[0].type not in NUMPY:
            raise self._misfit("one input of images is accepted")
        self.input, self.kind = given[0].name, NUMPY[given[0].type]
        first = given[0].shape[0]
        self.batch = first if isinstance(first, int) else None
        if not (np.issubdtype(self.kind, np.floating) or about.pixels.as_they_are):
            fault = f"{signature(session)} takes whole numbers, pixels as they are"
            raise refusal(f"{where}: pixels.mean, pixels.std", fault=fault, do="leave them out")
        self._check_sides(given[0].shape)
        self.outputs = self._chosen()
        self.decode = DECODES[about.output.kind]

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = len(crops)
        if self.batch and count < self.batch:  # it takes that many and no fewer
            crops = filled(crops, self.batch)
        made = run_session(self.session, {self.input: self._fed(crops)}, self.where)
        outputs = [np.asarray(made[name]) for name in self.outputs]
        if any(each.shape[:1] != (len(crops),) for each in outputs):
            raise self._misfit(f"outputs of {[list(each.shape) for each in outputs]}")
        points, scores = self.decode([each[:count] for each in outputs], self)
        usable = np.isfinite(points).all(-1) & np.isfinite(scores)
        points, scores = np.where(usable[..., None], points, 0.0), np.where(usable, scores, 0.0)
        return points[:, self.order], scores[:, self.order].astype(np.float32)

    def _fed(self, crops: np.ndarray) -> np.ndarray:
        pixels = self.about.pixels
        shown = crops[..., ::-1] if pixels.colour == "bgr" else crops
        if np.issubdtype(self.kind, np.floating):
            mean, std = np.array(pixels.mean, np.float32), np.array(pixels.std, np.float32)
            shown = (shown.astype(np.float32) - mean) / std
        shown = shown.transpose(0, 3, 1, 2) if pixels.layout == "nchw" else shown
        return np.ascontiguousarray(shown, dtype=self.kind)

    def _check_sides(self, shape: list[object]) -> None:
        width, height = self.about.size
        sides = [3, height, width] if self.about.pixels.layout == "nchw" else [height, width, 3]
        if any(isinstance(own, int) and own != s for s, own in zip(sides, shape[1:], strict=True)):
            raise self._misfit(f"input_size and pixels.layout make {sides} of an image")

    def _chosen(self) -> list[str]:
        names, there = self.about.output.names, [each.name for each in self.session.get_outputs()]
        chosen, kind = names or there, self.about.output.kind
        if not set(chosen) <= set(there) or len(chosen) != OUTPUTS[kind]:
            raise self._misfit(f"kind {kind} is read from {OUTPUTS[kind]} of them: output.names")
        return chosen

    def _misfit(self, fault: str) -> ValueError:
        return refusal(self.where, fault=f"does not fit {signature(self.session)}: {fault}")

    def expect(self, shape: tuple[int, ...], output: np.ndarray) -> None:
        """Raises ValueError where an output without its batch has another shape; -1: any."""
        own = output.shape[1:]
        if len(own) != len(shape) or any(-1 != s != o for s, o in zip(shape, own, strict=True)):
            told = f"{self.about.output.kind} of {self.keypoints} keypoints are {list(shape)}"
            raise self._misfit(f"given {list(own)}, {told}")


def _heatmaps(outputs: list[np.ndarray], network: _Network) -> tuple[np.ndarray, np.ndarray]:
    """By the codec of this house; the only kind that needs torch."""
    import torch

    from data.codecs.heatmap import HeatmapCodec

    about, output = network.about, network.about.output
    network.expect((network.keypoints, -1, -1), outputs[0])
    codec = HeatmapCodec(
        unbiased=about.crop.aligned, decoding=output.decoding, blur_kernel=output.blur_kernel
    )
    fields = {"heatmaps": torch.from_numpy(outputs[0].astype(np.float32))}
    decoded = codec.decode([fields], about.size)
    return decoded.keypoints_input.numpy(), decoded.scores.numpy()


def _simcc(outputs: list[np.ndarray], network: _Network) -> tuple[np.ndarray, np.ndarray]:
    """The highest cell of each axis; the less sure axis is the score."""
    about, output = network.about, network.about.output
    points, scores = [], []
    for each, side in zip(outputs, about.size, strict=True):
        network.expect((network.keypoints, round(side * output.split)), each)
        values = _softmax(each) if output.softmax else each
        points.append(values.argmax(-1) / output.split)
        scores.append(values.max(-1))
    return np.stack(points, -1), np.minimum(*scores)


def _coordinates(outputs: list[np.ndarray], network: _Network) -> tuple[np.ndarray, np.ndarray]:
    about, output = network.about, network.about.output
    flat = outputs[0].reshape(len(outputs[0]), -1).astype(np.float64)
    if flat.shape[1] != network.keypoints * output.values:
        network.expect((network.keypoints, output.values), outputs[0])
    rows = flat.reshape(len(flat), network.keypoints, output.values)
    x, y = output.order.index("x"), output.order.index("y")
    points = rows[..., [x, y]] * (about.size if output.unit == "crop" else (1, 1))
    if output.score is None:
        return points, np.ones(points.shape[:2])
    scores = rows[..., output.score]
    return points, 1 / (1 + np.exp(-scores)) if output.logits else scores


def _softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


DECODES: dict[str, Callable[[list[np.ndarray], _Network], tuple[np.ndarray, np.ndarray]]] = {
    "heatmaps": _heatmaps,
    "simcc": _simcc,
    "coordinates": _coordinates,
}
