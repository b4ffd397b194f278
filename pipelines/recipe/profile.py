"""What this machine, or a cluster, gives a training: a profile of params.yaml, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from data.ground.refusal import refusal
from pipelines.recipe.strict import nearest


@dataclass(frozen=True)
class Profile:
    """Workers of a training and what each may take."""

    workers: int
    gpu: bool
    backend: str  # gloo or nccl
    max_batch_per_worker: int
    loader_workers: int
    cpus_per_worker: int
    threads: int


@dataclass(frozen=True)
class Cluster:
    """`cluster:` of params.yaml, its profile chosen."""

    profile: str
    machine: Profile
    address: str | None
    max_failures: int


def read_cluster(params: dict[str, Any], gpus: int, workers: int | None = None) -> Cluster:
    """The cluster of params.yaml; profile `auto` is dual_3090 where there are GPUs, else cpu.

    `workers` replaces the profile's number of them. Raises ValueError naming the key.
    """
    where = "params.yaml: cluster"
    given = params.get("cluster")
    if not isinstance(given, dict):
        raise refusal(where, given=given, accepted="profile, address, profiles")
    _only(where, given, ["profile", "address", "profiles", "max_failures"])
    name = given.get("profile", "auto")
    name = ("dual_3090" if gpus else "cpu") if name == "auto" else name
    profiles = given.get("profiles") or {}
    if name not in profiles:
        accepted = f"auto, {', '.join(profiles)}"
        raise refusal(f"{where}.profile", given=name, accepted=accepted)
    machine = _profile(f"{where}.profiles.{name}", profiles[name])
    if workers is not None:
        machine = replace(machine, workers=workers)
    return Cluster(name, machine, given.get("address"), int(given.get("max_failures", 0)))


def _profile(where: str, given: object) -> Profile:
    names = [f.name for f in fields(Profile)]
    if not isinstance(given, dict) or set(names) - set(given):
        raise refusal(where, given=given, accepted=f"a mapping with {', '.join(names)}")
    _only(where, given, names)
    for name in ("workers", "max_batch_per_worker", "cpus_per_worker", "threads"):
        _whole(f"{where}.{name}", given[name], 1)
    _whole(f"{where}.loader_workers", given["loader_workers"], 0)
    if not isinstance(given["gpu"], bool):
        raise refusal(f"{where}.gpu", given=given["gpu"], accepted="true, false")
    backends = ("gloo", "nccl") if given["gpu"] else ("gloo",)
    if given["backend"] not in backends:
        accepted = f"{', '.join(backends)} with gpu {given['gpu']}"
        raise refusal(f"{where}.backend", given=given["backend"], accepted=accepted)
    return Profile(**given)


def _only(where: str, given: dict[str, Any], accepted: list[str]) -> None:
    for key in given:
        if key not in accepted:
            raise ValueError(f"{where}.{key}: unknown key{nearest(key, accepted)}")


def _whole(where: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise refusal(where, given=value, accepted=f"a whole number from {least} on")


def check_machine(cluster: Cluster, cpus: float, gpus: float) -> None:
    """Raises ValueError where the profile asks for more than there is."""
    machine = cluster.machine
    asked = {"CPUs": machine.workers * machine.cpus_per_worker}
    if machine.gpu:
        asked["GPUs"] = machine.workers
    there = {"CPUs": cpus, "GPUs": gpus}
    for kind, wanted in asked.items():
        if wanted > there[kind]:
            fit = machine.cpus_per_worker if kind == "CPUs" else 1
            fewer = max(1, math.floor(there[kind] / fit))
            fault = f"asks for {wanted} {kind}, this machine has {there[kind]:g}"
            do = (
                "choose another cluster.profile, or ask for fewer workers there (or with "
                f"`python -m pipelines.train RECIPE --workers {fewer}`)"
            )
            where = f"params.yaml: cluster.profiles.{cluster.profile}"
            raise refusal(where, fault=fault, do=do)
