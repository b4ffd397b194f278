"""What this machine, or a cluster, gives a training: a profile of params.yaml, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from data.ground.refusal import refusal
from data.ground.spans import Span
from pipelines.recipe.strict import nearest

VALIDATIONS = ("inline", "beside")
KEYS = [
    "profile", "address", "profiles", "max_failures", "parallel", "cache_gib", "stall_minutes"
]  # fmt: skip
COUNTS = {
    "workers": Span(1, 4096),
    "max_batch_per_worker": Span(1, 65_536),
    "cpus_per_worker": Span(1, 1024),
    "threads": Span(1, 1024),
    "loader_workers": Span(0, 256),
}
INSTEAD = "instead of the profile's number"  # --workers
AUTO_LOADERS = "auto"  # of loader_workers
AUTO = ("cpu", "single_gpu", "dual_3090")  # by the number of GPUs, the last from two on


@dataclass(frozen=True)
class Profile:
    """Workers of a training and what each may take.

    memory_gib: of one card; where it is told, a batch that would not fit is cut into smaller ones.
    least_workers: what it begins and goes on with where the cluster has no room for all `workers`
    (`workers: [1, 4]`); as many where it is not elastic. validation: `inline`, or `beside` the
    training, on a worker that is to spare. loader_workers: None is `auto`, as many as a training
    needs (`training/loaders.py`).
    """

    workers: int
    gpu: bool
    backend: str  # gloo or nccl
    max_batch_per_worker: int
    loader_workers: int | None
    cpus_per_worker: int
    threads: int
    memory_gib: float | None = None
    validation: str = "inline"
    least_workers: int = 0  # 0: as many as `workers`

    @property
    def is_elastic(self) -> bool:
        return 0 < self.least_workers < self.workers

    @property
    def fewest_workers(self) -> int:
        """How many it needs to begin."""
        return self.least_workers or self.workers

    @property
    def auto_loaders(self) -> bool:
        return self.loader_workers is None

    @property
    def most_loaders(self) -> int:
        """Loader processes of a worker; of `auto` the most: a core each that does not train."""
        if self.loader_workers is not None:
            return self.loader_workers
        spare = self.cpus_per_worker - (1 if self.gpu else self.threads)
        return max(0, min(spare, int(COUNTS["loader_workers"].most)))

    @property
    def each_worker(self) -> dict[str, float]:
        """What a worker takes of a machine, by Ray's names; kinds that it takes none of, too."""
        return {"CPU": float(self.cpus_per_worker), "GPU": float(self.gpu)}


@dataclass(frozen=True)
class Cluster:
    """`cluster:` of params.yaml, its profile chosen.

    parallel: trainings at a time; cache_gib: what a node keeps of a store's data; grows: nodes
    come on demand, so that what is missing now may be there soon. stall_minutes: without moving,
    after which ranks are ended and go on from the last checkpoint. anew: names a wish to train what
    is finished once more, "" where nobody has it. storage: address of the store by which this
    training goes, None where all nodes see its home. fitted: a submitted training, whose nodes were
    there when it was submitted.
    """

    profile: str
    machine: Profile
    address: str | None
    max_failures: int
    parallel: int = 1
    cache_gib: float = 200.0
    grows: bool = False
    stall_minutes: float = 5.0
    anew: str = ""
    storage: str | None = None
    fitted: bool = False

    @property
    def stall_s(self) -> float:
        return 60 * self.stall_minutes


def read_cluster(params: dict[str, Any], gpus: int, workers: int | None = None) -> Cluster:
    """The cluster of params.yaml; what profile `auto` is, the number of GPUs says.

    `workers`, of --workers, replaces the profile's number of them. Raises ValueError naming the key
    or option.
    """
    where = "params.yaml: cluster"
    given = params.get("cluster")
    if not isinstance(given, dict):
        raise refusal(where, given=given, accepted="profile, address, profiles")
    _only(where, given, KEYS)
    name = given.get("profile", "auto")
    name = AUTO[min(gpus, len(AUTO) - 1)] if name == "auto" else name
    profiles = given.get("profiles") or {}
    if not isinstance(profiles, dict):
        raise refusal(f"{where}.profiles", given=profiles, accepted="NAME: {workers: ...}")
    if not isinstance(name, str) or name not in profiles:
        accepted = f"auto, {', '.join(map(str, profiles))}"
        raise refusal(f"{where}.profile", given=name, accepted=accepted)
    machine = _profile(f"{where}.profiles.{name}", profiles[name])
    if workers is not None:
        workers = _whole("--workers", workers, COUNTS["workers"])
        machine = replace(machine, workers=workers, least_workers=0)
    parallel = _whole(f"{where}.parallel", given.get("parallel", 1), Span(1, 256))
    failures = _whole(f"{where}.max_failures", given.get("max_failures", 0), Span(0, 1000))
    cache = _amount(f"{where}.cache_gib", given.get("cache_gib", 200), "GiB", 1_000_000)
    minutes = given.get("stall_minutes", 5)
    stall = _amount(f"{where}.stall_minutes", minutes, "minutes", 10_080)
    address = given.get("address")
    if address is not None and not isinstance(address, str):
        accepted = "ray://HOST:PORT, HOST:PORT, or null"
        raise refusal(f"{where}.address", given=address, accepted=accepted)
    return Cluster(name, machine, address, failures, parallel, cache, stall_minutes=stall)


