"""Images are opened once each, by processes where there are many; what passes, training reads."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data.datasets.coco import Coco
from data.datasets.stick_figures import draw_split
from data.files.images import RowReader, as_seen, read_image
from pipelines.host import places
from pipelines.intake.image_check import Told, check_image, check_images

WIDTH, HEIGHT = 60, 40


@pytest.mark.contract
def test_many_images_are_checked_by_processes_in_order(home: Path) -> None:
    raw = places.raw("coco")
    draw_split(raw, "train", 6, seed=1)
    told = [Told(str(s.image_path), s.width, s.height) for s in Coco().samples(raw, "train")]
    told.insert(3, Told("nowhere.jpg", 1, 1))
    answers = list(check_images(iter(told), "check", workers=2))
    assert answers == [check_image(one) for one in told]
    assert [a.fault for a in answers].index("image missing") == 3


def picture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT // 4, WIDTH // 4, 3))
    return Image.fromarray(cv2.resize(noise.astype(np.uint8), (WIDTH, HEIGHT)))


def grey(dtype: type, factor: int) -> Image.Image:
    return Image.fromarray(np.asarray(picture().convert("L")).astype(dtype) * factor)


FILES: dict[str, tuple[Image.Image, str, str]] = {  # name -> picture, format, its fault
    **{f"{kind} as it is": (picture(), kind, "") for kind in ("JPEG", "PNG", "BMP", "WEBP", "GIF",
                                                              "TIFF", "PPM")},
    "progressive": (picture().convert("L"), "JPEG", ""),
    "cmyk": (picture().convert("CMYK"), "JPEG", ""),
    "palette": (picture().convert("P"), "PNG", ""),
    "bits": (picture().convert("1"), "PNG", ""),
    "alpha": (picture().convert("RGBA"), "PNG", ""),
    **{kind: (picture(), kind, f"{kind} (RGB) is not read in training")
       for kind in ("TGA", "PCX", "SGI", "DDS")},
    "float": (grey(np.float32, 1), "TIFF", "TIFF (F) is not read in training"),
    "16 bits": (grey(np.uint16, 257), "PNG", ""),
    "12 of 16 bits": (grey(np.uint16, 16), "PNG", "16 bits that uses 12 at most"),
    "black": (Image.new("L", (WIDTH, HEIGHT)), "PNG", ""),
    "black of 16 bits": (Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint16)), "PNG", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_passes_is_what_training_reads(tmp_path: Path, name: str) -> None:
    image, kind, fault = FILES[name]
    path = tmp_path / "a.jpg"  # the content decides, not the name
    image.save(path, kind)
    seen = check_image(Told(str(path), WIDTH, HEIGHT))
    if fault:
        assert seen.fault is not None and fault in seen.fault
        return
    assert seen.fault is None and (seen.width, seen.height) == (WIDTH, HEIGHT)
    for pixels in (read_image(path), RowReader()(path, HEIGHT)):
        assert pixels.shape[:2] == (HEIGHT, WIDTH)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.97])
def test_what_is_cut_does_not_pass(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / "a.png"
    picture().save(path, kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    fault = check_image(Told(str(path), WIDTH, HEIGHT)).fault
    assert fault is not None and fault.startswith("image unreadable: ")


def turned_file(path: Path, orientation: int, kind: str = "JPEG") -> None:
    content, exif = BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    picture().save(content, kind, exif=exif, quality=95)
    path.write_bytes(content.getvalue())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photos_are_told_and_read_as_seen(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    path, swapped = tmp_path / "a.jpg", orientation >= 5
    turned_file(path, orientation, kind)
    as_stored, seen_size = (WIDTH, HEIGHT), (HEIGHT, WIDTH) if swapped else (WIDTH, HEIGHT)
    stored = check_image(Told(str(path), *as_stored))
    assert (stored.fault, stored.orientation) == (None, orientation)
    seen = check_image(Told(str(path), *seen_size, turned=True))
    assert (seen.fault, seen.width, seen.height) == (None, *seen_size)
    for read in (read_image, lambda p: RowReader()(p, 10)):
        pixels = read(as_seen(path))
        assert pixels.shape[:2] == seen_size[::-1]
        np.testing.assert_array_equal(pixels, turn(read_image(path), orientation))
    if swapped:
        fault = check_image(Told(str(path), *seen_size)).fault
        assert fault is not None and "EXIF turns it" in fault and "exif: apply" in fault
        fault = check_image(Told(str(path), *as_stored, turned=True)).fault
        assert fault is not None and "EXIF turns it" in fault and "exif: stored" in fault
        assert check_image(Told(str(path), 7, 7)).fault == "image size differs from the json"


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """By the table of the EXIF standard: where the stored first row and column are seen."""
    return {
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: p[::-1].swapaxes(0, 1),
        7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
        8: lambda p: p[:, ::-1].swapaxes(0, 1),
    }.get(orientation, lambda p: p)(pixels)
