"""Images that a network learnt from, as it is fed with them: what calibration sees."""

from __future__ import annotations

import numpy as np

from data.ground.refusal import refusal
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.split import split_feed, split_place
from pipelines.prediction.trained import Trained


def training_samples(trained: Trained, most: int) -> list[np.ndarray]:
    """Up to `most` crops or whole images of the training split, evenly spaced, uint8 [1, H, W, 3]
    each, not augmented. Raises ValueError where nobody is in it."""
    recipe, codec, place = trained.recipe, trained.codec, split_place(trained.recipe)
    place = SplitPlace(place.prepared, place.raw, recipe.evaluation.train_split)
    folder = place.prepared / place.split
    if not folder.is_dir():
        do = f"run `python -m pipelines.prepare {recipe.dataset}`: ranges are found on its images"
        raise refusal(folder, fault="no such folder", do=do)
    people = None
    if not codec.whole_image:
        people = truth_boxes(place.prepared, place.split, codec.aligned)
    feed = split_feed(recipe, codec, place, people)
    count = len(feed.ids)
    rows = sorted({n * count // most for n in range(most)}) if count else []
    if not rows:
        raise refusal(folder, fault="nobody in it to find ranges on")
    return [batch.images.numpy() for batch in feed.batches([[row] for row in rows])]
