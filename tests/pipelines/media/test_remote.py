"""Photos and videos of servers: http, s3; what is slow, silent, gone or too large is a sentence."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from data.ground.skeleton import load_skeleton
from pipelines.media import remote
from pipelines.media.frame import Source
from pipelines.media.limited import Limited
from pipelines.media.sources import open_sources
from pipelines.media.writing import PoseWriter
from tests.worlds.clips import colours, corners, grey, make_clip, make_photo, read_clip

pytestmark = pytest.mark.contract


class Site(BaseHTTPRequestHandler):
    """`files`: by path; `/hang` says nothing, `/stall` stops in the middle, `/drip` never ends,
    `/camera` sends JPEGs one after another, as cameras in a network do."""

    files: dict[str, bytes] = {}  # noqa: RUF012 - of the one server
    over = threading.Event()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/hang":
            self.over.wait(10)
        elif path in ("/stall.jpg", "/stall.mp4", "/drip.jpg"):
            self.head(200, "application/octet-stream", 10**6)
            self.wfile.write(self.files["/photo.jpg"][:99])
            while path == "/drip.jpg" and not self.over.wait(0.02):
                self.wfile.write(b"x")
            self.over.wait(10)
        elif path == "/ranged.mp4":
            start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
            part, length = self.files["/late.mp4"][start:], len(self.files["/late.mp4"])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{length - 1}/{length}")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)
        elif path == "/camera":
            self.film()
        elif (content := self.files.get(path)) is None:
            self.send_error(404)
        else:
            kind = "image/jpeg" if content[:2] == b"\xff\xd8" else "application/octet-stream"
            self.head(200, kind, len(content))
            self.wfile.write(content)

    def film(self) -> None:
        self.head(200, "multipart/x-mixed-replace; boundary=part")
        for n in range(30):
            _, jpeg = cv2.imencode(".jpg", grey(8 * n))
            lines = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(lines.encode() + jpeg.tobytes() + b"\r\n")
            time.sleep(0.005)

    def head(self, code: int, kind: str, length: int | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def handle(self) -> None:
        with suppress(ConnectionError):  # who reads may leave
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    photo = make_photo(folder / "photo.jpg").read_bytes()
    turned = make_photo(folder / "turned.jpg", orientation=6).read_bytes()
    clip = make_clip(folder / "clip.mp4", [grey(20 * n) for n in range(5)], sound="aac")
    Site.files = {
        "/photo.jpg": photo, "/a%20b.jpg": turned, "/show": photo, "/page": b"<html>words</html>",
        "/clip.mp4": clip.read_bytes(), "/watch": clip.read_bytes(), "/text.jpg": b"words",
    }  # fmt: skip
    noise = np.random.default_rng(0).integers(0, 255, (40, 96, 128, 3), np.uint8)
    late = make_clip(folder / "late.mp4", list(noise))  # more than who reads it holds at once
    how = {"movflags": "faststart"}
    early = av.open(str(folder / "early.mp4"), "w", options=how)
    with av.open(str(late)) as came, early as made:
        stream = made.add_stream_from_template(came.streams.video[0])
        for packet in came.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    for name in ("late", "early"):
        Site.files[f"/{name}.mp4"] = (folder / f"{name}.mp4").read_bytes()
    Site.files["/late"] = Site.files["/late.mp4"]
    Site.over.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Site.over.set()
    server.shutdown()


def fault(source: Source) -> str:
    with pytest.raises(ValueError) as refused:
        list(source.frames())
    return str(refused.value)


@pytest.mark.parametrize(
    ("path", "name", "seen"),
    [("/photo.jpg", "photo.jpg", "RGBW"), ("/a%20b.jpg", "a b.jpg", "BRWG"),
     ("/show?id=7", "show", "RGBW")],
)  # fmt: skip
def test_a_photo_of_a_server_by_its_ending_or_its_kind(
    site: str, path: str, name: str, seen: str
) -> None:
    (source,) = open_sources([site + path], timeout=5)
    assert (source.name, source.moving, source.count) == (name, False, 1)
    (frame,) = source.frames()
    assert colours(frame.image) == seen and frame.name == name


@pytest.mark.parametrize("path", ["/clip.mp4", "/watch"])
def test_a_video_of_a_server_is_whole(site: str, path: str) -> None:
    (source,) = open_sources([site + path], timeout=5)
    assert (source.moving, source.live) == (True, False)
    assert [round(frame.image.mean() / 20) for frame in source.frames()] == list(range(5))
    assert source.fps == 25.0


@pytest.mark.parametrize("path", ["/late.mp4", "/late", "/early.mp4", "/ranged.mp4"])
def test_a_video_whose_index_comes_last_is_brought_where_a_server_sends_no_parts(
    site: str, path: str, tmp_path: Path
) -> None:
    sources = open_sources([site + path], timeout=5)
    assert isinstance(sources[0], remote.Brought) == path.startswith("/late")
    with PoseWriter(tmp_path, load_skeleton("coco"), threshold=0.2) as writer:
        writer.begin(sources[0])
        for frame in sources[0].frames():
            writer.add(frame, [])
        writer.end(sources[0])
    name = f"{path[1:].removesuffix('.mp4')}.mp4"
    assert len(read_clip(tmp_path / "overlays" / name)[1]) == 40


def test_a_camera_of_a_network_is_live_and_its_end_is_an_end(site: str) -> None:
    (source,) = open_sources([f"{site}/camera"], timeout=5)
    assert source.moving and source.live and source.count is None
    came = [round(frame.image.mean() / 8) for frame in source.frames()]
    assert came and came == sorted(set(came))


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/gone.jpg", "the server answers 404 (Not Found)"),
        ("/gone", "the server answers 404 (Not Found)"),
        ("/gone.mp4", "Not Found"),
        ("/page", "sends no video that can be read"),
        ("/text.jpg", "image unreadable: corrupt"),
        ("/hang", "its server is silent"),
        ("/stall.jpg", "its server is silent"),
        ("/stall.mp4", "silent for 0.5 s"),
    ],
)
def test_what_a_server_does_not_give_is_a_sentence_without_secrets(
    site: str, path: str, told: str
) -> None:
    patience = 0.5 if "silent" in told else 20  # of a machine that is busy
    (source,) = open_sources([f"{site}{path}?key=secret"], timeout=patience)
    said = fault(source)
    assert told in said and "secret" not in said


def test_a_photo_that_comes_too_slowly_or_is_too_large_is_a_sentence(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PATIENCE", 0.2)
    with pytest.raises(ValueError, match="comes too slowly"):
        remote.download(f"{site}/drip.jpg", tmp_path / "photo", 1)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="over 50 bytes"):
        remote.download(f"{site}/photo.jpg", tmp_path / "photo", 5, most=50)


def test_no_server_is_a_sentence() -> None:
    for given in ("http://127.0.0.1:9/a.jpg", "http://127.0.0.1:9/a", "rtsp://127.0.0.1:9/live"):
        (source,) = open_sources([given], timeout=2)
        said = fault(source)
        assert "cannot be re" in said and said.startswith(("http://127.0.0.1:9/a", "live"))


def test_a_stream_that_says_nothing_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://me:secret@127.0.0.1:{silent.getsockname()[1]}/live"
        (source,) = open_sources([address], timeout=0.5)
        assert source.live and source.count is None and source.fps is None
        said = fault(source)
    assert said.startswith("live: ") and "nothing for 0.5 s" in said and "secret" not in said


def test_objects_in_s3_are_photos_and_videos_one_or_all_below(
    s3_server: Any, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", [grey(9)] * 3).read_bytes()
    photo = make_photo(tmp_path / "photo.png", corners()).read_bytes()
    for key, content in {
        "in/x.png": photo, "in/deep/ü y.png": photo, "in/clip.mp4": clip, "in/notes.txt": b"words",
        "other/x.png": photo,
    }.items():  # fmt: skip
        s3_server.put_object(Bucket="bucket", Key=key, Body=content)
    below = open_sources(["s3://bucket/in"])
    assert [source.name for source in below] == ["clip.mp4", "deep/ü y.png", "x.png"]
    assert [source.moving for source in below] == [True, False, False]
    assert [len(list(source.frames())) for source in below] == [3, 1, 1]
    one, gone, nothing, no_bucket = open_sources(
        ["s3://bucket/other/x.png", "s3://bucket/gone.png", "s3://bucket/none/", "s3://nix/a/"]
    )
    (frame,) = one.frames()
    assert (frame.name, colours(frame.image)) == ("x.png", "RGBW")
    assert "no such object at http" in fault(gone)
    assert "no photo or video below it" in fault(nothing)
    assert "NoSuchBucket" in fault(no_bucket)


def test_what_is_brought_is_removed_a_video_once_its_sound_was_copied(
    s3_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    clip = make_clip(tmp_path / "clip.mp4", [grey(9)] * 30, sound="aac")
    for key in ("a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"):
        s3_server.upload_file(str(clip), "bucket", f"many/{key}")
    s3_server.upload_file(str(make_photo(tmp_path / "photo.png")), "bucket", "many/photo.png")
    sources = open_sources(["s3://bucket/many"])
    for source in sources:
        assert list(source.frames())
    assert [source.fps for source in sources] == [None, None, 25.0, 25.0, 25.0, None]
    with PoseWriter(tmp_path / "out", load_skeleton("coco"), threshold=0.2) as writer:
        for source in (Limited(source, 1.0) for source in sources[:2]):
            writer.begin(source)
            for frame in list(source.frames()):  # all read before the first is drawn
                writer.add(frame, [])
            writer.end(source)
    for source in sources[2:]:
        source.release()
    assert not list((tmp_path / "temporary").iterdir())
    _, times, sounds = read_clip(tmp_path / "out" / "overlays" / "b.mp4")
    assert len(times) == 25 and sounds == ["aac"]
