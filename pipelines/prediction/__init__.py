"""Images to poses, written once: for validation, evaluation, ceiling, exports, the served model.

In: images (and people in boxes), a network or the truth, a codec. Out: poses by image; images at
hand have readers (`named.open_reader`), and `Predictor` answers for photos and videos. May import
host, recipe, intake, tracking, motion, media, detection. A change re-trains and evaluates all
recipes; in crop_feed or image_feed, those that are fed so; in readers and what they serve, nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.prediction.api import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:
    """`Predictor`, loaded when it is asked for: who reads a room's file pays for no other."""
    if name == "Predictor":
        from pipelines.prediction.api import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
