"""Preflight: what a machine lacks is told with the mend, what it has in one line."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch

from pipelines.recipe.build import build_architecture
from pipelines.training import preflight
from pipelines.training.checkpoint import checkpoint_folder, write_checkpoint
from pipelines.training.job import Job
from pipelines.training.optimizer import Average, build_optimizer
from pipelines.training.preflight import Machine
from pipelines.training.rank import Rank
from tests.worlds import drawn, two_ranks

ROOMY = Machine(lambda: 2**40, lambda wanted: wanted, lambda _: 2**50)


def a_job(folder: Path, **machine: object) -> Job:
    prepared = folder / "prepared"
    prepared.mkdir(exist_ok=True)
    (prepared / "summary.json").write_text(json.dumps({"data_hash": "d" * 64}))
    return drawn.small_job(folder / "run", (prepared, folder), drawn.small_recipe(), **machine)


@pytest.mark.unit
def test_a_machine_with_room_passes_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preflight.preflight(a_job(tmp_path, loader_workers=2), Rank(), machine=ROOMY)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("small: preflight: tables dddddddd; /dev/shm 1048576 MiB free of ")
    assert "open files; 1048576.0 GiB free for" in line


@pytest.mark.unit
@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (
            dataclasses.replace(ROOMY, shared_bytes=lambda: 2**14),
            r"/dev/shm: 0 MiB free; 1 ranks hand 0 MiB .*--shm-size=1g.*emptyDir",
        ),
        (
            dataclasses.replace(ROOMY, open_files=lambda _: 64),
            r"ulimit -n: 64 files may be open, about 264 will be.*`ulimit -n 4096`",
        ),
        (
            dataclasses.replace(ROOMY, disk_bytes=lambda _: 1000),
            r"run: 0\.0 GiB free, \d+ checkpoints take .*LIMBER_HOME",
        ),
    ],
)
def test_what_is_lacking_is_told_with_its_node_and_mend(
    machine: Machine, words: str, tmp_path: Path
) -> None:
    job = a_job(tmp_path, loader_workers=2)
    with pytest.raises(ValueError, match=r"^[^\s:]+: ") as refused:
        preflight.preflight(job, Rank(), machine=machine)
    assert re.search(words, str(refused.value))
    assert "\n" not in str(refused.value)  # nothing else is lacking


@pytest.mark.unit
def test_other_tables_than_the_trainings_are_refused(tmp_path: Path) -> None:
    job = dataclasses.replace(a_job(tmp_path), data_hash="e" * 64)
    with pytest.raises(ValueError, match=r"other tables \(dddddddd\) than the training's \(eeee"):
        preflight.preflight(job, Rank(), machine=ROOMY)


@pytest.mark.unit
def test_bytes_are_those_of_a_real_checkpoint(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    network = build_architecture(job.recipe)
    optimizer = build_optimizer(job.recipe.optimizer, network)
    for parameter in network.parameters():
        parameter.grad = parameter.detach().clone()
    optimizer.step()
    average = Average(network, 0.9)
    state = {
        "model": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    write_checkpoint(
        job.run_folder, state, fingerprint="f", epoch=1, step=1, metric=None, keep_best=1
    )
    (path,) = checkpoint_folder(job.run_folder).glob("*.pt")
    assert preflight.checkpoint_bytes(job) == pytest.approx(path.stat().st_size, rel=0.15)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("came", "device", "words"),
    [
        ({0: "a", 1: "b"}, "cuda", "NCCL_P2P_DISABLE=1.*NCCL_SOCKET_IFNAME"),
        ({0: "a", 1: "b"}, "cpu", "GLOO_SOCKET_IFNAME"),
        ({0: "a"}, "cpu", r"rank 1 did not come \(came: 0 on a\)"),
    ],
)
def test_who_did_not_meet_and_what_to_do(
    came: dict[int, str], device: str, words: str, tmp_path: Path
) -> None:
    rank = Rank(0, 2, torch.device(device))
    assert re.search(words, str(preflight.not_met(a_job(tmp_path), rank, came, "", 60.0)))


@pytest.mark.contract
def test_two_ranks_meet_and_one_that_does_not_come_is_named(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    together, alone = two_ranks.finish(two_ranks.start(job, "alone,preflight", tmp_path / "meet"))
    assert re.search(r"preflight: 2 ranks on 1 node met in ", together)
    assert "rank 1 did not come" in together
    assert alone == ""
