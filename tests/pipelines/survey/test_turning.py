"""Labels of a stored photo lie on the same pixels of the photo as it is seen."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from data.datasets.formats.labels import LabelledImage, LabelledPerson
from pipelines.survey.turning import turned

POINTS = ((1, 2), (6, 3), (0, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_keypoints_and_boxes_stay_on_their_pixels(orientation: int) -> None:
    """A photo of 8 x 5 whose labelled pixels have grey values of their own, turned by Pillow."""
    grey = np.zeros((5, 8), np.uint8)
    grey[1:3, 2:6] = 100  # the box
    for n, (x, y) in enumerate(POINTS, 1):
        grey[y, x] = n
    exif, file = Image.Exif(), BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(grey).save(file, "png", exif=exif)
    seen = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    someone = LabelledPerson(np.array(POINTS, float), np.full(3, 2), (2.0, 1.0, 4.0, 2.0))
    image = turned(LabelledImage("a.png", 8, 5, (someone,)), orientation)
    assert (image.height, image.width) == seen.shape
    person = image.people[0]
    found = [seen[int(y), int(x)] for x, y in person.keypoints_image]
    assert found == [1, 2, 3]
    assert person.box_image is not None
    x, y, width, height = map(int, person.box_image)
    assert (seen[y : y + height, x : x + width] == 100).all() and width * height == 8
