"""Videos: upright pictures at their own times; what breaks keeps what came before it."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipelines.media.frame import Frame
from pipelines.media.sources import open_sources
from pipelines.media.videos import Video
from tests.worlds.clips import colours, corners, grey, make_clip


def frames(path: Path) -> list[Frame]:
    return list(Video("the one", str(path)).frames())


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts"])
def test_a_video_is_its_pictures_in_order_with_rate_count_and_times(
    tmp_path: Path, suffix: str
) -> None:
    pictures = [grey(20 * n) for n in range(10)]
    path = make_clip(tmp_path / f"clip.{suffix}", pictures, fps=Fraction(30_000, 1001))
    video = Video("the one", str(path))
    assert video.moving and not video.live
    assert video.fps == pytest.approx(30_000 / 1001, rel=1e-3)
    assert video.count == 10
    came = list(video.frames())
    assert [round(frame.image.mean() / 20) for frame in came] == list(range(10))
    assert [frame.index for frame in came] == list(range(10))
    assert np.allclose([frame.seconds for frame in came], np.arange(10) * 1.001 / 30, atol=1e-3)
    assert {frame.name for frame in came} == {"the one"}


def test_pictures_at_uneven_times_keep_them(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.9, 1.0]
    path = make_clip(tmp_path / "clip.mp4", [grey(9)] * 5, times=times)
    assert np.allclose([frame.seconds for frame in frames(path)], times)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_phones_video_is_turned_as_people_see_it(
    tmp_path: Path, degrees: int, mirrored: bool
) -> None:
    path = make_clip(tmp_path / "clip.mp4", [corners()] * 2, turned=(degrees, mirrored))
    seen = np.rot90(corners(), degrees // 90)
    seen = seen[:, ::-1] if mirrored else seen
    for frame in frames(path):
        assert frame.image.shape == seen.shape and frame.image.flags.c_contiguous
        assert colours(frame.image) == colours(seen)


def test_an_odd_size_is_kept(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", [corners((63, 47))])
    assert frames(path)[0].image.shape == (47, 63, 3)


def test_pictures_before_a_break_are_kept_and_the_break_is_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), np.uint8)
    path = make_clip(tmp_path / "clip.mkv", list(noise))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    came = Video("the one", str(path)).frames()
    assert [next(came).index for _ in range(10)] == list(range(10))
    told = r"^the one: breaks off 0\.[789] s before its end.*; [12][0-9] pictures were read"
    with pytest.raises(ValueError, match=told):
        list(came)


def test_a_damaged_part_is_left_out_and_told_at_the_end(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (9, 48, 64, 3), np.uint8)
    path = make_clip(tmp_path / "clip.avi", list(noise), codec="png")
    content = bytearray(path.read_bytes())
    third = [n for n in range(len(content)) if content[n : n + 4] == b"IHDR"][2]
    content[third - 8 : third + 20] = bytes(28)
    path.write_bytes(content)
    came = Video("the one", str(path)).frames()
    assert [next(came).index for _ in range(7)] == list(range(7))  # one is no part any more
    with pytest.raises(
        ValueError, match=r"^the one: 1 parts of it are damaged or lost; 7 pictures"
    ):
        next(came)


def test_pictures_that_damage_of_a_broadcast_took_are_told_at_the_end(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3), np.uint8)
    path = make_clip(tmp_path / "clip.ts", list(noise))
    content = bytearray(path.read_bytes())
    half = len(content) // 2 // 188 * 188
    content[half : half + 188 * 60] = bytes(188 * 60)
    path.write_bytes(content)
    kept = []
    with pytest.raises(
        ValueError, match=r"^the one: [1-9]\d* parts of it are damaged or lost; "
    ) as told:
        for frame in Video("the one", str(path)).frames():
            kept.append(frame)
    assert 0 < len(kept) < 50 and f"; {len(kept)} pictures were read and kept" in str(told.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "neither a photo nor a video"),
        (b"some words\n" * 99, "neither a photo nor a video"),
        (b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/secret.ts\n", "neither a photo nor a video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "neither a photo nor a video"),
    ],
    ids=["empty", "text", "list of other places", "list of other files"],
)
def test_what_is_no_video_is_a_sentence(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^the one: {fault}"):
        frames(path)
    assert Video("the one", str(path)).count is None


def test_a_video_cut_before_its_index_or_of_sound_alone_is_a_sentence(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", [grey(9)] * 5, sound="aac")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="neither a photo nor a video"):
        frames(path)
    make_sound(tmp_path / "song.mp4")
    with pytest.raises(ValueError, match=r"no pictures in it \(sound alone\)"):
        frames(tmp_path / "song.mp4")


def make_sound(path: Path) -> None:
    import av

    with av.open(str(path), "w") as song:
        voice = song.add_stream("aac", rate=16_000, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        part.sample_rate = 16_000
        song.mux(voice.encode(part))
        song.mux(voice.encode())


def test_a_picture_size_beyond_the_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.avi", [grey(9)] * 2, codec="rawvideo")
    content = path.read_bytes()
    at = content.index(b"strf") + 8
    assert struct.unpack_from("<ii", content, at + 4) == (64, -48)
    path.write_bytes(content[: at + 4] + struct.pack("<ii", 15_000, 15_000) + content[at + 12 :])
    with pytest.raises(ValueError, match="15000 x 15000 pixels, more than memory"):
        frames(path)


def test_leaving_a_video_early_closes_it(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", [grey(9)] * 5)
    came = Video("the one", str(path)).frames()
    next(came)
    came.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(came)


def test_a_real_clip_is_read(real_data: Path) -> None:
    (source,) = open_sources([str(real_data / "clips" / "people.mp4")])
    came = list(source.frames())
    assert source.name == "people.mp4" and (source.fps, source.count) == (5.0, 5)
    assert len(came) == 5 and {frame.image.shape for frame in came} == {(540, 960, 3)}
    assert came[0].image.std() > 20
