"""Finds people of a data set by a detector: boxes for `AP@det`, and how good they are.

    python -m pipelines.detect DATASET
    python -m pipelines.detect --add NAME FILE [--for DATASET]

The stage: of each prepared split but the one that is trained on, by the detector that params.yaml
names (`detect:`). Out, whole or not at all: data/store/detected/DATASET with detections_SPLIT.json
(COCO's results format) and detected.json (the detector, its boxes' AP and AR). A file of boxes that
the data set brings wins, and is scored; without a detector nothing is found, and nothing is run.

--add writes a detector into params.yaml: an ONNX file, its path or address (https://, s3://), with
its sha256 and what a yaml beside it says; --for: it finds the people of that data set from now on.
"""

from __future__ import annotations

import re
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from data.ground.refusal import refusal
from pipelines.detection.detected import Detected
from pipelines.detection.detecting import Described, Open, write_detected
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.progress import told_number
from pipelines.intake.download import REMOTE, bring
from pipelines.recipe.addresses import check_addresses
from pipelines.recipe.detectors import (
    DETECT,
    DETECTORS,
    add_detector,
    detector_entries,
    runs_by_itself,
)
from pipelines.recipe.params import PARAMS

OpenAs = Callable[[str, Mapping[str, Any]], Described]  # by its file, and the entry of its name


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("detect", __doc__)
    either = arguments.add_mutually_exclusive_group(required=True)
    either.add_argument("dataset", nargs="?", help="a data set of the menu and of params.yaml")
    either.add_argument("--add", nargs=2, metavar=("NAME", "FILE"), help="write a detector's entry")
    arguments.add_argument(
        "--for", dest="datasets", action="append", default=[], metavar="DATASET",
        help="with --add: finds people of this data set",
    )  # fmt: skip
    return run_command(arguments, argv, act)


def act(asked: Namespace) -> None:
    if asked.add is not None:
        name, file = asked.add
        add(name, file, asked.datasets)
    elif asked.datasets:
        raise refusal("--for", accepted="with --add NAME FILE")
    else:
        detect(asked.dataset)


def open_named(name: str) -> Described:
    """By its name in params.yaml, or by its file."""
    from pipelines.detection.opening import open_detector

    return open_detector(name)


def open_as(file: str, entry: Mapping[str, Any]) -> Described:
    """A file, read as the settings of an entry say, wherever that lies and whatever its digest."""
    from pipelines.detection.opening import open_detector
    from pipelines.detection.settings import read_settings

    said = {key: each for key, each in entry.items() if key not in ("file", "sha256")}
    return open_detector(file, settings=read_settings(said, f"params.yaml: {DETECTORS}"))


def detect(dataset: str, opens: Open = open_named, params: Path = PARAMS) -> Detected:
    """The stage, told in lines."""
    record = write_detected(dataset, opens, params)
    print("\n".join(told(record)), flush=True)
    return record


def told(record: Detected) -> list[str]:
    """Split by split whose boxes, how many, how good; what to do where there are none."""
    lines = []
    for name, split in record.splits.items():
        whose = f"of {split.file}, which the data set brings" if split.brought else ""
        if record.detector is not None and not split.brought:
            whose = f"by {record.detector.name} ({record.detector.kind})"
        score = "not scored: no file of boxes, or nobody has one in the truth"
        if people := split.people:
            score = "  ".join(f"{k} {told_number(k, v)}" for k, v in people.numbers.items())
            score = f"boxes of {people.people:,} people: {score}"
            if people.spanned:
                score += " (true boxes are what keypoints span, not whole people's)"
        lines.append(
            f"{record.dataset} {name}: {split.boxes:,} boxes {whose}, {split.images:,} images"
        )
        lines.append(f"  {score}")
        if split.unreadable:
            lines.append(f"  {split.unreadable:,} images cannot be read: nobody is found there")
    if not lines:
        how = f"`python -m pipelines.detect --add NAME FILE --for {record.dataset}` names one"
        lines.append(f"{record.dataset}: no detector finds its people (no AP@det); {how}")
    return lines


def add(
    name: str,
    file: str,
    datasets: Sequence[str],
    path: Path = PARAMS,
    opens: OpenAs = open_as,
) -> None:
    """Opens the file, then writes it, as it is now, into params.yaml; an entry's settings stay."""
    if not re.fullmatch(r"[A-Za-z][\w.-]*", name) or Path(name).suffix == ".onnx":
        raise refusal("--add", given=name, accepted="a name: letters, digits, - and _")
    check_addresses(file, "--add")
    remote = file.startswith(REMOTE)
    if not remote and not Path(file).expanduser().is_file():
        raise refusal(file, fault="no such file", accepted="an ONNX file of a detector")
    entered = detector_entries(path).get(name)
    before = dict(entered) if isinstance(entered, dict) else {}
    with tempfile.TemporaryDirectory() as part:
        brought = Path(part) / PurePosixPath(file).name if remote else Path(file).expanduser()
        if remote:
            bring(file, brought)
        found = opens(str(brought), before)
    entry = {"file": file if remote else places.told_path(brought), "sha256": found.digest}
    copied = {} if remote else said_beside(brought, before)
    add_detector(name, entry | copied, datasets, path)
    print(f"params.yaml: {DETECTORS}.{name}: {found.kind}, sha256 {found.digest}")
    if copied:
        told = ", ".join(f"{key} {value}" for key, value in copied.items())
        print(f"params.yaml: {DETECTORS}.{name}: {told}, of the yaml beside the file")
    for dataset in datasets:
        print(f"params.yaml: {DETECT}.{dataset}: {name} finds its people; {how(dataset, path)}")


def said_beside(file: Path, before: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the yaml beside a file that its entry does not hold yet."""
    from pipelines.detection.settings import beside_alone, read_settings

    return beside_alone(read_settings(dict(before), f"params.yaml: {DETECTORS}"), file)


def how(dataset: str, path: Path) -> str:
    """What runs its stage, as it is typed."""
    if runs_by_itself(dataset, path):
        return "`make repro` runs it"
    return (
        f"`make repro RECIPE=NAME` of a recipe of {dataset} runs it (`run:` does not name it yet)"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
