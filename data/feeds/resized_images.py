"""Whole images for prediction: each at its own input size, at one scale or at several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from data.feeds.whole_images import KEEP_STRIDE, WholeItem
from data.files.images import read_image
from data.ground.resize import Resize


class ResizedDataset(Dataset[WholeItem]):
    """Images as a codec's `resize` feeds them, items without people; `others`: at other scales.

    scales: of `size`, 1.0 among them, each a whole multiple of the smallest; the item itself is
    the image at 1.0, to which `to_image` belongs.
    """

    def __init__(
        self,
        image_paths: Sequence[Path | str],
        resize: Resize,
        size: int,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        self.image_paths = [str(path) for path in image_paths]
        self.resize, self.size = resize, size
        self.scales = list(scales)

    def __len__(self) -> int:
        return len(self.image_paths)

    def __getitem__(self, row: int) -> WholeItem:
        whole = read_image(self.image_paths[row])
        image, others, to_image = self.resize.at_scales(whole, self.size, self.scales)
        height, width = image.shape[:2]
        keep = np.ones((height // KEEP_STRIDE, width // KEEP_STRIDE), dtype=np.uint8)
        nobody, unseen = np.zeros((0, 0, 2), dtype=np.float32), np.zeros((0, 0), dtype=np.int64)
        return WholeItem(image, nobody, unseen, keep, row, to_image, tuple(others))
