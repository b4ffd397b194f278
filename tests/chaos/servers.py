"""A tracking server that is away, dies, hangs, drips or answers garbage, and comes back."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from mlflow import MlflowClient

from pipelines.host.ports import free_ports
from pipelines.tracking.__main__ import main
from pipelines.tracking.run_log import RunLog
from pipelines.tracking.runs import open_run
from pipelines.tracking.server import mlflow_client
from pipelines.training.attempt import PATIENCE_S
from tests.chaos.fault import Fault, Outcome, shared_folder, struck
from tests.worlds.fault_proxy import GARBAGE, FaultProxy, fault_proxy
from tests.worlds.mlflow_here import fill, mlflow_here

AWAY = "away"  # nobody listens
KINDS = (AWAY, "reset", "hang", "drip", "InternalError", *GARBAGE)
EPOCHS = 6
WINDOWS = {"start": (0, 3), "middle": (2, 5), "end": (4, EPOCHS + 1), "whole": (0, EPOCHS + 1)}
SILENCE_S = 1  # for an answer, where a training waits 10 s
BACK_OFF_S = 0.1
END_S, LOADED_S = 1.0, 30.0  # patience at the end; and for a machine with much else to do


class Server:
    """The one that is told, by a proxy: broken while it is in its fault."""

    def __init__(self, behind: str, kind: str, stack: ExitStack) -> None:
        (self._port,) = free_ports(1)
        self.address = f"http://127.0.0.1:{self._port}"
        self._behind, self._kind, self._stack = behind, kind, stack
        self._proxy: FaultProxy | None = None
        self._broken = False

    def be(self, broken: bool) -> None:
        if self._kind == AWAY and broken:
            self._stack.close()
            self._proxy = None
        elif self._proxy is None:
            self._proxy = self._stack.enter_context(fault_proxy(self._behind, self._port))
        if self._proxy and broken and not self._broken:
            self._proxy.add(self._kind)
        if self._proxy and self._broken and not broken:
            self._proxy.clear()
        self._broken = broken


def tells(draw: random.Random, folder: Path) -> Outcome:
    """A training tells its epochs, pictures, checkpoints; all is there once, whatever happens."""
    kind, window = draw.choice(KINDS), draw.choice(list(WINDOWS))
    struck(kind)
    print(f"{kind} at the {window}")
    begin, end = WINDOWS[window]
    key = f"{draw.getrandbits(256):064x}"
    with ExitStack() as stack:
        os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(SILENCE_S)
        server = Server(mlflow_here(shared_folder("mlflow", fill)), kind, stack)
        server.be(broken=begin == 0)
        log = open_run("small", key, folder / "run", params={}, tags={"dataset": "drawn"},
                       uri=server.address, back_off=BACK_OFF_S)  # fmt: skip
        for epoch in range(EPOCHS):
            server.be(broken=begin <= epoch < end)
            tell(log, folder, epoch)
            time.sleep(draw.uniform(0, 0.3))
        server.be(broken=begin <= EPOCHS < end)
        left = closed(log)
        server.be(broken=False)
        if left:
            assert main([str(left)]) == 0
        assert main([str(folder / "run" / "outbox.jsonl")]) == 0, "sending again sends nothing"
        is_there(mlflow_client(server.address), key)
    return "recovered"


def tell(log: RunLog, folder: Path, epoch: int) -> None:
    """In the order of a training: the picture, the checkpoint, the epoch."""
    picture = folder / "run" / f"epoch_{epoch}.jpg"
    picture.write_bytes(bytes([epoch]))
    log.picture(picture, "predictions")
    log.checkpoint(folder / f"{epoch}.pt", epoch, {"AP@gt": epoch / 10}, f"{epoch:064}")
    log.epoch(epoch, 10 * epoch, {"loss": 1 / (epoch + 1), "AP@gt": epoch / 10})


def closed(log: RunLog) -> Path | None:
    assert PATIENCE_S <= 10
    began = time.monotonic()
    left = log.close("FINISHED", END_S)
    if (took := time.monotonic() - began) > END_S + LOADED_S:
        raise TimeoutError(f"the training's end took {took:.0f} s")
    return left


def is_there(client: MlflowClient, key: str) -> None:
    """All of one run, once."""
    (experiment,) = (e for e in client.search_experiments() if e.name == "limber")
    runs = client.search_runs([experiment.experiment_id], f"tags.`limber.run_key` LIKE '{key}%'")
    assert len(runs) == 1, f"{len(runs)} runs"
    run = runs[0]
    assert run.info.status == "FINISHED"
    for name, value in (("epoch", lambda e: e), ("loss", lambda e: 1 / (e + 1)),
                        ("gt/AP", lambda e: e / 10)):  # fmt: skip
        points = [
            (each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)
        ]
        assert sorted(points) == [(e, float(value(e))) for e in range(EPOCHS)], (name, points)
    pictures = [each.path for each in client.list_artifacts(run.info.run_id, "predictions")]
    assert pictures == [f"predictions/epoch_{epoch}.jpg" for epoch in range(EPOCHS)]
    models = client.search_logged_models(
        [experiment.experiment_id], f"source_run_id = '{run.info.run_id}'"
    )
    assert Counter(each.status.name for each in models) == {"READY": EPOCHS}
    assert {each.metrics[0].value for each in models} == {e / 10 for e in range(EPOCHS)}


FAULTS = [
    Fault(
        "tracking-server",
        "the tracking server is away, dies, hangs, drips a byte a second, answers 500 or garbage: "
        "at the start, in the middle, at the end, for the whole run",
        "the training's end waits 10 s at most; all is in MLflow after it is back, none twice",
        tells,
        trials=64,
    ),
]
