"""What a running cluster is: its versions and nodes; whether a training fits, told at once."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.ground.refusal import refusal
from pipelines.recipe.profile import Cluster, Profile

SAME = "the cluster's image and requirements.lock must name the same versions"


@dataclass(frozen=True)
class Node:
    """A living node: what it has in all, whoever uses it now."""

    name: str  # its address
    cpus: float
    gpus: float

    def workers(self, machine: Profile) -> int:
        """How many workers of the profile find room on it."""
        by_cpus = int(self.cpus // machine.cpus_per_worker)
        return min(by_cpus, int(self.gpus)) if machine.gpu else by_cpus


@dataclass(frozen=True)
class Facts:
    """ray, python: versions, "" where the cluster does not say; grows: nodes come on demand."""

    ray: str
    python: str
    nodes: Sequence[Node]
    grows: bool = False

    @property
    def gpus(self) -> int:
        return int(sum(node.gpus for node in self.nodes))


def ask_facts(client: Any) -> Facts:
    """Asks a cluster by Ray's JobSubmissionClient. Raises RuntimeError where it does not answer."""
    from ray.util.state import list_nodes

    versions = _answer(client, "/api/v0/cluster_metadata")
    status = _answer(client, "/api/cluster_status")
    listed = list_nodes(address=client.get_address(), limit=10_000, raise_on_missing_output=False)
    nodes = [
        Node(
            str(row["node_ip"]),
            float(row["resources_total"].get("CPU", 0)),
            float(row["resources_total"].get("GPU", 0)),
        )
        for row in listed
        if row["state"] == "ALIVE"
    ]
    ray, python = (str(versions.get(name, "")) for name in ("rayVersion", "pythonVersion"))
    return Facts(ray, python, nodes, grows(status))


def grows(status: Mapping[str, Any]) -> bool:
    """Whether an autoscaler may add nodes, by the cluster's status; also where it does not say.

    One that only looks on names each node's type after the node.
    """
    report = (status.get("clusterStatus") or {}).get("autoscalerReport") or {}
    kinds = (report.get("nodeTypeMapping") or {}).values()
    return not kinds or any(not str(kind).startswith("node_") for kind in kinds)


def _answer(client: Any, place: str) -> dict[str, Any]:
    answer = client._do_request("GET", place)
    if answer.status_code != 200:
        return {}
    content = answer.json()
    return dict(content.get("data", {})) if isinstance(content, dict) else {}


def check_versions(where: str, facts: Facts) -> None:
    """Raises ValueError where the cluster runs another Ray or Python than this environment."""
    ray, python = importlib.metadata.version("ray"), platform.python_version()
    if facts.ray and facts.ray != ray:
        raise refusal(f"{where}: Ray", given=facts.ray, accepted=f"{ray}, as here", do=SAME)
    if facts.python and _minor(facts.python) != _minor(python):
        accepted = f"{_minor(python)}, as here"
        raise refusal(f"{where}: Python", given=facts.python, accepted=accepted, do=SAME)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def check_capacity(where: str, cluster: Cluster, facts: Facts) -> None:
    """Raises ValueError where the cluster can never give what the profile asks for.

    Each worker stands on one node; of an elastic training the least workers count.
    """
    if facts.grows:
        return
    machine, nodes = cluster.machine, facts.nodes
    needed = machine.fewest_workers
    cpus = machine.cpus_per_worker
    each = f"{cpus} CPU{'s' * (cpus != 1)}{' and 1 GPU' if machine.gpu else ''}"
    fitting = sum(node.workers(machine) for node in nodes)
    if fitting >= needed:
        return
    there = ", ".join(f"{n.name} ({n.cpus:g} CPUs, {n.gpus:g} GPUs)" for n in nodes) or "none"
    fault = f"asks for {needed} workers of {each}; the nodes of {where} take {fitting}: {there}"
    fewer = f" (or add `--workers {fitting}`)" if fitting else " or lower cpus_per_worker"
    do = f"ask for less there{fewer}, choose another cluster.profile, or add nodes"
    raise refusal(f"params.yaml: cluster.profiles.{cluster.profile}", fault=fault, do=do)
