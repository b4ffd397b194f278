"""Images, weights and archives with bytes changed, and what S3 sends on its way."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from botocore.exceptions import ResponseStreamingError
from PIL import Image
from safetensors.torch import save_file

from data.datasets.formats.picture_folder import PictureFolder
from data.datasets.formats.values import RowError
from data.files.image_size import LONGEST_SIDE, MOST_PIXELS
from data.files.images import RowReader, as_seen, decode, read_image
from models.weight_files import read_state_dict
from pipelines.host.tensors import read_tensors
from pipelines.intake.download import bring, extract
from pipelines.intake.image_check import Told, check_image
from pipelines.media.photos import read_photo
from pipelines.serving.model_input import read_row
from pipelines.store import s3_download
from pipelines.survey.seen import see_image
from tests.chaos.fault import Fault, Outcome
from tests.chaos.limits import limited
from tests.chaos.mutants import HOLDS
from tests.chaos.mutators import ODD, broken_bytes, promising

FORMATS = {"jpg": {"quality": 90}, "jpeg": {"progressive": True}, "png": {}, "bmp": {}, "gif": {},
           "webp": {}, "tif": {}, "ppm": {}, "jp2": {}}  # fmt: skip


def picture(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    pixels, into = cv2.resize(pixels, (96, 72), interpolation=cv2.INTER_CUBIC), io.BytesIO()
    Image.fromarray(pixels).save(into, Image.registered_extensions()[f".{kind}"], **FORMATS[kind])
    return into.getvalue()


def broken_image(draw: random.Random, folder: Path) -> Outcome:
    kind = draw.choice(list(FORMATS))
    path = folder / f"photo.{kind}"
    path.write_bytes(draw.choice((broken_bytes, promising))(draw, picture(kind)))
    readers = (
        lambda: read_image(path),
        lambda: read_image(as_seen(path)),
        lambda: RowReader()(path, 40),
        lambda: decode(path.read_bytes(), eighth=True),
        lambda: read_photo(path, "photo"),
        lambda: read_row({"image": path.read_bytes()}, "photo")[0],
    )

    def read() -> None:
        fault = check_image(Told(str(path), 0, 0)).fault
        see_image(folder, path.name)
        with suppress(RowError):
            PictureFolder(folder).size(path.name)
        said = []
        for each in readers:
            try:
                image = each()
            except ValueError as error:
                said.append(error)
                continue
            if image is not None:
                height, width = image.shape[:2]
                assert height * width <= MOST_PIXELS and max(height, width) <= LONGEST_SIDE
        if fault is None:
            read_image(path)  # what prepare takes, training reads
        elif said:
            raise said[0]

    return limited(read, ("photo", "image"))


def broken_weights(draw: random.Random, folder: Path) -> Outcome:
    """Read as they are, and by their digest, which nothing that was changed has."""
    state = {f"layer.{n}.weight": torch.full((4, 3), float(n)) for n in range(6)}
    path = folder / draw.choice(("weights.pt", "weights.safetensors"))
    torch.save(state, path) if path.suffix == ".pt" else save_file(state, path)
    whole = path.read_bytes()
    path.write_bytes(broken_bytes(draw, whole))
    digest = hashlib.sha256(whole).hexdigest()

    def read() -> None:
        for each in (read_state_dict, read_tensors):
            try:
                each(path)
            except ValueError as error:
                assert path.name in str(error)
        if path.read_bytes() != whole:
            bring(str(path), folder / "kept", digest)
            raise AssertionError("another file than its digest says was taken")

    return limited(read, (path.name,))


def odd_zip(draw: random.Random, folder: Path) -> Outcome:
    path, target = folder / "some.zip", folder / "out"
    with zipfile.ZipFile(
        path, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    ) as file:
        for number in range(draw.randrange(1, 5)):
            name = draw.choice((*ODD, f"images/{number}.jpg", f"../{number}", "a", "a/b", "c:/x"))
            content = draw.choice((b"content", bytes(draw.choice((100, 1 << 22)))))
            entry = zipfile.ZipInfo(name or "x")
            entry.external_attr = draw.choice((0o100644, 0o100644, 0o120777, 0o40755)) << 16
            file.writestr(entry, content, draw.choice((None, zipfile.ZIP_DEFLATED)))
    if draw.random() < 0.7:
        path.write_bytes(broken_bytes(draw, path.read_bytes()))

    def read() -> None:
        try:
            extract(path, target)
        finally:
            out = [p for p in folder.rglob("*") if p != path and not p.is_relative_to(target)]
            size = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
            assert not out and size <= 100 * path.stat().st_size + (1 << 20)
            assert not any(p.is_symlink() for p in target.rglob("*"))

    return limited(read, (path.name,))


class PlayedS3:
    """Answers as boto3's client, each body broken by chance."""

    def __init__(self, content: bytes, draw: random.Random) -> None:
        self.content, self.draw, self.share = content, draw, draw.choice((0.0, 0.3, 0.3, 1.0))
        self.tag = f'"{hashlib.md5(content).hexdigest()}"'

    def head_object(self, **_: Any) -> dict[str, Any]:
        return {"ETag": self.tag, "ContentLength": len(self.content)}

    def get_object(self, Range: str = "", **_: Any) -> dict[str, Any]:
        body = self.content
        if Range:
            begin, end = Range.removeprefix("bytes=").split("-")
            body = body[int(begin) : int(end) + 1]
        cut = self.draw.random() < 0.2
        if self.draw.random() < self.share:
            body = broken_bytes(self.draw, body)
        return {"ETag": self.tag, "Body": PlayedBody(body, cut and self.share > 0)}


class PlayedBody(io.BytesIO):
    def __init__(self, content: bytes, cut: bool) -> None:
        super().__init__(content)
        self.cut = cut

    def read(self, *given: Any) -> bytes:
        if self.cut:
            raise ResponseStreamingError(error="reset")
        return super().read(*given)


def broken_bodies(draw: random.Random, folder: Path) -> Outcome:
    content = draw.randbytes(draw.choice((0, 10, 5000)))
    known = draw.choice((len(content), None))
    if known is None and draw.random() < 0.3:
        (folder / "came.part").write_bytes(draw.randbytes(7))

    def read() -> None:
        played = PlayedS3(content, draw)
        s3_download.s3_client = lambda: played
        s3_download.back_off = lambda attempt: None
        bring("s3://bucket/some/file", folder / "came", None, known)
        assert (folder / "came").read_bytes() == content, "other bytes than S3 has were taken"

    return limited(read, ("some/file",))


CHANGED = "with bytes changed"
FAULTS = [
    Fault("mutant-image", f"images of nine formats {CHANGED}", HOLDS, broken_image, 2000, 40),
    Fault("mutant-weights", f"weights {CHANGED}", HOLDS, broken_weights, 700, 15),
    Fault("mutant-zip", f"zips {CHANGED}, odd names, bombs", HOLDS, odd_zip, 1000, 25),
    Fault("broken-bodies", "S3 sends bodies cut and damaged", "the right bytes, or a sentence",
          broken_bodies, 500, 20),
]  # fmt: skip
