"""An exported file of ONNX scored as its recipe's evaluation scores the network that it is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from data.menus import EVALUATORS
from pipelines.evaluation.scoring import score_poses
from pipelines.host.onnx_session import open_session
from pipelines.host.progress import watched
from pipelines.intake.prepared import image_files
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.feeds import feed_kind
from pipelines.prediction.onnx_reader import OnnxPainting, nothing_said, onnx_card
from pipelines.prediction.predictor import read_batches
from pipelines.prediction.reading import trained_feed
from pipelines.prediction.split import split_place
from pipelines.prediction.trained import Trained
from pipelines.recipe.datasets import data_set


@dataclass(frozen=True)
class Scored:
    """metric: the evaluator's main number with its protocol, `AP@gt`; images: of the split."""

    metric: str
    value: float
    images: int

    @property
    def told(self) -> str:
        return f"{self.metric} {self.value:.3f} ({self.images:,} images)"


@torch.inference_mode()
def score_onnx(trained: Trained, path: Path) -> Scored:
    """Of the labelled people of the split, or of whole images; flip test and scales as the recipe's
    evaluation has them. Raises ValueError for a file that does not say what it is."""
    recipe, place, skeleton = trained.recipe, split_place(trained.recipe), trained.skeleton
    truth = data_set(recipe.dataset).truth(place.raw, place.split)
    files = image_files(place.prepared, place.raw, place.split)
    whole, kind = trained.codec.whole_image, feed_kind(trained.codec)
    boxes = None if whole else truth_boxes(place.prepared, place.split, trained.codec.aligned)
    feed = trained_feed(trained, boxes, files)
    session = open_session(path)
    card = onnx_card(session, path.name)
    if card is None:
        raise nothing_said(session, path.name)
    flip = card.flip_test or recipe.evaluation.flip_test
    paint = OnnxPainting(session, card, trained.codec, skeleton, flip, path.name)
    batches = watched(feed.batches(feed.groups(feed.most["cpu"])), len(feed.ids))
    poses = feed.poses(read_batches(batches, paint, trained.codec, skeleton, modes=1)[0])
    judge = EVALUATORS[recipe.evaluation.evaluator]
    result = score_poses(recipe.evaluation.evaluator, skeleton, poses, truth).result()
    return Scored(f"{judge.main}@{kind.protocol}", float(result[judge.main]), len(truth))
