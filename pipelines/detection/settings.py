"""What may be said of a detector: in params.yaml (`detectors:`), or in a yaml file beside it.

Where params.yaml names it, its entry is the whole truth: what a yaml beside the file says counts
for a detector that is given by its file.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from data.ground.refusal import refusal
from data.ground.spans import DEVIATIONS, MEANS, Share, Span
from pipelines.recipe.beside import read_beside
from pipelines.recipe.detectors import DETECTORS, detector_entries, sidecars
from pipelines.recipe.params import PARAMS
from pipelines.recipe.strict import read

SCORE = 0.05  # the least score where nothing else is said: all that person AP needs
MOST = 300  # people of one image
OWN = ("file", "sha256")  # which file it is: no setting of it


@dataclass(frozen=True)
class DetectorSettings:
    """Every key is optional but `file` in params.yaml; what is not said, the outputs' kind tells.

    file: path (from the home folder) or address; sha256: of it, needed for an address.
    score: boxes below it are left out; nms: boxes that overlap a better one by more are (IoU);
    most: boxes of an image; classes: which are people (0 is COCO's person).
    kind: one of `kinds.KINDS`, where outputs of two kinds look alike. size: [width, height] that
    the network is fed, where its input leaves it free; layout, colour: of its input; mean, std: by
    channel as fed, of pixels of 0 to 255; fit: scaled into its input at the upper left corner or
    centre, the rest filled with `padding`, or stretched over it.
    """

    file: str | None = None
    sha256: str | None = None
    kind: str | None = None
    score: Share | None = None
    nms: Share | None = None
    most: Annotated[int, Span(1, 10_000)] | None = None
    classes: list[Annotated[int, Span(0, 100_000)]] | None = None
    size: list[Annotated[int, Span(8, 8192)]] | None = None
    layout: Literal["nchw", "nhwc"] | None = None
    colour: Literal["rgb", "bgr"] | None = None
    mean: list[Annotated[float, MEANS]] | None = None
    std: list[Annotated[float, DEVIATIONS]] | None = None
    fit: Literal["corner", "centre", "stretch"] | None = None
    padding: Annotated[int, Span(0, 255)] | None = None

    def over(self, other: DetectorSettings) -> DetectorSettings:
        """These, and where they say nothing, the others."""
        said = {name: each for name, each in vars(self).items() if each is not None}
        return dataclasses.replace(other, **said)


def read_settings(entry: object, where: str) -> DetectorSettings:
    """Strictly. Raises ValueError that names the key, and the nearest for an unknown one."""
    settings: DetectorSettings = read(DetectorSettings, entry, where)
    check(settings, where)
    return settings


def check(settings: DetectorSettings, where: str) -> None:
    """ValueError that names the key where a value is none."""
    said = {key: each for key, each in vars(settings).items() if each is not None}
    read(DetectorSettings, said, where)  # what did not come from a file has spans too
    if settings.sha256 and not re.fullmatch(r"(sha256:)?[0-9a-fA-F]{8,64}", settings.sha256):
        raise refusal(f"{where}: sha256", given=settings.sha256, accepted="8 to 64 hex digits")
    accepted = {
        "size": (2, "[width, height] in pixels"),
        "mean": (3, "a number for each of three channels"),
        "std": (3, "a number over 0 for each of three channels"),
    }
    for key, (length, words) in accepted.items():
        value = getattr(settings, key)
        if value is not None and len(value) != length:
            raise refusal(f"{where}: {key}", given=value, accepted=words)
    if settings.classes is not None and not settings.classes:
        raise refusal(f"{where}: classes", given=settings.classes, accepted="numbers from 0")


def named_settings(name: str, params: Path = PARAMS) -> DetectorSettings:
    """The detector's entry in params.yaml. Raises ValueError where it is none, or has no file."""
    where = f"params.yaml: {DETECTORS}.{name}"
    settings = read_settings(detector_entries(params).get(name), where)
    if not settings.file:
        raise refusal(f"{where}: file", fault="missing", do="it has no default")
    return settings


def check_beside(name: str, entry: DetectorSettings, file: Path) -> None:
    """ValueError where a yaml beside an entered file says what the entry does not.

    The entry alone decides what a named detector finds, since that is what stages are run by.
    """
    if unsaid := beside_alone(entry, file):
        path = next(each for each in sidecars(file) if each.is_file())
        where = f"params.yaml: {DETECTORS}.{name}"
        fault = f"{path} beside its file says {', '.join(unsaid)}, the entry does not"
        do = f"`python -m pipelines.detect --add {name} {entry.file}` copies it there"
        raise refusal(where, fault=fault, do=do)


def beside_alone(entry: DetectorSettings, file: Path) -> dict[str, Any]:
    """What the yaml beside a file says and an entry leaves open."""
    said = {key: each for key, each in vars(settings_beside(file)).items() if key not in OWN}
    return {k: each for k, each in said.items() if each is not None and vars(entry)[k] is None}


def settings_beside(file: Path) -> DetectorSettings:
    """Of FILE.yaml or FILE.onnx.yaml beside FILE.onnx; nothing said where there is neither."""
    for path in sidecars(file):
        if path.is_file() and path != file:
            return read_settings(read_beside(path), str(path))
    return DetectorSettings()
