"""What a network is fed: where the image lies, what is around it, order and scale of channels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipelines.detection.feeding import BGR, CENTRE, CORNER, RGB, STRETCH, Feeding


@pytest.mark.parametrize(
    ("fit", "left", "top", "width", "height"),
    [(CORNER, 0, 0, 40, 20), (CENTRE, 0, 10, 40, 20), (STRETCH, 0, 0, 40, 40)],
)
@pytest.mark.parametrize("times", [1, 3])
def test_where_the_image_lies(
    fit: str, left: int, top: int, width: int, height: int, times: int
) -> None:
    image = np.full((20 * times, 40 * times, 3), 200, np.uint8)
    canvas = np.zeros((40, 40, 3), np.uint8)
    placed = Feeding(fit, 114).place(image, canvas)
    inside = np.full((40, 40, 3), 114, np.uint8)
    inside[top : top + height, left : left + width] = 200
    assert (canvas == inside).all()
    corners = np.array([[left, top, left + width, top + height]])
    assert placed.box_image(corners).tolist() == [[0, 0, 40 * times, 20 * times]]
    beyond = placed.box_image(corners + np.array([-90, -90, 90, 90]))
    assert beyond.tolist() == [[0, 0, 40 * times, 20 * times]], "cut to the image"


@pytest.mark.parametrize(("size", "fitted"), [((1, 900), (1, 40)), ((500, 333), (40, 27))])
def test_shapes_that_do_not_fit_evenly(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    """The nearest whole pixels, one at least; boxes come back by what was done."""
    width, height = size
    canvas = np.zeros((40, 40, 3), np.uint8)
    placed = Feeding(CORNER).place(np.full((height, width, 3), 9, np.uint8), canvas)
    assert (canvas[: fitted[1], : fitted[0]] == 9).all() and (canvas[fitted[1] :] == 114).all()
    assert placed.box_image(np.array([[0, 0, *fitted]])).tolist() == [[0, 0, width, height]]


@pytest.mark.parametrize(("smooth", "way"), [(True, cv2.INTER_AREA), (False, cv2.INTER_LINEAR)])
def test_how_it_is_shrunk(smooth: bool, way: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    canvas = np.zeros((40, 40, 3), np.uint8)
    Feeding(STRETCH, smooth=smooth).place(image, canvas)
    assert (canvas == cv2.resize(image, (40, 40), interpolation=way)).all()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("colour", [RGB, BGR])
def test_order_and_scale_of_channels(colour: str, first: bool) -> None:
    """mean and std are of the channels as they are fed."""
    canvases = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    feeding = Feeding(CORNER, 0, colour, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    ordered = canvases[..., ::-1] if colour == BGR else canvases
    expected = (ordered.astype(np.float64) - [1, 2, 3]) / [4, 5, 6]
    expected = expected.transpose(0, 3, 1, 2) if first else expected
    fed = feeding.fed(canvases, np.float32, first)
    assert fed.dtype == np.float32 and fed.flags.c_contiguous
    assert np.allclose(fed, expected, atol=1e-5)
    whole = feeding.fed(canvases, np.uint8, first)
    assert (whole == (ordered.transpose(0, 3, 1, 2) if first else ordered)).all()
