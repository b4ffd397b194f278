"""What COCO's matching found image by image; how matches of any kind lie on disk.

`data.evaluators.load_matches` reads every kind back.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from data.ground.refusal import refusal

RECALLS = np.linspace(0.0, 1.0, 101)  # where COCO reads the precision curve

Kind = TypeVar("Kind")


def save_arrays(path: Path, matches: Any) -> None:
    """A dataclass of arrays with a `kind`, as one npz."""
    arrays = vars(matches)
    np.savez_compressed(path, kind=np.array(matches.kind), **arrays)


def load_arrays(path: Path, kinds: dict[str, type[Kind]]) -> Kind:
    """What `save_arrays` wrote, of one of these kinds. Raises ValueError that names the file."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            kind = str(arrays["kind"]) if "kind" in arrays else "oks"
            if kind not in kinds:
                raise refusal("kind", given=kind, accepted=", ".join(kinds))
            made = kinds[kind]
            return made(**{f.name: arrays[f.name] for f in fields(made)})  # type: ignore[arg-type]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        fault = f"no matches of an evaluation in it ({error})"
        raise refusal(path, fault=fault, do="run `make repro` again") from error


@dataclass(frozen=True)
class Curve:
    """Detections of one threshold, best first: image of each that counts, and which are hits."""

    image_index: np.ndarray
    hits: np.ndarray


@dataclass(frozen=True)
class OksMatches:
    """What every detection matched, at each of T OKS thresholds, people of all areas.

    image_ids [I]; positives [I]: people to find; image_index [D], scores [D]; hit [T, D]: found a
    person; ignored [T, D]: counts neither way. AP of any resample of images follows from it.
    """

    kind: ClassVar[str] = "oks"
    image_ids: np.ndarray
    positives: np.ndarray
    image_index: np.ndarray
    scores: np.ndarray
    hit: np.ndarray
    ignored: np.ndarray

    def save(self, path: Path) -> None:
        save_arrays(path, self)

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """COCO AP [R] of the images counted `weights` [R, I] times each; NaN: nobody to find.

        With all weights 1 this is pycocotools' AP to the last bit, with whole weights that of the
        images repeated: precision only peaks at hits, so the curve is read there alone.
        """
        return _where_found(self, weights, _mean(self.precision(weights), slice(None)))

    def numbers(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """AP, AP50, AP75, AR, AR50, AR75, counted as `resampled`; 0.5 and 0.75 by their place."""
        precision, recall = self.precision(weights), self.recall(weights)[..., None]
        places = {"": slice(None), "50": slice(0, 1), "75": slice(5, 6)}
        return {
            f"{name}{at}": _where_found(self, weights, _mean(values, rows))
            for name, values in (("AP", precision), ("AR", recall))
            for at, rows in places.items()
        }

    def precision(self, weights: np.ndarray) -> np.ndarray:
        """Interpolated precision [R, T, 101] at COCO's recalls, images counted as `resampled`."""
        positives = (weights @ self.positives.astype(np.int64)).astype(np.float64)
        read = [precision_at_recalls(curve, weights, positives) for curve in curves(self)]
        return np.stack(read, axis=1)

    @property
    def found(self) -> np.ndarray:
        """Hits that count [T, D]."""
        return np.asarray(self.hit & ~self.ignored)

    def recall(self, weights: np.ndarray) -> np.ndarray:
        """The share of people that is found in the end [R, T], images counted as `resampled`."""
        images = len(self.image_ids)
        found = [np.bincount(self.image_index[row], minlength=images) for row in self.found]
        people = np.maximum(weights @ self.positives.astype(np.int64), 1)
        return np.asarray((weights @ np.stack(found, axis=1)) / people[:, None])


def _mean(values: np.ndarray, rows: slice) -> np.ndarray:
    """[R, T, ...] -> [R]: the mean of some thresholds, added in pycocotools' order."""
    return np.asarray(values[:, rows].reshape(len(values), -1).mean(axis=1))


def _where_found(matches: OksMatches, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(weights @ matches.positives.astype(np.int64) > 0, values, np.nan)


def curves(matches: OksMatches) -> Iterator[Curve]:
    """One per OKS threshold; mergesort as pycocotools, so that equal scores keep their order."""
    order = np.argsort(-matches.scores, kind="mergesort")
    image_index = matches.image_index[order]
    for hit, ignored in zip(matches.hit, matches.ignored, strict=True):
        counts = ~ignored[order].astype(bool)
        yield Curve(image_index[counts], np.flatnonzero(hit[order][counts]))


def precision_at_recalls(curve: Curve, weights: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Interpolated precision [R, 101] (COCO's evaluation, for all resamples at once)."""
    if not len(curve.hits):
        return np.zeros((len(weights), len(RECALLS)))
    drawn = np.take(weights, curve.image_index, axis=1)
    seen = np.cumsum(drawn, axis=1, dtype=np.int32)[:, curve.hits].astype(np.float64)
    found = np.cumsum(drawn[:, curve.hits], axis=1, dtype=np.int32).astype(np.float64)
    precision = found / ((seen - found) + found + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = found / np.maximum(positives, 1.0)[:, None]
    padded = np.concatenate([envelope, np.zeros((len(weights), 1))], axis=1)
    return np.stack(
        [row[np.searchsorted(rc, RECALLS)] for row, rc in zip(padded, recall, strict=True)]
    )
