"""What is named becomes sources: folders, patterns, files, cameras; a bad name stops no other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from pipelines.media.frame import Source
from pipelines.media.names import distinct_names, file_place, told_address
from pipelines.media.sources import open_sources
from tests.worlds.clips import grey, make_clip, make_photo


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Photos in folders, a video, and what is neither."""
    folder = tmp_path / "album"
    for name in ("b.jpg", "a/x y.png", "a/größe #1.jpg", "日本/x y.png", ".hidden.jpg", ".h/c.jpg"):
        make_photo(folder / name)
    make_clip(folder / "a" / "clip.mp4", [grey(9)] * 2)
    (folder / "notes.txt").write_text("words")
    return folder


def names(sources: list[Source]) -> list[str]:
    return [source.name for source in sources]


def fault(source: Source) -> str:
    with pytest.raises(ValueError) as refused:
        list(source.frames())
    return str(refused.value)


def test_a_folder_is_its_photos_and_videos_at_any_depth_by_name(album: Path) -> None:
    sources = open_sources([str(album)])
    assert names(sources) == ["b.jpg", "a/clip.mp4", "a/größe #1.jpg", "a/x y.png", "日本/x y.png"]
    assert [source.moving for source in sources] == [False, True, False, False, False]
    assert [source.count for source in sources] == [1, 2, 1, 1, 1]
    for source in sources:
        assert {frame.name for frame in source.frames()} == {source.name}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.jpg", ["b.jpg"]),
        ("*/*.png", ["a/x y.png", "日本/x y.png"]),
        ("a/*", ["clip.mp4", "größe #1.jpg", "x y.png"]),
        ("**/x*", ["a/x y.png", "日本/x y.png"]),
        ("[a]", ["a/clip.mp4", "a/größe #1.jpg", "a/x y.png"]),
    ],
)
def test_a_pattern_is_what_fits_it(album: Path, pattern: str, found: list[str]) -> None:
    assert names(open_sources([str(album / pattern)])) == found


def test_a_name_with_brackets_that_is_there_is_no_pattern(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photo [1].jpg")
    assert names(open_sources([str(path)])) == ["photo [1].jpg"]


def test_each_thing_comes_once_and_of_two_of_one_name_more_is_told(album: Path) -> None:
    x, other = album / "a" / "x y.png", album / "日本" / "x y.png"
    assert names(open_sources([str(x), str(x), str(album / "a" / ".." / "a" / "x y.png")])) == [
        "x y.png"
    ]
    assert names(open_sources([str(x), str(other)])) == ["a/x y.png", "日本/x y.png"]
    assert names(open_sources([str(album / "a"), str(x)])) == names(
        open_sources([str(album / "a")])
    )


def test_links_are_followed_and_a_circle_of_them_ends(album: Path, tmp_path: Path) -> None:
    (album / "a" / "round").symlink_to(album)
    shutil.copytree(album / "日本", tmp_path / "far")
    (album / "far").symlink_to(tmp_path / "far")
    for given in (str(album), str(album / "**" / "*.*")):
        found = names(open_sources([given]))
        assert "far/x y.png" in found and len(found) == len(set(found)) == 6


def test_a_file_without_an_ending_is_what_it_holds(album: Path) -> None:
    for name in ("a/x y.png", "a/clip.mp4"):
        shutil.copyfile(album / name, album / "plain")
        (source,) = open_sources([str(album / "plain")])
        assert source.moving == name.endswith("mp4") and list(source.frames())


def test_a_gif_of_several_pictures_is_a_video(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(grey(80 * n)) for n in range(3))
    first.save(tmp_path / "film.gif", save_all=True, append_images=others, duration=200)
    (source,) = open_sources([str(tmp_path / "film.gif")])
    assert source.moving
    frames = list(source.frames())
    assert [round(frame.image.mean() / 80) for frame in frames] == [0, 1, 2]
    assert np.allclose([frame.seconds for frame in frames], [0, 0.2, 0.4])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("gone.jpg", "no such file or folder"),
        ("", "an empty name"),
        ("*.jpg", "a pattern that no photo or video fits"),
        ("empty", "a folder without a photo or a video"),
        ("notes.txt", "neither a photo nor a video that can be read"),
        ("/dev/null", "neither a file nor a folder"),
        ("x" * 300, "cannot be looked at (File name too long)"),
        ("ftp://host/photo.jpg", "no such file or folder"),
    ],
)
def test_a_bad_name_is_a_sentence_when_it_is_read_and_the_others_are_read(
    album: Path, monkeypatch: pytest.MonkeyPatch, given: str, told: str
) -> None:
    (album / "empty").mkdir()
    monkeypatch.chdir(album / "empty" if given == "*.jpg" else album)
    before, bad, after = open_sources([str(album / "b.jpg"), given, str(album / "a" / "x y.png")])
    assert list(before.frames()) and list(after.frames())
    said = fault(bad)
    assert said.startswith(f"{given}: ") and told in said and "accepted: " in said


