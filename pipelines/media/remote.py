"""Photos and videos of servers: `http://`, `https://`, `rtsp://`, `s3://`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from data.ground.refusal import refusal
from pipelines.media.frame import Frame
from pipelines.media.named import Named, failed, unreadable
from pipelines.media.names import told_address
from pipelines.media.photos import MOST_BYTES, Photo
from pipelines.media.photos import SUFFIXES as PHOTOS
from pipelines.media.videos import SUFFIXES as VIDEOS
from pipelines.media.videos import Video
from pipelines.store.s3 import list_s3
from pipelines.store.s3_download import download_s3

HTTP, RTSP, S3 = ("http://", "https://"), ("rtsp://", "rtsps://"), "s3://"
REMOTE = (*HTTP, *RTSP, S3)
CHUNK = 1 << 16
PARTIAL, HEAD = 206, 256  # http's answer of a server that sends parts; bytes: kinds of an mp4's
KEPT = 3  # videos: whoever draws may be so many behind whoever reads
AS_IT_IS = {"Accept-Encoding": "identity"}
SILENCE = (requests.Timeout, urllib3.exceptions.TimeoutError)
PATIENCE = 30  # times `timeout`: for a whole photo, and for each so many bytes of a video
MOST_OF_A_VIDEO = 16 << 30  # bytes
INDEXED = frozenset({".3g2", ".3gp", ".m4v", ".mov", ".mp4"})  # videos with an index of pictures


class Brought:
    """A photo or video that is brought to a temporary place when it is read.

    A photo is removed when it was read; a video when whoever copies its sound calls `release`, else
    once `KEPT` others were brought.
    """

    live = False
    _kept: ClassVar[list[Brought]] = []

    def __init__(self, name: str, moving: bool, bring: Callable[[Path], None]) -> None:
        """bring: writes its file. ValueError where it cannot be had."""
        self.name, self.moving = name, moving
        self._bring = bring
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.video: Video | None = None  # while it is there

    @property
    def fps(self) -> float | None:
        return self.video.fps if self.video else None

    @property
    def count(self) -> int | None:
        return (self.video.count if self.video else None) if self.moving else 1

    def frames(self) -> Iterator[Frame]:
        self.release()
        self._folder = tempfile.TemporaryDirectory(prefix="limber-")
        try:
            path = Path(self._folder.name) / f"source{PurePosixPath(self.name).suffix}"
            self._bring(path)
            if self.moving:
                self._keep(Video(self.name, str(path)))
            yield from (self.video or Photo(self.name, path)).frames()
        finally:
            if self.video is None:
                self.release()

    def release(self) -> None:
        """Removes what was brought."""
        self.video = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _keep(self, video: Video) -> None:
        self.video = video
        self._kept.append(self)
        while len(self._kept) > KEPT:
            self._kept.pop(0).release()


def named_address(address: str, timeout: float) -> Named:
    """A photo where its ending or its server says so, else a video or stream."""
    shown = told_address(address)
    name = unquote(PurePosixPath(urlsplit(address).path).name) or urlsplit(address).hostname
    if not name:
        return unreadable(shown, "an address without a server")
    photo = whole = False
    if address.startswith(HTTP):
        try:
            photo, whole = _kind(address, shown, timeout)
        except ValueError as error:
            return failed(shown, error)
    if photo or whole:
        most = MOST_BYTES if photo else MOST_OF_A_VIDEO

        def bring(path: Path) -> None:
            download(address, path, timeout, most)

        return address, name, lambda name: Brought(name, whole, bring)
    return address, name, lambda name: Video(name, address, timeout)


def named_in_s3(prefix: str) -> Iterator[Named]:
    """One object by its ending, else all below the prefix that end like photos and videos."""
    if _suffix(prefix) in PHOTOS | VIDEOS:
        yield _object(prefix, PurePosixPath(prefix).name)
        return
    try:
        found = [key for key in sorted(list_s3(prefix)) if _suffix(key) in PHOTOS | VIDEOS]
    except ValueError as error:
        yield failed(prefix, error)
        return
    if not found:
        yield unreadable(prefix, "no photo or video below it")
    for key in found:
        yield _object(f"{prefix.rstrip('/')}/{key}", key)


def download(address: str, path: Path, timeout: float, most: int = MOST_BYTES) -> None:
    """Of at most so many bytes. ValueError where it cannot be had, is larger, or takes for ever."""
    shown = told_address(address)
    end = time.monotonic() + PATIENCE * timeout * max(most / MOST_BYTES, 1)
    with _answer(address, shown, timeout) as answer, path.open("wb") as file:
        try:
            while part := answer.raw.read1(CHUNK):  # what came so far: `read` waits for all of it
                file.write(part)
                if file.tell() > most or time.monotonic() > end:
                    large = file.tell() > most
                    fault = f"over {most:,} bytes" if large else "comes too slowly"
                    raise refusal(shown, fault=fault, do="bring it here, then name the file")
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(shown, error) from error


def _kind(address: str, shown: str, timeout: float) -> tuple[bool, bool]:
    """(whether it is a photo, whether it is a video that can only be read once it is here)."""
    suffix = _suffix(urlsplit(address).path)
    if suffix in PHOTOS | VIDEOS - INDEXED:
        return suffix in PHOTOS, False
    try:
        with _answer(address, shown, timeout, {"Range": "bytes=0-"}) as answer:
            photo = answer.headers.get("Content-Type", "").startswith("image/")
            parts, ends = answer.status_code == PARTIAL, "Content-Length" in answer.headers
            return photo, ends and not (photo or parts) and _index_last(answer.raw.read(HEAD))
    except (ValueError, *SILENCE, urllib3.exceptions.HTTPError):
        if suffix not in INDEXED:
            raise
        return False, False  # whoever reads the video tells it


def _index_last(head: bytes) -> bool:
    """Whether an mp4's pictures come before their index: its boxes one after another, each with its
    length and kind (ISO 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(head):
        length, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind in (b"moov", b"mdat") or length < 8:
            return kind == b"mdat"
        at += length
    return False


def _answer(
    address: str, shown: str, timeout: float, more: Mapping[str, str] | None = None
) -> requests.Response:
    headers = {**AS_IT_IS, **(more or {})}
    try:
        answer = requests.get(address, stream=True, timeout=timeout, headers=headers)
        answer.raise_for_status()
        return answer
    except requests.HTTPError as error:
        fault = f"the server answers {answer.status_code} ({answer.reason})"
        raise refusal(shown, fault=fault, do="check the address") from error
    except (requests.RequestException, ValueError) as error:
        raise _unreachable(shown, error) from error


def _unreachable(shown: str, error: Exception) -> ValueError:
    silent = isinstance(error, SILENCE) or "timed out" in str(error)
    fault = "its server is silent" if silent else f"cannot be reached ({type(error).__name__})"
    return refusal(shown, fault=fault, do="check the address and the network")


def _object(source: str, name: str) -> Named:
    def bring(path: Path) -> None:
        download_s3(source, path)

    return source, name, lambda name: Brought(name, _suffix(source) in VIDEOS, bring)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower() if not name.endswith("/") else ""
