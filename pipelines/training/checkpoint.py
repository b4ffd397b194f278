"""Checkpoints of one training in its run folder: written whole or not at all, read back checked.

`checkpoints/step_00000123.pt` counts only with its manifest `step_00000123.json` beside it, which
is written last and holds size and sha256, and a digest of itself. Nothing in them needs unpickling
(`weights_only`). What is damaged, wherever the bit is, is said and passed over.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from data.files.whole_file import write_text_whole
from pipelines.host.folders import file_digest
from pipelines.host.tensors import TensorState, read_tensors, save_tensors
from pipelines.training.job import Listener
from pipelines.training.state_parts import ANY, Kinds, lacking

FILE, SHA256 = re.compile(r"step_(\d{8,})\.pt"), re.compile(r"[0-9a-f]{64}")
CHECK = "check"  # in a manifest's text: digest of all the rest, which its words cannot show


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint file is: written beside it, after it.

    `epoch` is the number of whole epochs done, `step` that of optimizer steps; `metric` is the
    monitored one (higher is better), None where the epoch was not validated or is not over; `code`
    the digest of what decided it so far (`Job.code`), "" of a checkpoint of before it was kept.
    late: of an epoch that is validated beside the training its numbers, {} until they are there.
    """

    file: str
    fingerprint: str
    epoch: int
    step: int
    metric: float | None
    size: int
    sha256: str
    code: str = ""
    late: dict[str, float] | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is still to be validated, beside the training."""
        return self.late == {}


def checkpoint_folder(run_folder: Path) -> Path:
    return run_folder / "checkpoints"


def write_checkpoint(
    run_folder: Path,
    state: TensorState,
    *,
    fingerprint: str,
    epoch: int,
    step: int,
    metric: float | None,
    keep_best: int,
    code: str = "",
    due: bool = False,
) -> Manifest:
    """Writes a checkpoint, then removes those that are neither among the best nor the last two.

    due: it is validated beside the training; it is kept until it was.
    """
    folder = checkpoint_folder(run_folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step_{step:08d}.pt"
    path.with_suffix(".json").unlink(missing_ok=True)
    save_tensors(path, state)
    size, digest = path.stat().st_size, file_digest(path)
    late: dict[str, float] | None = {} if due else None
    manifest = Manifest(path.name, fingerprint, epoch, step, metric, size, digest, code, late)
    write_manifest(folder, manifest)
    _prune(folder, keep_best)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Beside its file in `checkpoints/`, whole or not at all."""
    path = (folder / manifest.file).with_suffix(".json")
    write_text_whole(path, manifest_text(manifest))


def manifest_text(manifest: Manifest) -> str:
    content = asdict(manifest)
    return json.dumps(content | {CHECK: _digest(content)}, indent=1)


def manifest_of(text: str | bytes, stem: str) -> Manifest:
    """What `manifest_text` wrote. stem: of its file's name, which a checkpoint shares with it.

    Raises ValueError for anything that no training writes: a name may lead out of the folder.
    """
    try:
        content = json.loads(text)
        check = content.pop(CHECK, None)  # none: of before there was one
        manifest = Manifest(**content)
        well = _well_formed(manifest) and check in (None, _digest(content))
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{stem}: {error}") from error
    named = FILE.fullmatch(manifest.file) if well else None
    if not named or manifest.file != f"{stem}.pt" or int(named[1]) != manifest.step:
        raise ValueError(f"{stem}: not a manifest")
    return manifest


