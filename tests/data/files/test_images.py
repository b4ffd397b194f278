"""Images read down to a row: the same pixels as the whole image, whatever the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.files.image_size import header_size
from data.files.images import RowReader, as_seen, decode, read_image
from tests.worlds.hostile import promising_jpeg

SAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
OPTIONS = {
    **{name: [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, value] for name, value in SAMPLING.items()},
    "restart markers": [cv2.IMWRITE_JPEG_RST_INTERVAL, 3],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "optimised": [cv2.IMWRITE_JPEG_OPTIMIZE, 1],
}


def picture(height: int = 101, width: int = 83) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (height // 4 + 1, width // 4 + 1, 3))
    return cv2.resize(noise.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("rows", [1, 16, 50, 97, 101, 500])
def test_rows_above_are_exact(tmp_path: Path, options: list[int], rows: int) -> None:
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), picture(), options)
    whole, some = read_image(path), RowReader()(path, rows)
    assert some.shape[0] in (min(rows, 101), 101)
    exact = len(some) if len(some) == 101 else max(len(some) - 2, 0)  # colour looks a row ahead
    np.testing.assert_array_equal(some[:exact, :, :3], whole[:exact])


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "gray.jpg"])
def test_other_files_are_read_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    image = picture()[..., 0] if "gray" in name else picture()
    cv2.imwrite(str(path), image)
    some, whole = RowReader()(path, 40), read_image(path)
    np.testing.assert_array_equal(some[:38, :, :3], whole[:38])


READERS = {
    "whole": lambda path: read_image(path),
    "rows": lambda path: RowReader()(path, 40),
    "turned": lambda path: read_image(as_seen(path)),
    "rows turned": lambda path: RowReader()(as_seen(path), 40),
    "content": lambda path: decode(path.read_bytes()),
    "an eighth": lambda path: decode(path.read_bytes(), eighth=True),
}


@pytest.mark.parametrize("side", [12_500, 30_000, 65_500])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_a_header_promises_is_asked_before_memory_is(
    tmp_path: Path, reader: Callable[[Path], object], side: int
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(promising_jpeg(picture(), side))
    with pytest.raises(ValueError, match="pixels, more than memory is risked for, accepted: at mo"):
        reader(path)


FILLED = {"TEM": b"\xff\x01", "restart": b"\xff\xd3", "fill": b"\xff\xff", "bytes": b"\0\x07"}


def with_filling(jpeg: bytes, filling: str) -> bytes:
    return jpeg[:2] + FILLED[filling] + jpeg[2:]


@pytest.mark.parametrize("filling", ["TEM", "restart", "fill"])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_jpeg_that_pillow_lacks_is_asked_too(
    tmp_path: Path, reader: Callable[[Path], object], filling: str
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_filling(promising_jpeg(picture(), 12_400), filling))
    with pytest.raises(ValueError, match="12400 x 12400 pixels, more than memory is risked for"):
        reader(path)
    path.write_bytes(with_filling(cv2.imencode(".jpg", picture())[1].tobytes(), filling))
    assert reader(path) is not None


def test_a_false_frame_behind_a_marker_without_a_length_is_not_believed(tmp_path: Path) -> None:
    path, small = tmp_path / "a.jpg", promising_jpeg(picture(), 3000)
    true = promising_jpeg(picture(), 12_400)
    jump = int.from_bytes(true[2:4], "big")  # what TEM's following bytes are taken for
    content = with_filling(true, "TEM")
    false = small[small.index(b"\xff\xc0") :][:19]
    path.write_bytes(content.ljust(4 + jump, b"\0")[: 4 + jump] + false + bytes(19))
    with pytest.raises(ValueError, match="12400 x 12400 pixels"):
        RowReader()(path, 3000)  # more than the buffer holds


@pytest.mark.parametrize("filling", FILLED)
def test_the_size_of_a_jpeg_is_its_frames(filling: str) -> None:
    jpeg = cv2.imencode(".jpg", picture())[1].tobytes()
    assert header_size(with_filling(jpeg, filling)) == (83, 101)
    assert header_size(jpeg[: jpeg.index(b"\xff\xc0")]) is None


def test_kinds_that_pillow_lacks_are_read_by_their_own_header_or_not_at_all() -> None:
    floats = picture().astype(np.float32) / 255
    for suffix in (".hdr", ".pfm"):
        content = cv2.imencode(suffix, floats)[1].tobytes()
        assert header_size(content) == (83, 101) and decode(content) is not None, suffix
    sides = [b"#?RGBE\nFORMAT=32-bit_rle_rgbe\n\n-Y 12400 +X 12400\n", b"PF\n12400 12400\n-1\n"]
    for content in sides:
        with pytest.raises(ValueError, match="12400 x 12400 pixels"):
            decode(content)
    hidden = sides[0].replace(b"\n\n", b"\n" + b"x" * 127 + b"\n", 1)
    pam = cv2.imencode(".pam", picture())[1].tobytes()
    assert decode(pam) is None and decode(hidden + b"\n-Y 8 +X 8\n") is None


def test_what_was_decoded_is_held_against_the_limit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((1, 32_001, 3), np.uint8))
    monkeypatch.setattr("data.files.images.is_within", lambda image, name: True)
    for reader in (READERS["whole"], READERS["content"]):
        with pytest.raises(ValueError, match="32001 x 1 pixels"):
            reader(tmp_path / "a.png")


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_side_longer_than_opencv_moves_is_refused(
    tmp_path: Path, reader: Callable[[Path], object]
) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((1, 32_001, 3), np.uint8))
    with pytest.raises(ValueError, match="32001 x 1 pixels"):
        reader(tmp_path / "a.jpg")


def test_the_buffer_is_used_again_and_grows_not_with_large_images(tmp_path: Path) -> None:
    reader = RowReader()
    for size in ((64, 64), (2100, 2100)):
        cv2.imwrite(str(tmp_path / "a.jpg"), picture(*size))
        np.testing.assert_array_equal(
            reader(tmp_path / "a.jpg", 9999)[..., :3], read_image(tmp_path / "a.jpg")
        )


def test_orientation_is_ignored_as_coco_labels_do(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    cv2.imwrite(str(path), picture())
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    content = path.read_bytes()
    path.write_bytes(content[:2] + segment + content[2:])
    assert cv2.imread(str(path)).shape[:2] == (83, 101)  # OpenCV would turn it
    assert read_image(path).shape[:2] == (101, 83)
    assert RowReader()(path, 999).shape[:2] == (101, 83)


@pytest.mark.parametrize("content", [None, b"", b"no image", b"\xff\xd8\xff\xc0", b"\xff\xd8\xff"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.jpg"
    if content is not None:
        path.write_bytes(content)
    for read in (read_image, lambda p: RowReader()(p, 10)):
        with pytest.raises(ValueError, match=r"broken\.jpg"):
            read(path)
