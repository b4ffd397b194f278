"""What reads poses of images at hand, whatever network it is: trained here, registered, ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from data.ground.sample import Pose
from data.ground.skeleton import Skeleton


class People(NamedTuple):
    """Whom to read in one image: box_image float64 [N, 4] (x, y, w, h), score [N] of the boxes."""

    box_image: np.ndarray
    score: np.ndarray


class PoseReader(Protocol):
    """A pose network with all that reading needs.

    name: as it was asked for; digest: of its weights; needs_boxes: False where it finds everyone
    itself (bottom-up); threshold: keypoints of a score up to it are not drawn; about: what else its
    user should know, "" for nothing.
    """

    name: str
    digest: str
    skeleton: Skeleton
    needs_boxes: bool
    threshold: float
    about: str = ""

    def read(
        self, images: Sequence[np.ndarray], people: Sequence[People] | None
    ) -> list[list[Pose]]:
        """Poses of each image (uint8 [H, W, 3] RGB, any sizes), best first, in image pixels.

        people: of each image, None where the network finds everyone itself. Scored, and doubles
        left out, as evaluation does it; box_image is the box that a pose was read from, or spans
        its keypoints; keypoint_scores [K].
        """
