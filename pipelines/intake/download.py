"""Files from elsewhere: a path, `https://`, `s3://` or `hf://owner/name/file`; zips unpacked.

A download goes on where it stopped, and stands under its name only when size and digest agree.
"""

from __future__ import annotations

import errno
import lzma
import os
import re
import shutil
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import requests

from data.ground.refusal import refusal
from data.ground.zips import check_whole
from pipelines.host.folders import file_digest
from pipelines.host.progress import Tally
from pipelines.host.writable import writable
from pipelines.store.s3_download import download_s3, forget_part, version_file

if TYPE_CHECKING:
    from zipfile import ZipInfo

CHUNK = 1 << 16  # what a lost connection costs at most
MIB = 1 << 20
ATTEMPTS = 5  # of one https download, each going on where the last stopped
ENCRYPTED = 0x1
BROKEN_ZIP = (  # what the reader of zips raises: cut, damaged, of another method
    zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError, struct.error,
    ValueError, NotImplementedError,
)  # fmt: skip
ODD_NAMES = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL)
REMOTE = ("https://", "http://", "s3://", "hf://")
ACCEPTED = f"a file's path, or {', '.join(REMOTE)}"


def bring(source: str, target: Path, digest: str | None = None, size: int | None = None) -> None:
    """Brings one file to `target`.

    digest: sha256 (full or its first 8 or more hex digits) or `md5:...`; size in bytes.
    Raises ValueError naming the source where it cannot be had, or differs.
    """
    _check_spelling(source, digest)
    with writable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and digest and _agrees(target, digest):
        return
    part = target.with_name(f"{target.name}.part")
    if source.startswith("s3://"):
        download_s3(source, part, size)
    elif source.startswith(REMOTE):
        _from_https(https_address(source), part)
    else:
        _from_path(source, part)
    check_file(part, source, digest, size)
    with writable(target):
        part.replace(target)
        version_file(part).unlink(missing_ok=True)


def check_file(path: Path, source: str, digest: str | None, size: int | None) -> None:
    """ValueError, and the file removed, where its size or digest is not as told."""
    if size is not None and path.stat().st_size != size:
        came = path.stat().st_size
        path.unlink()
        raise _wrong_size(source, came, size)
    if digest and not _agrees(path, digest):
        kind, _ = _split_digest(digest)
        fault = f"its {kind} is {file_digest(path, kind)}, expected {digest}"
        path.unlink()
        do = (
            "the file there is another one or was damaged on the way: correct the digest or the "
            "source"
        )
        raise refusal(source, fault=fault, do=do)


def extract(archive: Path, folder: Path) -> None:
    """Unpacks a zip. Raises ValueError, before writing, where an entry would leave `folder`, or
    where the whole is larger than any archive of images and labels."""
    with _zip_errors(archive):
        file = zipfile.ZipFile(archive)
    with file:
        entries = file.infolist()
        for entry in entries:
            _check_entry(archive, entry)
        check_whole(archive, entries)
        tally = Tally(f"unpack {archive.name}", len(entries), "files")
        for entry in entries:
            with _zip_errors(archive):
                file.extract(entry, folder)
            tally.add()
        tally.close()


