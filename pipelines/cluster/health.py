"""What can be wrong with the Ray cluster that is meant, or with this machine as one."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from pipelines.cluster.addresses import wanted_address
from pipelines.cluster.capacity import ask_facts, check_capacity, check_versions
from pipelines.cluster.connecting import connect
from pipelines.host.checkup import OK, WRONG, Check, Finding
from pipelines.host.processes import usable_cores
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import check_machine, read_cluster

TOKEN_FILE = ("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")


def cluster() -> Finding:
    """Whether it answers, is of our versions and can ever give what the profile asks for.

    Raises ValueError in the words of a training that would ask for it.
    """
    told = load_params()
    address = wanted_address((told.get("cluster") or {}).get("address"))
    if address is None:
        here = torch.cuda.device_count()
        asked = read_cluster(told, here)
        check_machine(asked, usable_cores(), here)
        said = f"none: a head of each training's own; profile {asked.profile} fits"
        return Finding("Ray", OK, said)
    jobs = connect(address)
    facts = ask_facts(jobs)
    check_versions(address, facts)
    check_capacity(address, read_cluster(told, facts.gpus), facts)
    cpus = sum(node.cpus for node in facts.nodes)
    said = f"{address}: Ray {facts.ray}, {len(facts.nodes)} nodes, {cpus:g} CPUs"
    return Finding("Ray", OK, f"{said}, {facts.gpus} GPUs")


def token() -> Finding:
    """That one is there where tokens are asked for; never what it is."""
    mode = os.environ.get("RAY_AUTH_MODE", "")
    variable, default = TOKEN_FILE
    file = Path(os.environ.get(variable) or default).expanduser()
    there = bool(os.environ.get("RAY_AUTH_TOKEN")) or file.is_file()
    if mode == "token" and not there:
        fault = f"RAY_AUTH_MODE=token, and neither RAY_AUTH_TOKEN nor {file}"
        return Finding("Ray token", WRONG, fault, "ray get-auth-token --generate")
    return Finding("Ray token", OK, "there" if there else "none (made where it is needed)")


CHECKS = (Check("Ray", cluster), Check("Ray token", token))