def test_a_number_is_a_camera_unless_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    zero, one = open_sources(["0", "/dev/video1"])
    assert (zero.name, zero.moving, zero.live) == ("camera-0", True, True)
    assert (one.name, one.live) == ("camera-1", True)
    make_photo(tmp_path / "photo.png").rename(tmp_path / "0")
    assert not open_sources(["0"])[0].live


def test_streams_are_live_and_tell_no_password(tmp_path: Path) -> None:
    sources = open_sources(["rtsp://me:secret@one/live?key=k", "rtsp://me:secret@two/live"])
    assert names(sources) == ["one/live", "two/live"]
    assert all(source.live and source.moving for source in sources)


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ({"/p/a.jpg": "a.jpg", "/q/a.jpg": "a.jpg"}, ["p/a.jpg", "q/a.jpg"]),
        ({"/p/s/a.jpg": "a.jpg", "/q/s/a.jpg": "a.jpg"}, ["p/s/a.jpg", "q/s/a.jpg"]),
        ({"/a.jpg": "a.jpg", "/q/a.jpg": "a.jpg"}, ["a.jpg", "q/a.jpg"]),
        ({"http://h/a.jpg?x=1": "a.jpg", "http://h/a.jpg?x=2": "a.jpg"}, ["h/a.jpg", "h/a-2.jpg"]),
    ],
)
def test_names_are_told_apart(places: dict[str, str], told: list[str]) -> None:
    assert list(distinct_names(places).values()) == told


@pytest.mark.parametrize(
    ("call", "given", "told"),
    [
        (lambda name: file_place(name).as_posix(), "../../etc/x.jpg", "etc/x.jpg"),
        (lambda name: file_place(name).as_posix(), "/x.jpg", "x.jpg"),
        (lambda name: file_place(name).as_posix(), "..", "unnamed"),
        (told_address, "https://me:secret@h/a.jpg?sign=k", "https://h/a.jpg"),
    ],
)
def test_a_name_leads_nowhere_else_and_tells_no_secret(
    call: Callable[[str], str], given: str, told: str
) -> None:
    assert call(given) == told


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "p.jpg", "p.gif", "p.webp"])
def test_damaged_files_are_pictures_or_a_sentence_that_names_them(
    tmp_path: Path, name: str
) -> None:
    draw = np.random.default_rng(len(name))
    noise = draw.integers(0, 255, (4, 48, 64, 3), np.uint8)
    path = tmp_path / name
    whole = (make_clip(path, list(noise)) if "clip" in name else make_photo(path)).read_bytes()
    for _ in range(25):
        content = bytearray(whole[: draw.integers(len(whole) // 2, len(whole))])
        for at in draw.integers(0, len(content), 12):
            content[at] = draw.integers(256)
        path.write_bytes(content)
        try:
            for (source,) in [open_sources([str(path)])]:
                assert all(frame.name == name for frame in source.frames())
        except ValueError as error:
            assert str(error).startswith(f"{name}: ")


def test_a_songs_cover_is_no_picture(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "song.mp4"), "w") as song:
        voice = song.add_stream("aac", rate=16_000, layout="mono")
        cover: Any = song.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        song.mux(cover.encode(av.VideoFrame.from_ndarray(grey(9), format="rgb24")))
        song.mux(cover.encode())
        song.mux(voice.encode(None))
    (source,) = open_sources([str(tmp_path / "song.mp4")])
    assert "no pictures in it (sound alone)" in fault(source)


def test_a_pipe_in_a_folder_is_told_and_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (source,) = open_sources([str(tmp_path)])
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        next(source.frames())


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("given", [".", "**/*.jpg", "*", "predictions"])
def test_what_a_run_drew_is_no_source_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, finished: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "overlays/b.jpg", "predictions/overlays/a.jpg", "other/overlays/c.jpg"):
        make_photo(tmp_path / name, grey(9))
    for name in ("poses.json", "images.json") if finished else ("poses.jsonl.part",):
        (tmp_path / "predictions" / name).touch()
    found = names(open_sources([given], out=Path("other")))
    assert found == (["predictions"] if given == "predictions" else ["a.jpg", "overlays/b.jpg"])
    asked = ["predictions/overlays", "predictions/overlays/*.jpg", "predictions/overlays/a.jpg"]
    assert [names(open_sources([each])) for each in asked] == [["a.jpg"]] * 3