@contextmanager
def _zip_errors(archive: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN_ZIP as error:
        fault = f"no whole zip ({str(error)[:300]})"
        raise refusal(archive, fault=fault, do="remove it, fetch again") from error
    except OSError as error:
        if error.errno not in ODD_NAMES:
            raise
        fault = f"an entry cannot be a file here ({error.strerror})"
        raise refusal(archive, fault=fault, do="pack it again, with other names") from error


def _from_https(source: str, part: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _get(source, part)
            return
        except requests.RequestException as error:
            refused = error.response is not None and error.response.status_code < 500
            if refused or attempt == ATTEMPTS:
                do = (
                    "check the address and the network; what came so far is kept, and the next "
                    "fetch goes on from there"
                )
                fault = f"cannot be downloaded ({error})"
                raise refusal(source, fault=fault, do=do) from error
            time.sleep(0.2 * 2**attempt)


def _get(source: str, part: Path) -> None:
    """One request. Raises ConnectionError where less came than the server had told."""
    done = part.stat().st_size if part.is_file() else 0
    tag = version_file(part)
    headers = {"Accept-Encoding": "identity"}
    if done and tag.is_file():
        headers |= {"Range": f"bytes={done}-", "If-Range": tag.read_text()}
    with requests.get(source, headers=headers, stream=True, timeout=30) as answer:
        if answer.status_code == 416:  # nothing is left to send, or the file has changed
            if answer.headers.get("Content-Range") == f"bytes */{done}":
                return
            forget_part(part)
            raise requests.ConnectionError("the file there has changed")
        answer.raise_for_status()
        done = done if answer.status_code == 206 else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        _note_version(part, answer.headers.get("ETag") or answer.headers.get("Last-Modified"))
        tally = Tally(source, total or 0, "MiB", MIB)
        tally.add(done, fresh=False)
        _append(part, answer.iter_content(CHUNK), done, tally)
    if total is not None and part.stat().st_size < total:
        raise requests.ConnectionError(f"{part.stat().st_size:,} of {total:,} bytes came")


def _append(part: Path, chunks: Iterable[bytes], done: int, tally: Tally) -> None:
    with part.open("r+b" if done else "wb") as file:
        file.seek(done)
        for chunk in chunks:
            with writable(part):  # not around the chunks: a lost connection is an OSError too
                file.write(chunk)
            tally.add(len(chunk))
    tally.close()


def _note_version(part: Path, version: str | None) -> None:
    with writable(part):
        if version and not version.startswith("W/"):
            version_file(part).write_text(version)
        else:
            version_file(part).unlink(missing_ok=True)


def _from_path(source: str, part: Path) -> None:
    path = Path(source).expanduser()
    if not path.is_file():
        raise refusal(source, fault="no such file", accepted=ACCEPTED)
    with writable(part):
        shutil.copyfile(path, part)


def _wrong_size(source: str, came: int, size: int) -> ValueError:
    fault = f"{came:,} bytes came, expected {size:,}"
    return refusal(source, fault=fault, do="fetch it again")


def https_address(source: str) -> str:
    """hf://owner/name/path -> where Hugging Face serves that file of the main branch."""
    if not source.startswith("hf://"):
        return source
    owner, name, file = source.removeprefix("hf://").split("/", 2)
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{hub}/{owner}/{name}/resolve/main/{file}"


def _check_spelling(source: str, digest: str | None) -> None:
    if source.startswith("hf://") and len([p for p in source[5:].split("/") if p]) < 3:
        raise refusal(source, accepted="hf://owner/name/file")
    if "://" in source and not source.startswith(REMOTE):
        raise refusal(source, accepted=ACCEPTED)
    if digest is not None:
        _split_digest(digest)


def _split_digest(digest: str) -> tuple[str, str]:
    """(kind, hex digits in lower case)."""
    match = re.fullmatch(r"(?:sha256:)?([0-9a-fA-F]{8,64})|md5:([0-9a-fA-F]{32})", digest)
    if not match:
        accepted = "8 to 64 hex digits of a sha256, or md5: and 32 digits"
        raise refusal("digest", given=digest, accepted=accepted)
    return ("sha256", match[1].lower()) if match[1] else ("md5", match[2].lower())


def _agrees(path: Path, digest: str) -> bool:
    kind, digits = _split_digest(digest)
    return file_digest(path, kind).startswith(digits)


def _check_entry(archive: Path, entry: ZipInfo) -> None:
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    link = stat.S_ISLNK(entry.external_attr >> 16)
    if name.is_absolute() or ".." in name.parts or ":" in "".join(name.parts[:1]) or link:
        fault = f"entry {entry.filename[:200]!r} leaves the folder or is a link"
        do = "nothing was unpacked: get the archive from a source that you trust"
        raise refusal(archive, fault=fault, do=do)
    if entry.flag_bits & ENCRYPTED:
        fault = f"entry {entry.filename[:200]!r} is encrypted"
        raise refusal(archive, fault=fault, accepted="zips without a password")
    if not name.parts:
        raise refusal(archive, fault="an entry without a name", do="pack it again")
