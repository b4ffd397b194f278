"""An ONNX file that is fed one image or several: its input, its batch, its outputs by image."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError

from data.ground.refusal import refusal
from pipelines.detection.feeding import RGB, STRETCH, UNIT, Feeding
from pipelines.detection.kinds.looked import Looked, Outputs
from pipelines.detection.kinds.menu import ACCEPTED
from pipelines.detection.settings import DetectorSettings
from pipelines.host.onnx_session import NUMPY, filled, open_session, run_session, signature

SIZE = (640, 640)  # of networks that leave it free
AT_ONCE = 8  # images of one run where the network leaves it free: large ones take GiB for more
LARGEST = 1 << 26  # pixels of all images of one run: no detector's input is larger
GREY = 114
PASSING = ("Cast", "Identity")
NCHW, NHWC = "nchw", "nhwc"


@dataclass(frozen=True)
class Network:
    """size: (width, height) of the input; first: channels before rows; kind: its type of numbers.

    batch: images of one run; fixed: it takes that many and no fewer; size_input: the input that is
    fed the size that boxes are to be in.
    """

    path: Path
    session: onnxruntime.InferenceSession
    image_input: str
    size_input: str | None
    size: tuple[int, int]
    first: bool
    kind: type[np.generic]
    size_kind: type[np.generic]
    batch: int
    fixed: bool

    def run(self, feeding: Feeding, canvases: np.ndarray) -> list[Outputs]:
        """Outputs of each canvas (uint8 [b, h, w, 3], b up to `batch`). Raises ValueError."""
        given = len(canvases)
        if self.fixed and given < self.batch:
            canvases = filled(canvases, self.batch)
        feeds = {self.image_input: feeding.fed(canvases, self.kind, self.first)}
        if self.size_input:
            feeds[self.size_input] = np.array([self.size] * len(canvases), self.size_kind)
        made = run_session(self.session, feeds, self.path)
        for name, each in made.items():
            if each.shape[:1] != (len(canvases),):
                told = f"of {len(canvases)} images its output {name} is {list(each.shape)}"
                raise no_detector(self.path, told)
        return [{name: each[i] for name, each in made.items()} for i in range(given)]


def open_network(path: Path, settings: DetectorSettings) -> Network:
    """The file as settings and its own input say. Raises ValueError where it reads no images."""
    session = open_session(path)
    image, other = _inputs(path, session)
    first = _channels_first(path, image, settings)
    own = image.shape[3:1:-1] if first else image.shape[2:0:-1]
    batch = image.shape[0] if isinstance(image.shape[0], int) else None
    size = _size(path, own, settings)
    pixels = size[0] * size[1] * (1 if batch is None else batch)
    if not 0 < pixels <= LARGEST:
        fault = f"its input is {image.shape}, {pixels:,} pixels"
        raise refusal(path, fault=fault, accepted=f"1 to {LARGEST:,}")
    network = Network(
        path,
        session,
        image.name,
        other.name if other else None,
        size,
        first,
        NUMPY[image.type],
        NUMPY[other.type] if other else np.int64,
        1 if batch is None else batch,
        batch is not None,
    )
    return network if network.fixed else _as_many_as_go(network)


def look(network: Network) -> Looked:
    """What tells its kind, of one grey image."""
    outputs = network.run(*_grey(network, 1))[0]
    takes = network.size_input is not None
    names = class_names(network.session)
    return Looked(outputs, network.size, names, takes, lambda: first_operators(network))


def class_names(session: onnxruntime.InferenceSession) -> Sequence[str] | None:
    """Of the metadata that exporters of YOLO write: `names`, a mapping or a list."""
    text = session.get_modelmeta().custom_metadata_map.get("names", "")
    names: object = None
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        names = ast.literal_eval(text)  # whatever else stands there tells nothing
        names = [names[key] for key in sorted(names)] if isinstance(names, dict) else names
    return [str(name) for name in names] if isinstance(names, list) and names else None


def first_operators(network: Network) -> frozenset[str]:
    """Types of the operators that read the image first, but for those that change no pixel.

    None of them where the file does not say.
    """
    try:
        graph = onnx.load(network.path, load_external_data=False).graph
    except (OSError, DecodeError):
        return frozenset()
    images, found = {network.image_input}, set[str]()
    for node in graph.node:  # in the order in which they run
        if images.isdisjoint(node.input):
            continue
        if node.op_type in PASSING:
            images |= set(node.output)
        elif node.op_type != "Shape":
            found.add(node.op_type)
    return frozenset(found)


def no_detector(path: Path, told: str) -> ValueError:
    """The refusal of a network that is of no kind; told: what it takes or puts out."""
    do = "export the detector so, or say which `kind` it is in its settings"
    fault = f"no detector whose outputs are known ({told})"
    return refusal(path, fault=fault, accepted=ACCEPTED, do=do)


def _inputs(path: Path, session: onnxruntime.InferenceSession) -> tuple[Any, Any | None]:
    """The input that takes images, and the one that takes a size (two numbers an image)."""
    given = session.get_inputs()
    images = [one for one in given if len(one.shape) == 4 and one.type in NUMPY]
    sizes = [one for one in given if one.shape[1:] == [2] and one.type in NUMPY]
    if len(images) != 1 or len(sizes) > 1 or len(images) + len(sizes) != len(given):
        accepted = "one input of images, and no other but one of sizes, [images, 2]"
        raise refusal(path, fault=f"no detector ({signature(session)})", accepted=accepted)
    return images[0], sizes[0] if sizes else None


def _channels_first(path: Path, image: Any, settings: DetectorSettings) -> bool:
    free = [not isinstance(side, int) for side in image.shape]
    may_be = {NCHW: image.shape[1] == 3 or free[1], NHWC: image.shape[3] == 3 or free[3]}
    known = [NCHW] if image.shape[1] == 3 else [NHWC] if image.shape[3] == 3 else []
    layout = settings.layout or (known or [each for each in may_be if may_be[each]] or [""])[0]
    if not may_be.get(layout):
        fault = f"its input {image.name} is {image.shape}" + (f", no {layout}" if layout else "")
        raise refusal(path, fault=fault, accepted="[images, 3, height, width], or 3 at the end")
    return layout == NCHW


def _size(path: Path, own: Sequence[Any], settings: DetectorSettings) -> tuple[int, int]:
    asked = settings.size or SIZE
    size = [
        side if isinstance(side, int) else other for side, other in zip(own, asked, strict=True)
    ]
    if settings.size and list(settings.size) != size:
        do = "leave `size` out of its settings"
        raise refusal(f"{path}: size", given=settings.size, accepted=f"its own, {size}", do=do)
    return size[0], size[1]


def _as_many_as_go(network: Network) -> Network:
    """Several images a run where the graph keeps the promise of its input."""
    several = dataclasses.replace(network, batch=AT_ONCE)
    try:
        several.run(*_grey(network, 2))
    except ValueError:
        return network
    return several


def _grey(network: Network, images: int) -> tuple[Feeding, np.ndarray]:
    width, height = network.size
    plain = Feeding(STRETCH, GREY, RGB, *UNIT)
    return plain, np.full((images, height, width, 3), GREY, np.uint8)
