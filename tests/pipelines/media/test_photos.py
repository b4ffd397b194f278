"""Photos: upright, in every format that prepare takes; what is none, or too large, is told."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.intake.image_check import Told, check_image
from pipelines.media.photos import MOST_PIXELS, SUFFIXES, read_photo
from pipelines.serving import model_input
from tests.worlds.clips import colours, corners, make_photo
from tests.worlds.here import ROOT
from tests.worlds.hostile import promising_jpeg


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG of that size, and a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff", "gif", "ppm", "jp2"])
def test_a_photo_of_each_format_is_its_pixels_and_prepare_takes_it(
    tmp_path: Path, suffix: str
) -> None:
    path = make_photo(tmp_path / f"photo.{suffix}")
    image = read_photo(path, path.name)
    assert image.dtype == np.uint8 and image.shape == (48, 64, 3)
    assert colours(image) == "RGBW"
    assert check_image(Told(str(path), 64, 48)).fault is None and path.suffix in SUFFIXES


@pytest.mark.parametrize(
    ("orientation", "seen"),
    [(1, "RGBW"), (2, "GRWB"), (3, "WBGR"), (6, "BRWG"), (8, "GWRB"), (5, "RBGW")],
)
def test_a_photo_is_turned_as_people_see_it(tmp_path: Path, orientation: int, seen: str) -> None:
    path = make_photo(tmp_path / "photo.jpg", orientation=orientation)
    image = read_photo(path, path.name)
    assert colours(image) == seen
    assert image.shape[:2] == ((64, 48) if orientation in (5, 6, 8) else (48, 64))


def test_grey_16_bit_and_transparent_photos_are_rgb_of_8_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 51_400, np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.full((8, 8, 4), (9, 99, 199, 0), np.uint8)).save(tmp_path / "glass.png")
    assert read_photo(tmp_path / "deep.png", "deep")[0, 0].tolist() == [200, 200, 200]
    assert read_photo(tmp_path / "glass.png", "glass")[0, 0].tolist() == [9, 99, 199]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "an empty file"),
        (b"not a photo at all", "image unreadable: corrupt"),
        (png_header(12_500, 12_500), "12500 x 12500 pixels, more than memory is risked for"),
        (png_header(30_000, 30_000), "too many pixels, more than memory is risked for"),
        (png_header(12_000, 12_000), "image unreadable"),
        (
            b"#?RADIANCE\n\n-Y 40000 +X 40000\n" + bytes(MOST_PIXELS // 8),
            "40000 x 40000 pixels, more than memory",
        ),
        (
            b"\xff\xd8\xff\x01" + promising_jpeg(np.zeros((8, 8, 3), np.uint8), 12_400)[2:],
            "12400 x 12400 pixels, more than memory",
        ),
    ],
    ids=["empty", "text", "large", "30,000 x 30,000", "cut", "HDR", "a JPEG with TEM"],
)
def test_what_cannot_be_read_is_a_sentence_that_names_it(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^the one: .*{fault}.*accepted: "):
        read_photo(path, "the one")


def test_a_cut_photo_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    whole = make_photo(tmp_path / "photo.jpg", noise).read_bytes()
    (tmp_path / "photo.jpg").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(ValueError, match="truncated"):
        read_photo(tmp_path / "photo.jpg", "photo.jpg")


@pytest.mark.contract
def test_a_photo_that_memory_lacks_for_is_called_so_and_not_corrupt(tmp_path: Path) -> None:
    Image.new("RGB", (9000, 9000)).save(tmp_path / "large.jpg")
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from pipelines.media.photos import read_photo\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20),) * 2)\n"
        "read_photo(Path(sys.argv[1]), 'large.jpg')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "large.jpg")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ValueError: large.jpg: not enough memory for 9000 x 9000 pixels" in done.stderr


def test_a_missing_photo_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^gone: cannot be read \(No such file"):
        read_photo(tmp_path / "gone.jpg", "gone")


def test_a_black_photo_is_read_and_one_of_few_of_16_bits_refused_as_prepare_does(
    tmp_path: Path,
) -> None:
    assert not read_photo(make_photo(tmp_path / "night.png", corners() * 0), "night").any()
    Image.fromarray(np.full((8, 8), 2_000, np.uint16)).save(tmp_path / "dim.png")
    with pytest.raises(ValueError, match="16 bits that uses 12 at most"):
        read_photo(tmp_path / "dim.png", "dim")


def test_the_limit_is_that_of_registered_models() -> None:
    assert MOST_PIXELS == model_input.MOST_PIXELS