def _digest(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _well_formed(manifest: Manifest) -> bool:
    """Whether each part is of its type, and counts are counts."""
    words = (manifest.file, manifest.fingerprint, manifest.sha256, manifest.code)
    counts = (manifest.epoch, manifest.step, manifest.size)
    late = {} if manifest.late is None else manifest.late
    numbers = [*([] if manifest.metric is None else [manifest.metric]), *late.values()]
    return (
        all(isinstance(word, str) for word in words)
        and all(type(count) is int and count >= 0 for count in counts)
        and all(type(number) in (int, float) for number in numbers)
        and SHA256.fullmatch(manifest.sha256) is not None
    )


def rate_checkpoint(
    run_folder: Path, manifest: Manifest, metrics: dict[str, float], monitor: str
) -> Manifest:
    """Its manifest with what a validation beside the training found.

    Nothing is removed: the next checkpoint, whose history knows these numbers, does that.
    """
    rated = replace(manifest, metric=metrics[monitor], late=metrics)
    write_manifest(checkpoint_folder(run_folder), rated)
    return rated


def tell_if_best(
    run_folder: Path,
    manifest: Manifest,
    keep_best: int,
    row: dict[str, float],
    listener: Listener,
) -> None:
    """The listener hears of a checkpoint that is among the best so far; row: of its epoch."""
    if manifest in best_manifests(read_manifests(run_folder), keep_best):
        path = checkpoint_folder(run_folder) / manifest.file
        listener.checkpoint(path, manifest.epoch, row, manifest.sha256)


def read_manifests(run_folder: Path) -> list[Manifest]:
    """Of all checkpoints in the run folder, oldest first; unreadable manifests are left out."""
    manifests = []
    for path in sorted(checkpoint_folder(run_folder).glob("step_*.json")):
        try:
            manifests.append(manifest_of(path.read_bytes(), path.stem))
        except FileNotFoundError:  # removed since, as the oldest are
            continue
        except (ValueError, OSError):
            print(f"{path}: not a manifest; its checkpoint is not used", flush=True)
    return sorted(manifests, key=lambda manifest: manifest.step)


def best_manifests(manifests: list[Manifest], count: int) -> list[Manifest]:
    """The `count` best of those with a metric, best first; of equals the earlier is better."""
    rated = [m for m in manifests if m.metric is not None and not math.isnan(m.metric)]
    return sorted(rated, key=lambda m: (-(m.metric or 0.0), m.step))[:count]


def _prune(folder: Path, keep_best: int) -> None:
    manifests = read_manifests(folder.parent)
    kept = {m.file for m in (*best_manifests(manifests, keep_best), *manifests[-2:])}
    kept |= {m.file for m in manifests if m.is_due}
    for manifest in manifests:
        if manifest.file not in kept:
            path = folder / manifest.file
            path.with_suffix(".json").unlink()  # first: without it the checkpoint does not count
            path.unlink(missing_ok=True)


def latest_checkpoint(
    run_folder: Path, fingerprint: str, code: str = "", needed: Kinds = ANY
) -> Path | None:
    """The newest good one of this very recipe, data and code; what is passed over is said."""
    for manifest in reversed(read_manifests(run_folder)):
        path = checkpoint_folder(run_folder) / manifest.file
        if reason := why_unusable(path, manifest, fingerprint, code, needed):
            print(f"{path}: {reason}; trying the one before", flush=True)
            continue
        return path
    return None


def why_unusable(
    path: Path, manifest: Manifest, fingerprint: str, code: str = "", needed: Kinds = ANY
) -> str:
    """Why a checkpoint file cannot be used by the training `fingerprint`; "" where it can.

    needed: what of its state is asked for.
    """
    if manifest.fingerprint != fingerprint:
        return "belongs to another recipe or data set"
    if manifest.code != code:
        return "was trained by other code"
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != manifest.size or file_digest(path) != manifest.sha256:
        return "is damaged (its sha256 is not that of its manifest)"
    return _why_unreadable(path, manifest, needed)


def _why_unreadable(path: Path, manifest: Manifest, needed: Kinds) -> str:
    """Of a file that is what its manifest says, whoever wrote both."""
    try:
        state = read_tensors(path, whole=False)
    except ValueError as error:
        return str(error).removeprefix(f"{path}: ")
    if not isinstance(state, dict) or state.get("fingerprint", manifest.fingerprint) != (
        manifest.fingerprint
    ):
        return "holds the state of another recipe or data set than its manifest says"
    return lacking(state, needed)


def read_checkpoint(path: Path) -> TensorState:
    """The state in a checkpoint file, on the CPU. Raises ValueError where it is none."""
    return read_tensors(path)


def random_state(device: torch.device) -> TensorState:
    """The state of every random generator of this process, as tensors and plain numbers."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, internal, python_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [str(name), torch.from_numpy(np.asarray(keys, np.int64)), int(position)],
        "numpy_gauss": [int(has_gauss), float(gauss)],
        "python": [version, list(internal), python_gauss],
    }


def set_random_state(state: TensorState, device: torch.device) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    name, keys, position = state["numpy"]
    numpy_keys = keys.cpu().numpy().astype(np.uint32)
    np.random.set_state((name, numpy_keys, position, *state["numpy_gauss"]))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
