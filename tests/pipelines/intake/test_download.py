"""Files from elsewhere: resumed, checked by size and digest, unpacked inside their folder."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.intake import download
from pipelines.intake.download import bring, extract
from pipelines.store.s3 import list_s3
from tests.worlds.hostile import encrypted_zip, zip_bomb

pytestmark = pytest.mark.contract

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Site(BaseHTTPRequestHandler):
    """Serves CONTENT at /file, with ranges; /cut/N stops after N bytes once; /always-cut ever."""

    ranges: list[str]
    cuts: list[int]

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        span = self.headers.get("Range", "")
        type(self).ranges.append(span)
        start = int(span.removeprefix("bytes=").rstrip("-") or 0)
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.send_header("ETag", '"one"')
        self.end_headers()
        end = start + type(self).cuts.pop(0) if type(self).cuts else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def site() -> Iterator[tuple[str, type[Site]]]:
    Site.ranges, Site.cuts = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Site
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda _: None)


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path, site: Any) -> None:
    address, server = site
    server.cuts = [300_000, 200_000]
    bring(f"{address}/file", tmp_path / "file", SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=262144-", "bytes=458752-"]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_next_run_goes_on_too(tmp_path: Path, site: Any) -> None:
    address, server = site
    server.cuts = [100_000, *[0] * (download.ATTEMPTS - 1)]
    with pytest.raises(ValueError, match="what came so far is kept"):
        bring(f"{address}/file", tmp_path / "file", SHA256)
    assert not (tmp_path / "file").exists()
    bring(f"{address}/file", tmp_path / "file", SHA256)
    assert server.ranges[-1] == "bytes=65536-" and (tmp_path / "file").read_bytes() == CONTENT


def test_a_whole_part_is_not_fetched_again(tmp_path: Path, site: Any) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    (tmp_path / "file.part.version").write_text('"one"')
    bring(f"{site[0]}/file", tmp_path / "file", SHA256[:8])
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert site[1].ranges == [f"bytes={len(CONTENT)}-"]


def test_what_differs_is_refused_and_removed(tmp_path: Path, site: Any) -> None:
    with pytest.raises(ValueError, match="expected 0000000011"):
        bring(f"{site[0]}/file", tmp_path / "file", "0000000011")
    with pytest.raises(ValueError, match="expected 5;"):
        bring(f"{site[0]}/file", tmp_path / "file", None, 5)
    assert not [p for p in tmp_path.iterdir() if p.suffix != ".version"]


def test_a_file_that_is_there_is_left(tmp_path: Path, site: Any) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    bring(f"{site[0]}/file", tmp_path / "file", SHA256)
    assert site[1].ranges == []


@pytest.mark.parametrize(
    ("source", "digest", "says"),
    [
        ("nowhere.pth", None, "no such file"),
        ("ftp://host/file", None, "accepted"),
        ("hf://owner/name", None, "hf://owner/name/file"),
        ("file", "xyz", "8 to 64 hex digits"),
        ("http://127.0.0.1:9/file", None, "cannot be downloaded"),
    ],
)
def test_bad_sources_are_named(tmp_path: Path, source: str, digest: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        bring(source, tmp_path / "file", digest)


def test_a_page_that_is_not_there_is_asked_once(tmp_path: Path, site: Any) -> None:
    with pytest.raises(ValueError, match="404"):
        bring(f"{site[0]}/missing", tmp_path / "file")


def test_a_hub_file_is_asked_from_the_main_branch(
    tmp_path: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site[0])
    bring("hf://owner/name/folder/file", tmp_path / "file", SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT
    monkeypatch.delenv("HF_ENDPOINT")
    where = download.https_address("hf://owner/name/folder/file")
    assert where == "https://huggingface.co/owner/name/resolve/main/folder/file"


def test_a_path_is_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    bring(str(tmp_path / "a"), tmp_path / "deep" / "b", f"sha256:{SHA256}")
    assert (tmp_path / "deep" / "b").read_bytes() == CONTENT and (tmp_path / "a").exists()


def _zip(path: Path, names: list[str], link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o120777 if link else 0o100644) << 16
            file.writestr(entry, "content")
    return path


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "c:/evil"])
def test_no_entry_leaves_the_folder(tmp_path: Path, name: str) -> None:
    archive = _zip(tmp_path / "x.zip", ["good", name])
    with pytest.raises(ValueError, match="leaves the folder"):
        extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "evil").exists()


def test_links_and_cut_zips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a link"):
        extract(_zip(tmp_path / "x.zip", ["link"], link=True), tmp_path / "out")
    whole = _zip(tmp_path / "y.zip", ["good"]).read_bytes()
    (tmp_path / "y.zip").write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="no whole zip"):
        extract(tmp_path / "y.zip", tmp_path / "out")


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (zip_bomb, r"2,097,152 bytes in a zip of 2,\d\d\d, accepted: at most 100 times"),
        (encrypted_zip, "'images/a.jpg' is encrypted, accepted: zips without a password"),
        (lambda path: _zip(path, ["a", "a/b"]), "an entry cannot be a file here"),
        (lambda path: _zip(path, ["é" * 200]), "an entry cannot be a file here"),
    ],
    ids=["a bomb", "encrypted", "a file and a folder", "a name too long"],
)
def test_zips_that_nobody_should_unpack(
    tmp_path: Path, make: Callable[[Path], object], fault: str
) -> None:
    make(tmp_path / "x.zip")
    with pytest.raises(ValueError, match=f"x.zip: .*{fault}"):
        extract(tmp_path / "x.zip", tmp_path / "out")


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    extract(_zip(tmp_path / "x.zip", ["train2017/1.jpg"]), tmp_path / "out")
    assert (tmp_path / "out" / "train2017" / "1.jpg").read_text() == "content"


def test_s3_lists_brings_and_goes_on(tmp_path: Path, s3_server: Any) -> None:
    s3_server.upload_fileobj(io.BytesIO(CONTENT), "bucket", "coco/val2017/1.jpg")
    assert list_s3("s3://bucket/coco") == {"val2017/1.jpg": len(CONTENT)}
    tag = s3_server.head_object(Bucket="bucket", Key="coco/val2017/1.jpg")["ETag"]
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    (tmp_path / "file.part.version").write_text(tag)
    bring("s3://bucket/coco/val2017/1.jpg", tmp_path / "file", SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT
    (tmp_path / "file.part").write_bytes(b"another version's bytes")
    (tmp_path / "file.part.version").write_text("old")
    (tmp_path / "file").unlink()
    bring("s3://bucket/coco/val2017/1.jpg", tmp_path / "file", SHA256)
    with pytest.raises(ValueError, match=r"s3://bucket/none: no such object at http.*check bucket"):
        bring("s3://bucket/none", tmp_path / "none")
    with pytest.raises(ValueError, match="no bucket"):
        list_s3("s3://")
