"""Exported files of ours as what reads images at hand: the file alone, by onnxruntime.

Of a network of crops the graph decodes, and torch is not imported; of one that reads whole images
it paints, and the codec reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.host.onnx_session import open_session, run_session
from pipelines.prediction.crop_reader import CropReader, Cut
from pipelines.prediction.onnx_card import KEY, OnnxCard, read_onnx_card
from pipelines.prediction.reader import PoseReader

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from data.ground.codec import Codec
    from data.ground.sample import Batch, WholeBatch
    from data.ground.skeleton import Skeleton
    from pipelines.prediction.readout import Stages

INPUT, POINTS, SCORES = "images", "keypoints_input", "scores"


def onnx_card(session: InferenceSession, where: str) -> OnnxCard | None:
    """What the file says of itself; None where it is none of ours, or of before it said so."""
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    return None if text is None else read_onnx_card(text, f"{where}: metadata `{KEY}`")


def onnx_reader(
    path: Path, name: str, flip_test: bool | None = None, session: Any = None
) -> PoseReader:
    """session: what runs the file, used as one of onnxruntime is; None: such a one. Raises
    ValueError for a file that says nothing of itself, or has the flip test other than wanted."""
    session = open_session(path) if session is None else session
    card = onnx_card(session, name)
    if card is None:
        raise nothing_said(session, name)
    reader = _reader(session, card, name, file_digest(path), flip_test)
    reader.about = "" if card.coarse is None else card.coarse.told
    return reader


def _reader(
    session: InferenceSession, card: OnnxCard, name: str, digest: str, flip_test: bool | None
) -> PoseReader:
    skeleton = card.whole_skeleton(name)
    if card.multiple is not None:
        return _image_reader(session, card, name, digest, flip_test)
    if flip_test is not None and flip_test != card.flip_test:
        has, other = ("with", "without") if card.flip_test else ("without", "with")
        option = "" if card.flip_test else " --flip-test"
        do = f"`python -m pipelines.export RECIPE{option}` writes it {other}"
        raise refusal(name, fault=f"exported {has} the flip test", do=do)
    size, threshold = (card.input_size[0], card.input_size[1]), card.keypoint_threshold
    cut = Cut(size, card.aligned, threshold, card.nms_threshold)
    return CropReader(name, digest, skeleton, cut, _Crops(session, name))


def nothing_said(session: InferenceSession, name: str) -> ValueError:
    """What to do with a file that does not say what it is; one of ours is known by its outputs."""
    outputs = [each.name for each in session.get_outputs()]
    ours = [each.name for each in session.get_inputs()] == [INPUT]
    if ours and (outputs[:2] == [POINTS, SCORES] or "heatmaps_0" in outputs):
        do = "export it again (`python -m pipelines.export RECIPE`)"
        return refusal(name, fault="an export of before such files said what they are", do=do)
    accepted = "an export of ours, or a file NAME.yaml beside it that says what it is"
    fault = f"does not say how it is read (outputs {', '.join(outputs)})"
    return refusal(name, fault=fault, accepted=accepted)


class _Crops:
    """A graph that decodes, as a `CropNetwork`."""

    def __init__(self, session: InferenceSession, where: str) -> None:
        self.session, self.where = session, where

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        made = run_session(self.session, {INPUT: crops}, self.where)
        return made[POINTS], made[SCORES]


def _image_reader(
    session: InferenceSession, card: OnnxCard, name: str, digest: str, flip_test: bool | None
) -> PoseReader:
    from data.menus import CODECS
    from pipelines.prediction.image_reader import Fed, ImageReader
    from pipelines.recipe.options import check_options

    kind = CODECS.get(card.codec.name)
    if kind is None:
        accepted = ", ".join(sorted(CODECS))
        raise refusal(f"{name}: codec.name", given=card.codec.name, accepted=accepted)
    check_options(name, "codec.options", kind, card.codec.options)
    codec = kind(**card.codec.options)
    skeleton = card.whole_skeleton(name)
    fed = Fed(min(card.input_size), tuple(card.scales), card.keypoint_threshold)
    flip = card.flip_test if flip_test is None else flip_test
    paint = OnnxPainting(session, card, codec, skeleton, flip, name)
    return ImageReader(name, digest, skeleton, codec, fed, paint)


class OnnxPainting:
    """A graph's fields, as what an ImageReader is given: at all scales, mirrored if wanted; of a
    graph of crops those that it decodes."""

    def __init__(
        self,
        session: InferenceSession,
        card: OnnxCard,
        codec: Codec,
        skeleton: Skeleton,
        flip_test: bool,
        where: str,
    ) -> None:
        self.session, self.card, self.codec, self.skeleton = session, card, codec, skeleton
        self.flip_test, self.where = flip_test, where

    def __call__(self, batch: Batch | WholeBatch) -> Sequence[Stages]:
        from data.ground.sample import WholeBatch
        from pipelines.prediction.readout import merge_passes

        others = batch.others if isinstance(batch, WholeBatch) else ()
        passes = [self._fields(images.numpy()) for images in (batch.images, *others)]
        mirrored = [each for _, each in passes if each]
        return [merge_passes(self.codec, self.skeleton, [each for each, _ in passes], mirrored)]

    def _fields(self, images: np.ndarray) -> tuple[Stages, Stages]:
        """Stages painted of images [B, H, W, 3], and of their mirror images (none without)."""
        made = run_session(self.session, {INPUT: images}, self.where)
        plain = self._stages(made, "")
        if not self.flip_test:
            return plain, []
        if self.card.flip_test:
            return plain, self._stages(made, "mirrored_") if self.card.multiple else []
        turned = np.ascontiguousarray(images[:, :, ::-1])
        return plain, self._stages(run_session(self.session, {INPUT: turned}, self.where), "")

    def _stages(self, made: dict[str, np.ndarray], prefix: str) -> Stages:
        import torch

        if self.card.multiple is None:
            return [{name: torch.from_numpy(made[name]) for name in self.card.stages[-1]}]
        return [
            {name: torch.from_numpy(made[f"{prefix}{name}_{n}"]) for name in stage}
            for n, stage in enumerate(self.card.stages)
        ]
