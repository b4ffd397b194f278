"""A video of drawn people, for who has none at hand; who is where in it is known."""

from __future__ import annotations

from pathlib import Path

from data.datasets.sources.stick_clip import stick_clip
from data.ground.sample import Pose
from pipelines.media.film import Film


def draw_clip(
    path: Path,
    *,
    seconds: float = 3.0,
    seed: int = 1,
    size: tuple[int, int] = (640, 480),
    fps: float = 25.0,
) -> list[list[Pose]]:
    """Writes an mp4 (H.264), whole or not at all; the true poses of each frame, whose ids stay.

    size: (width, height). OSError or av.error.FFmpegError where it cannot be written.
    """
    film, truth = Film(path, size, fps, None), []
    for n, (image, poses) in enumerate(stick_clip(seconds=seconds, seed=seed, size=size, fps=fps)):
        film.add(image, n / fps)
        truth.append(poses)
    film.close()
    return truth
