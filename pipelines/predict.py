"""Finds people's poses in photos, videos and streams, and draws them.

    python -m pipelines.predict MODEL SOURCE [SOURCE ...] [--out DIR]

MODEL   a promotion slot (`pose-coco`: its champion; `pose-coco@candidate`, `pose-coco:3`), a recipe
        that was trained here, an ONNX file of `export`, or somebody else's with a sidecar (the
        same name in .yaml, or --sidecar). A slot needs MLflow alone ($MLFLOW_TRACKING_URI), no
        data and no results.
SOURCE  photos, folders with all below them, globs, videos, a camera's number, rtsp:// and http://
        streams, s3:// photos, videos and prefixes. Photos are read upright, as people see them.

Networks that read one person at a time want people's boxes: --detector or --boxes; without either
the whole image is one person. Networks that find everyone in the whole image want none.

Below --out: overlays/ (pictures and videos with skeletons: left orange, right blue), poses.json
(COCO's results rows, with names of images and keypoints), images.json (COCO's images and skeleton
beside it), poses.csv (a row per person). What cannot be read or drawn stops nothing else; the exit
code is 1 then. Interrupted (Ctrl-C), what is done is kept.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from data.ground.refusal import refusal
from data.ground.spans import Span
from pipelines.host.command import Arguments, run_command, whole_number
from pipelines.host.progress import Tally
from pipelines.host.signals import Interrupted, catch_signals
from pipelines.media.frame import Source
from pipelines.media.journal import OVERLAYS, POSES, TABLE
from pipelines.media.limited import Limited
from pipelines.media.sources import open_sources
from pipelines.media.window import Window
from pipelines.media.writing import PoseWriter
from pipelines.prediction.ahead import ahead
from pipelines.prediction.api import BOX_SCORE, Predictor
from pipelines.prediction.frames import Began, Ended, Seen, watch, weight
from pipelines.prediction.given_boxes import GivenBoxes, read_given_boxes
from pipelines.prediction.named import RUNTIMES, open_reader

OUT = Path("predictions")


def main(argv: Sequence[str]) -> int:
    return run_command(asked_for(), argv, predict)


def asked_for() -> Arguments:
    """What may be said on the command line."""
    arguments = Arguments("predict", __doc__, intermixed=True)
    arguments.add_argument("model", metavar="MODEL")
    arguments.add_argument("sources", nargs="+", metavar="SOURCE")
    arguments.add_argument(
        "--out", type=Path, default=OUT, metavar="DIR", help="default: ./%(default)s"
    )
    add_people(arguments)
    add_video(arguments)
    add_drawing(arguments)
    return arguments


def add_people(arguments: ArgumentParser) -> None:
    """Whom to look for, and how."""
    arguments.add_argument(
        "--detector",
        metavar="FILE|NAME",
        help="an ONNX file, or its name in params.yaml, that finds people",
    )
    arguments.add_argument(
        "--box-score",
        type=float,
        default=BOX_SCORE,
        metavar="S",
        help="boxes that it is less sure of are nobody (%(default)s)",
    )
    arguments.add_argument(
        "--boxes", type=Path, metavar="FILE", help="people's boxes in COCO's json"
    )
    arguments.add_argument(
        "--sidecar",
        type=Path,
        metavar="FILE",
        help="what another network's ONNX file takes and gives",
    )
    arguments.add_argument(
        "--flip-test",
        action=BooleanOptionalAction,
        help="paint the mirrored image too (as it was evaluated); without it twice as fast",
    )
    arguments.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="what runs an ONNX file of `export` (openvino: `pip install openvino`)",
    )


def add_video(arguments: ArgumentParser) -> None:
    """How the frames of a video are gone through."""
    arguments.add_argument(
        "--detect-every",
        type=whole_number(Span(1, 1_000_000)),
        default=1,
        metavar="N",
        help="of a video: the detector on each N-th frame, boxes from the poses between",
    )
    arguments.add_argument(
        "--batch",
        type=whole_number(Span(1, 4096)),
        default=8,
        metavar="N",
        help="frames at once (%(default)s)",
    )
    arguments.add_argument(
        "--smooth",
        action="store_true",
        help="One-Euro filter over a video's keypoints: calm at rest, some frames late in motion",
    )


def add_drawing(arguments: ArgumentParser) -> None:
    """What is drawn and written."""
    arguments.add_argument(
        "--threshold",
        type=float,
        metavar="T",
        help="keypoints of a score up to it are not drawn (default: the model's)",
    )
    arguments.add_argument("--names", action="store_true", help="keypoints' names beside them")
    arguments.add_argument(
        "--overlays", action=BooleanOptionalAction, default=True, help="pictures and videos"
    )
    arguments.add_argument("--show", action="store_true", help="in a window, too")
    arguments.add_argument(
        "--seconds", type=float, metavar="S", help="of a stream or camera: end after so many"
    )


def predict(asked: Namespace) -> int:
    """Exit code: 0, 1 where a source failed, 128 + n where a signal ended it."""
    catch_signals()
    try:
        predictor, sources = open_predictor(asked), open_sources(asked.sources, out=asked.out)
        tell_whole_images(predictor)
        if predictor.reader.about:
            print(f"{predictor.reader.name}: {predictor.reader.about}")
        return run(predictor, sources, asked)
    except Interrupted as interrupted:
        print("predict: interrupted", file=sys.stderr, flush=True)
        return 128 + int(interrupted.args[0])


def open_predictor(asked: Namespace) -> Predictor:
    if asked.boxes and asked.detector:
        raise refusal("predict", accepted="--boxes or --detector, not both")
    if asked.threshold is not None and not math.isfinite(asked.threshold):
        raise refusal("--threshold", given=asked.threshold, accepted="a number")
    if asked.seconds is not None and not asked.seconds > 0:
        raise refusal("--seconds", given=asked.seconds, accepted="above 0")
    reader = open_reader(
        asked.model, flip_test=asked.flip_test, sidecar=asked.sidecar, runtime=asked.runtime
    )
    if not reader.needs_boxes and (asked.boxes or asked.detector):
        fault = f"{asked.model} finds everyone in the whole image itself"
        raise refusal("predict", fault=fault, do="leave out --boxes and --detector")
    given = read_given_boxes(asked.boxes, reader.skeleton) if asked.boxes else None
    return Predictor(
        reader,
        detector=asked.detector,
        given=given,
        detect_every=asked.detect_every,
        batch=asked.batch,
        smooth=asked.smooth,
        box_score=asked.box_score,
    )


def tell_whole_images(predictor: Predictor) -> None:
    looking = predictor.looking
    if predictor.reader.needs_boxes and looking.detector is None and looking.given is None:
        print(
            f"{predictor.reader.name} reads one person at a time, and nothing says where people "
            "are: each whole image is one person (--detector or --boxes says where)"
        )


def run(predictor: Predictor, sources: Sequence[Source], asked: Namespace) -> int:
    """Everything read, drawn, written; what is done when a signal comes is kept."""
    reader, told = predictor.reader, Told(predictor.reader.name, sources)
    threshold = predictor.threshold if asked.threshold is None else asked.threshold
    if asked.seconds is not None:
        sources = [Limited(source, asked.seconds) for source in sources]
    with ExitStack() as stack:
        stack.callback(told.close, asked.out)
        window = stack.enter_context(Window("predict")) if asked.show else None
        drawing = {"threshold": threshold, "names": asked.names}
        writer = PoseWriter(asked.out, reader.skeleton, overlays=asked.overlays, **drawing)
        stack.enter_context(writer)
        seen, batch = watch(sources, reader, predictor.looking), predictor.looking.batch
        # the network looks at the next frames while these are drawn
        for event in stack.enter_context(closing(ahead(seen, batch, weigh=weight))):
            if isinstance(event, Began):
                writer.begin(event.source)
            elif isinstance(event, Ended):
                writer.end(event.source)
                told.end(event, undrawn=event.source.name in writer.faults)
            else:
                drawn = writer.add(event.frame, event.poses)
                told.add(event)
                if window and not window.show(event.frame.image if drawn is None else drawn):
                    break
    given = predictor.looking.given
    strange = isinstance(given, GivenBoxes) and tell_unknown(given, asked.boxes)
    return 1 if told.failed or writer.faults or strange else 0


def tell_unknown(given: GivenBoxes, path: Path) -> bool:
    """Says how many photos and frames have no entry in the file; whether none has one."""
    of = counted(given.asked, "photo or frame", "photos and frames")
    if given.asked and given.unknown == given.asked:
        do = "name photos as file_name does, or by image_id (000000000785.jpg)"
        print(f"error: {refusal(path, fault=f'it has an entry for none of {of}', do=do)}",
              file=sys.stderr)  # fmt: skip
        return True
    if given.unknown:
        print(f"{path}: no entry for {given.unknown:,} of {of}: nobody was looked for there")
    return False


class Told:
    """What a person hears: how far it is, which sources failed, what there is at the end."""

    def __init__(self, name: str, sources: Sequence[Source]) -> None:
        counts = [source.count for source in sources]
        total = sum(count or 0 for count in counts) if all(counts) else 0
        self._tally = Tally(name, total, "frames")
        self.frames = self.people = self.failed = 0

    def add(self, event: Seen) -> None:
        self._tally.add()
        self.frames += 1
        self.people += len(event.poses)

    def end(self, event: Ended, *, undrawn: bool) -> None:
        self.failed += bool(event.error or undrawn)
        if event.error:
            print(f"error: {event.error}", file=sys.stderr, flush=True)

    def close(self, out: Path) -> None:
        self._tally.close()
        failed = f"; {counted(self.failed, 'source')} failed" if self.failed else ""
        frames, people = counted(self.frames, "frame"), counted(self.people, "person", "people")
        print(f"{frames}, {people}{failed}")
        for name in (OVERLAYS, POSES, TABLE):
            if (out / name).exists():
                print(f"  {out / name}")


def counted(number: int, one: str, more: str = "") -> str:
    """`1 frame`, `1,200 frames`."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