def _amount(where: str, value: object, unit: str, most: int) -> float:
    span = Span(0, most, open=True)
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in span:
        raise refusal(where, given=value, accepted=f"{unit}, {span}")
    return float(value)


def _profile(where: str, given: object) -> Profile:
    names = [f.name for f in fields(Profile) if f.name != "least_workers"]
    needed = [name for name in names if name not in ("memory_gib", "validation")]
    if not isinstance(given, dict) or set(needed) - set(given):
        raise refusal(where, given=given, accepted=f"a mapping with {', '.join(needed)}")
    _only(where, given, names)
    least, given = _elastic(f"{where}.workers", given)
    for name, span in COUNTS.items():
        if name == "loader_workers" and given[name] == AUTO_LOADERS:
            given = given | {name: None}
            continue
        also = f" or {AUTO_LOADERS}" if name == "loader_workers" else ""
        _whole(f"{where}.{name}", given[name], span, also)
    if given.get("memory_gib") is not None:
        _amount(f"{where}.memory_gib", given["memory_gib"], "GiB of one card or null", 10_000)
    if not isinstance(given["gpu"], bool):
        raise refusal(f"{where}.gpu", given=given["gpu"], accepted="true, false")
    backends = ("gloo", "nccl") if given["gpu"] else ("gloo",)
    if given["backend"] not in backends:
        accepted = f"{', '.join(backends)} with gpu {given['gpu']}"
        raise refusal(f"{where}.backend", given=given["backend"], accepted=accepted)
    if given.get("validation", "inline") not in VALIDATIONS:
        accepted = ", ".join(VALIDATIONS)
        raise refusal(f"{where}.validation", given=given["validation"], accepted=accepted)
    return Profile(**given, least_workers=least)


def _elastic(where: str, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """(least workers, the profile with their largest number alone)."""
    workers = given["workers"]
    if not isinstance(workers, list):
        return 0, given
    span = COUNTS["workers"]
    whole = [n for n in workers if isinstance(n, int) and not isinstance(n, bool) and n in span]
    if len(workers) != 2 or len(whole) != 2 or workers[0] > workers[1]:
        accepted = "a whole number, or [least, most] of an elastic training"
        raise refusal(where, given=workers, accepted=accepted)
    return workers[0], given | {"workers": workers[1]}


def _only(where: str, given: dict[str, Any], accepted: list[str]) -> None:
    for key in given:
        if key not in accepted:
            raise ValueError(f"{where}.{key}: unknown key{nearest(key, accepted)}")


def _whole(where: str, value: object, span: Span, also: str = "") -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in span:
        raise refusal(where, given=value, accepted=f"a whole number, {span}{also}")
    return value


def check_machine(cluster: Cluster, cpus: float, gpus: float, whose: str = "this machine") -> None:
    """Raises ValueError where the profile asks for more than there is in all; whose: for words."""
    machine = cluster.machine
    there = {"CPU": cpus, "GPU": gpus}
    for kind, needed in machine.each_worker.items():
        wanted = machine.fewest_workers * needed
        if wanted > there[kind] and not cluster.grows:
            fault = f"asks for {wanted:g} {kind}s, {whose} has {there[kind]:g}"
            where = f"params.yaml: cluster.profiles.{cluster.profile}"
            do = _way_out(kind, math.floor(there[kind] / needed))
            raise refusal(where, fault=fault, do=do)


def _way_out(kind: str, fitting: int) -> str:
    """What to do where `fitting` workers would find what they need, but not all."""
    ways = ["choose another cluster.profile"]
    if fitting:
        fewer = f"(or with `python -m pipelines.train RECIPE --workers {fitting}`)"
        ways.append(f"ask for fewer workers there {fewer}")
    if kind == "CPU":
        ways.append("lower cpus_per_worker there, and loader_workers with it")
    return ", or ".join(ways)
