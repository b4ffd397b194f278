"""Whether a photo may be decoded at half its size, by JPEG's own scaling, where a view of the whole
image is at most half as large: how many views that concerns, what it saves, how far pixels differ.

    python -m benchmarks.scaled_decoding [--images FOLDER] [--rounds 5]

FOLDER has COCO's layout; without it $LIMBER_REAL_DATA/coco_mini. OpenCV decodes at 1/2, 1/4 and 1/8
alone. Views are those of `whole_image_speed`: 512x512 of whole images, 368x368 around a person; and
640x640. One thread, CPU time; the sides take turns.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.quiet import asked_of_photos, measured, ratios, told, wait_for_quiet
from benchmarks.whole_image_speed import LIMBS, TAGS, Case, Row, rows_of
from data.views.geometry import View, view_matrix

NEEDS_REAL_DATA = True  # see `page.py`
CASES = (TAGS, replace(TAGS, name="associative embedding", size=(640, 640)), LIMBS)
HALF = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5], [0.0, 0.0, 1.0]])  # its pixels in the photo's
WHOLE, SMALLER = cv2.IMREAD_COLOR, cv2.IMREAD_REDUCED_COLOR_2


@dataclass(frozen=True)
class Pair:
    """A photo and a view of it that is at most half as large."""

    path: str
    matrix: np.ndarray  # [2, 3], the photo's pixels to the view's
    size: tuple[int, int]

    def view(self, how: int) -> np.ndarray:
        """uint8 [h, w, 3] from the photo decoded so."""
        image = cv2.imread(self.path, how | cv2.IMREAD_IGNORE_ORIENTATION)
        matrix = self.matrix if how == WHOLE else self.matrix @ HALF
        return np.asarray(cv2.warpAffine(image, matrix, self.size))


def pixels_of_view(view: View, size: tuple[int, int]) -> float:
    """Of the view for one of the photo: 0.5 or less may come from a photo of half the size."""
    return size[0] / view.size[0]


def found(case: Case, rows: Sequence[Row], epochs: int) -> tuple[list[float], list[Pair]]:
    """(the scale of every view, those that half a photo would do for)."""
    scales, pairs = [], []
    for epoch in range(epochs):
        for row in rows:
            view = row.view(epoch)
            scales.append(pixels_of_view(view, case.size))
            if scales[-1] <= 0.5:
                matrix = view_matrix(view, case.size, aligned=False)
                pairs.append(Pair(str(row.sample.image_path), matrix, case.size))
    return scales, pairs


def report(case: Case, rows: Sequence[Row], rounds: int) -> None:
    scales, pairs = found(case, rows, rounds)
    share = len(pairs) / len(scales)
    spread = ", ".join(f"{each:.2f}" for each in np.quantile(scales, (0, 0.25, 0.5, 0.75, 1)))
    print(f"{case.name}, {case.size[0]}x{case.size[1]}: {len(scales)} views, scale (least, "
          f"quartiles, most) {spread}; {share:.0%} at most half as large")  # fmt: skip
    if not pairs:
        return

    def side(how: int) -> Callable[[int], None]:
        return lambda _: [pair.view(how) for pair in pairs] and None

    spent = measured({"whole": side(WHOLE), "half": side(SMALLER)}, rounds=1)
    away = [np.abs(p.view(WHOLE).astype(int) - p.view(SMALLER).astype(int)) for p in pairs]
    whole, half = ([1000 * each / len(pairs) for each in spent[name]] for name in ("whole", "half"))
    print(f"  decoding and warping {told(whole)} ms, from half {told(half)} ms: "
          f"{ratios(whole, half)} times as fast where it applies")  # fmt: skip
    middle = np.mean([each.mean() for each in away])
    tail = np.mean([np.quantile(each, 0.99) for each in away])
    print(f"  pixels differ by {middle:.2f} of 255 on average, 1 of 100 by {tail:.0f} or more, "
          f"{max(each.max() for each in away)} at most")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    given = asked_of_photos(__doc__, arguments)
    if given.images is None:
        print("no photos: give --images FOLDER or LIMBER_REAL_DATA=FOLDER", file=sys.stderr)
        sys.exit(2)
    cv2.setNumThreads(0)
    print(f"OpenCV {cv2.__version__}, {wait_for_quiet(given.patience)}")
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            report(case, rows_of(case, given.images, Path(folder)), given.rounds)


if __name__ == "__main__":
    main()
