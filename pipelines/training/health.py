"""What trainings of this machine would lack: cards that torch can use, and room for each recipe."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import torch

from pipelines.host import places
from pipelines.host.checkup import OK, WARNING, WRONG, Check, Finding
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import Profile, read_cluster
from pipelines.recipe.reader import load_recipe
from pipelines.training.job import Job
from pipelines.training.preflight import look_for_room
from pipelines.training.rank import Rank


def cards() -> Finding:
    """Whether torch can use the cards that the machine has."""
    there, used = len(list(Path("/dev").glob("nvidia[0-9]*"))), torch.cuda.device_count()
    said = f"torch {torch.__version__} uses {used} of {there} cards"
    if not there and not used:
        return Finding("torch", OK, f"{torch.__version__}, no card to use")
    if used and used >= there:
        return Finding("torch", OK, f"{said}, CUDA {torch.version.cuda}")
    if torch.version.cuda is None:
        wanted = f"torch=={importlib.metadata.version('torch').partition('+')[0]}"
        do = f"python -m pip install --force-reinstall {wanted}"
        return Finding("torch", WRONG, f"{said}: it was built without CUDA", do)
    state = WARNING if used else WRONG
    do = f"unset CUDA_VISIBLE_DEVICES; a driver for CUDA {torch.version.cuda} (see nvidia-smi)"
    return Finding("torch", state, said, do)


def room() -> list[Finding]:
    """Shared memory, open files and disk, of each recipe in `run:`, as a training's own preflight
    finds them, were all its workers here."""
    told = load_params()
    machine = read_cluster(told, torch.cuda.device_count()).machine
    wrong: dict[str, None] = {}  # each once
    found = ""
    for name in (told.get("run") or {}).get("recipes") or {}:
        well, ill = look_for_room(blank_job(name, machine), Rank(), machine.workers)
        wrong |= dict.fromkeys(ill)
        found = f"{name}: {'; '.join(well)}"
    if wrong:
        return [Finding("room", WRONG, *_parted(each)) for each in wrong]
    return [Finding("room", OK, found or "no recipe runs")]


def _parted(refused: str) -> tuple[str, str]:
    fault, _, do = refused.partition("; ")
    return fault, do


def blank_job(name: str, machine: Profile) -> Job:
    """A recipe's training without its data: enough to tell what it takes of a machine."""
    recipe = load_recipe(name)
    return Job(
        name=name,
        recipe=recipe,
        fingerprint="",
        data_hash="",
        prepared=places.prepared(recipe.dataset),
        raw=places.raw_of_home(recipe.dataset),
        run_folder=places.runs() / name,
        max_batch_per_worker=machine.max_batch_per_worker,
        loader_workers=machine.most_loaders,
        threads=machine.threads,
    )


CHECKS = (Check("torch", cards), Check("room", room))
