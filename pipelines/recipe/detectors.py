"""Detectors that params.yaml names, and which of them finds a data set's people for `AP@det`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.recipe.datasets import PARAMS, data_set, data_set_names
from pipelines.recipe.params import load_params
from pipelines.recipe.strict import hint
from pipelines.recipe.yaml_edits import add_lines, edited, on_one_line

DETECTORS, DETECT = "detectors", "detect"  # keys of params.yaml


def detector_entries(path: Path = PARAMS) -> dict[str, Any]:
    """`detectors:` of params.yaml as it stands there, by name; none where there is no such file.

    Raises ValueError for no mapping.
    """
    return _mapping(path, DETECTORS)


def detector_entry(name: str, path: Path = PARAMS) -> dict[str, Any]:
    """One of them; `pipelines/detection/settings.py` says what may stand there.

    Raises ValueError where it is no mapping with a file.
    """
    entry = detector_entries(path).get(name)
    if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
        where = f"params.yaml: {DETECTORS}.{name}"
        raise refusal(where, given=entry, accepted="{file: FILE.onnx, sha256: ...}")
    return entry


def detector_of(dataset: str, path: Path = PARAMS) -> str | None:
    """Name of the detector that finds a data set's people, None where `detect:` names none.

    What is made of others is scored as the first of them, and takes its detector where it has none
    of its own. Raises ValueError for names that are none.
    """
    chosen, entries = _mapping(path, DETECT), detector_entries(path)
    _check_keys(chosen, data_set_names(path))
    scored = next(iter(data_set(dataset, path).members), dataset)
    given = chosen.get(dataset) or chosen.get(scored)
    if given is not None and given not in entries:
        key = dataset if chosen.get(dataset) else scored
        listed = ", ".join(entries) or "none yet"
        raise refusal(
            f"params.yaml: {DETECT}.{key}",
            given=given,
            accepted=f"a name below {DETECTORS} ({listed}){hint(given, entries)}",
            do="`python -m pipelines.detect --add NAME FILE` enters one",
        )
    return given


def deciding_settings(dataset: str, path: Path = PARAMS) -> str:
    """What settings decide a data set's detections, as text; "" without a detector.

    The entry says all of them. Where the file lies is no part of it, as its sha256 says which one
    it is.
    """
    name = detector_of(dataset, path)
    if name is None:
        return ""
    entry = {k: each for k, each in detector_entry(name, path).items() if k != "file"}
    return json.dumps({"name": name, **entry}, sort_keys=True, default=str)


def entered_file(file: str) -> Path:
    """Where a path of params.yaml leads: from home, or from the checkout that a trial is of."""
    path = Path(file).expanduser()
    here = places.home() / path
    return here if here.exists() else places.origin() / path


def sidecars(file: Path) -> list[Path]:
    """Where settings may stand beside an ONNX file."""
    return [file.with_suffix(".yaml"), file.with_name(f"{file.name}.yaml")]


def add_detector(
    name: str, entry: Mapping[str, Any], datasets: Collection[str] = (), path: Path = PARAMS
) -> None:
    """Writes a detector's entry, and that it finds people of those data sets.

    Of an entry of that name the keys that are given anew change, and the others stay. Comments are
    kept, but for those between the braces of an entry that is changed, which the editor of yaml
    does not read. Raises ValueError for a data set that is none.
    """
    for each in datasets:
        data_set(each, path)
    with edited(path) as content:
        before: Any = (content.get(DETECTORS) or {}).get(name)
        if hasattr(before, "fa") and not before.fa.flow_style():  # a line for each of its keys
            add_lines(content[DETECTORS], name, entry)
        else:
            whole = {**(before if hasattr(before, "fa") else {}), **entry}
            add_lines(content, DETECTORS, {name: on_one_line(whole)})
        add_lines(content, DETECT, dict.fromkeys(datasets, name))


def runs_by_itself(dataset: str, path: Path = PARAMS) -> bool:
    """Whether the road runs the stages of a data set: `run:` of params.yaml names it."""
    run = load_params(path).get("run") or {}
    return dataset in (run.get("datasets") or []) or dataset in (run.get("mixtures") or {})


def _mapping(path: Path, key: str) -> dict[str, Any]:
    value = (load_params(path).get(key) if path.is_file() else None) or {}
    if not isinstance(value, dict):
        accepted = "NAME: {file: ...}" if key == DETECTORS else "DATASET: NAME of a detector"
        raise refusal(f"params.yaml: {key}", given=value, accepted=accepted)
    return {str(name): each for name, each in value.items()}


def _check_keys(chosen: Mapping[str, Any], names: Collection[str]) -> None:
    for key in chosen:
        if key not in names:
            accepted = f"data sets: {', '.join(names)}{hint(key, names)}"
            raise refusal(f"params.yaml: {DETECT}.{key}", fault="no data set", accepted=accepted)
