"""A detector by what a user calls it: a file, an address, or a name of params.yaml."""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import numpy as np

from data.ground.refusal import refusal
from pipelines.detection.kinds.looked import Reading
from pipelines.detection.kinds.menu import KINDS, kind_of
from pipelines.detection.network import Network, look, no_detector, open_network
from pipelines.detection.onnx_detector import OnnxDetector
from pipelines.detection.settings import (
    MOST,
    SCORE,
    DetectorSettings,
    check,
    check_beside,
    named_settings,
    settings_beside,
)
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.download import REMOTE, bring
from pipelines.recipe.detectors import DETECTORS, detector_entries, entered_file
from pipelines.recipe.params import PARAMS
from pipelines.recipe.strict import hint

MARK = "#sha256="  # behind an address, as in pip's


def open_detector(
    given: str,
    *,
    score: float | None = None,
    settings: DetectorSettings | None = None,
    params: Path = PARAMS,
) -> OnnxDetector:
    """The detector, of the kind that its outputs are.

    given: an ONNX file, its address (`s3://`, `https://`; its sha256 in the settings, or behind
    `#sha256=`; brought once), or a name of `detectors:` in params.yaml. score: the least of a box.
    What `settings` say goes before the entry of params.yaml, or before a yaml file beside the
    ONNX where that is what is given; an entry that leaves open what the yaml says is refused.
    Raises ValueError for anything else.
    """
    source, name, said = _told(given, settings or DetectorSettings(), params)
    check(said, given)
    path = detector_file(source, said.sha256)
    digest = _digest(path, said.sha256)
    if given in detector_entries(params):
        check_beside(given, named_settings(given, params), path)
    else:
        said = said.over(settings_beside(path))
    network, reading = _network(path, said, given)
    least = said.score if score is None else score
    least = SCORE if least is None else least
    return OnnxDetector(name, digest, network, _as_said(reading, said), least, said.most or MOST)


def _digest(path: Path, expected: str | None) -> str:
    """The file's sha256. Raises ValueError where it is another one, or no file is there."""
    if not path.is_file():
        raise refusal(path, fault="no such file", accepted="an ONNX file of a detector")
    digest = file_digest(path)
    if expected and not digest.startswith(_digits(expected)):
        do = "the file is another one: correct the digest or the file"
        raise refusal(path, fault=f"its sha256 is {digest}, expected {expected}", do=do)
    return digest


def _network(path: Path, said: DetectorSettings, given: str) -> tuple[Network, Reading]:
    """The file opened, and how it is read. Raises ValueError where its outputs are of no kind."""
    if said.kind is not None and said.kind not in KINDS:
        accepted = f"{', '.join(KINDS)}{hint(said.kind, KINDS)}"
        raise refusal(f"{given}: kind", given=said.kind, accepted=accepted)
    network = open_network(path, said)
    if (said.mean or said.std) and not np.issubdtype(network.kind, np.floating):
        fault = f"its input takes {np.dtype(network.kind)}, pixels as they are"
        raise refusal(f"{given}: mean, std", fault=fault, do="leave them out of its settings")
    looked = look(network)
    if (reading := kind_of(looked, said.kind)) is not None:
        return network, reading
    made = looked.outputs.items()
    told = ", ".join(f"{name} {each.dtype} {[1, *each.shape]}" for name, each in made)
    asked = f", not as `kind: {said.kind}` has them" if said.kind else ""
    raise no_detector(path, f"of one image its outputs are {told}{asked}")


def detector_file(source: str, sha256: str | None) -> Path:
    """The ONNX file here: a path as it is; an address's file, brought once and checked."""
    if not source.startswith(REMOTE):
        return Path(source).expanduser()
    if not sha256:
        do = f"put the file's sha256 into its settings, or behind the address: {MARK}..."
        raise refusal(source, fault="an address without a digest", do=do)
    path = places.detectors() / _digits(sha256)[:16] / f"{_stem(source)}.onnx"
    bring(source, path, sha256)
    return path


def _told(
    given: str, settings: DetectorSettings, params: Path
) -> tuple[str, str, DetectorSettings]:
    """Where the file is, what the detector is called, and all settings of it."""
    entries = detector_entries(params)
    if given in entries:
        settings = settings.over(named_settings(given, params))
        source = str(settings.file)
        here = source if source.startswith(REMOTE) else str(entered_file(source))
        return here, given, settings
    source, _, digest = given.partition(MARK) if given.startswith(REMOTE) else (given, "", "")
    if digest:
        settings = dataclasses.replace(settings, sha256=digest)
    path = Path(source).expanduser()
    if source.startswith(REMOTE) or path.exists() or path.suffix:
        return source, _stem(source), settings
    names = ", ".join(entries) or "none yet"
    accepted = f"an ONNX file, its address, or a name of `{DETECTORS}:` in params.yaml ({names})"
    raise refusal("detector", given=given, accepted=accepted + hint(given, entries))


def _stem(source: str) -> str:
    """What a file is called, without its ending."""
    path = urlsplit(source).path if source.startswith(REMOTE) else source
    return PurePosixPath(path).stem.strip(".") or "detector"


def _as_said(reading: Reading, said: DetectorSettings) -> Reading:
    """The kind's own way, but where settings say otherwise."""
    keys = ("fit", "padding", "colour", "mean", "std")
    feeding = {key: getattr(said, key) for key in keys if getattr(said, key) is not None}
    own = {key: getattr(said, key) for key in ("nms", "classes") if getattr(said, key) is not None}
    made = dataclasses.replace(reading.feeding, **feeding)
    return dataclasses.replace(reading, feeding=made, **own)


def _digits(sha256: str) -> str:
    return sha256.removeprefix("sha256:").lower()
