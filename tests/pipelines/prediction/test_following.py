"""Ids stay with people of a real video: a detector and a pose network as a user calls them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.prediction.api import Predictor
from tests.worlds.sidecars import MOVENET_THUNDER

LARGE = 115  # pixels: people that NanoDet finds in each of the five frames


@pytest.mark.contract
def test_people_of_a_real_video_keep_their_ids(real_data: Path) -> None:
    """Five frames a fifth of a second apart, from a hand that shakes; who is large stays in all."""
    weights = real_data / "weights"
    (weights / "movenet-thunder.yaml").write_text(MOVENET_THUNDER)
    network, detector = weights / "movenet-thunder.onnx", weights / "nanodet.onnx"
    predictor = Predictor(str(network), detector=str(detector), box_score=0.45)
    answers = list(predictor.stream(str(real_data / "clips" / "people.mp4")))
    assert len(answers) == 5
    places: dict[int, list[np.ndarray]] = {}
    for answer in answers:
        ids = [person.id for person in answer.people if person.id]
        assert len(ids) == len(set(ids))
        for person in answer.people:
            x, y, width, height = person.box_image
            if person.id and height > LARGE:
                places.setdefault(person.id, []).append(np.array([x + width / 2, y + height / 2]))
    always = [np.stack(found) for found in places.values() if len(found) == 5]
    assert len(always) >= 4
    for found in always:
        assert np.linalg.norm(np.diff(found, axis=0), axis=1).max() < 40
