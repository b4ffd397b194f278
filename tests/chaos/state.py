"""State on disk harmed: checkpoints, what a training tells, the ledger, MLflow's database."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from pipelines import promote
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.host.tensors import save_tensors
from pipelines.registry.ledger import Ledger
from pipelines.registry.versions import Registry
from pipelines.tracking.outbox import Outbox, Postman, Record
from pipelines.training import checkpoint
from pipelines.training.attempt import _full_disk_told
from tests.chaos.fault import Fault, Outcome, shared_folder
from tests.worlds.damage import harm
from tests.worlds.exploits import pickled, write_zipped
from tests.worlds.registries import artifacts, champion, copy_home, make_home, verified

EPOCHS = 6
SLOT = "pose-coco"


def state_of(step: int, fingerprint: str = "ours", weights: int = 64) -> dict[str, object]:
    torch.manual_seed(step)
    return {"fingerprint": fingerprint, "step": step, "model": {"weight": torch.rand(weights)}}


def keep(run: Path, step: int, weights: int = 64) -> checkpoint.Manifest:
    told = {"fingerprint": "ours", "epoch": step, "step": step, "metric": step / 8, "keep_best": 3}
    return checkpoint.write_checkpoint(run, state_of(step, weights=weights), **told)  # type: ignore[arg-type]


def checkpoint_damaged(draw: random.Random, folder: Path) -> Outcome:
    """The newest of three; whoever harms it may also write a manifest that fits."""
    run, mark = folder / "run", folder / "ran"
    newest = [keep(run, step) for step in (1, 2, 3)][-1]
    path = checkpoint.checkpoint_folder(run) / newest.file
    way = draw.choice(("content", "manifest", "both", "zip", "pickle", "other recipe", "gone"))
    if way in ("content", "both"):
        harm(path, draw)
    if way in ("manifest", "both"):
        harm(path.with_suffix(".json"), draw)
    if way == "zip":
        write_zipped(path, mark)
    elif way == "pickle":
        path.write_bytes(pickled(mark))
    elif way == "other recipe":
        save_tensors(path, state_of(3, "another"))
    elif way == "gone":
        draw.choice((path, path.with_suffix(".json"))).unlink()
    fits = way == "content" and draw.random() < 0.5  # other weights may then pass, as they would
    if way in ("zip", "pickle", "other recipe") or fits:
        size, digest = path.stat().st_size, file_digest(path)
        checkpoint.write_manifest(path.parent, replace(newest, size=size, sha256=digest))
    with silence():
        found = checkpoint.latest_checkpoint(run, "ours")
        assert found is not None, way
        state = checkpoint.read_checkpoint(found)
        best = checkpoint.best_manifests(checkpoint.read_manifests(run), 1)[0]
    assert found.name in ("step_00000002.pt", "step_00000003.pt"), found
    if way in ("zip", "pickle", "other recipe", "gone"):
        assert found.name == "step_00000002.pt", way
    if not (fits and found.name == "step_00000003.pt"):
        whole = state_of(int(state["step"]))
        assert torch.equal(state["model"]["weight"], whole["model"]["weight"]), way  # type: ignore[index]
    assert best.metric in (2 / 8, 3 / 8), best
    assert not mark.exists(), "code in a checkpoint was run"
    return "recovered"


class Server:
    """A tracker that keeps epochs once, as MLflow does by the run's history."""

    def __init__(self) -> None:
        self.epochs: dict[int, float] = {}

    def deliver(self, record: Record) -> None:
        if record["kind"] == "epoch" and {"epoch", "metrics"} <= record.keys():
            self.epochs.setdefault(record["epoch"], record["metrics"].get("loss", -1.0))

    def take(self, outbox: Outbox) -> None:
        Postman(outbox, lambda: ("server", "run", self.deliver)).deliver_all()


def tell(path: Path, epochs: range) -> None:
    outbox = Outbox(path)
    known = outbox.epochs()
    for epoch in epochs:
        if epoch not in known:
            outbox.append("epoch", epoch=epoch, step=epoch, metrics={"loss": 1 / (epoch + 1)})
    outbox.release()


def outbox_damaged(draw: random.Random, folder: Path) -> Outcome:
    """Somewhere in a training; then it goes on, and tells what its checkpoint's history holds."""
    path, server = folder / "outbox.jsonl", Server()
    tell(path, range(EPOCHS - 2))
    if draw.random() < 0.5:
        outbox = Outbox(path)
        server.take(outbox)
        outbox.release()
    hurt = [p for p in (path, path.with_suffix(".sent")) if p.is_file()]
    with silence():
        harm(draw.choice(hurt), draw)
        tell(path, range(EPOCHS))
        outbox = Outbox(path)
        server.take(outbox)
        outbox.release()
    wanted = {epoch: 1 / (epoch + 1) for epoch in range(EPOCHS)}
    assert server.epochs == wanted, server.epochs
    return "recovered"


def ledger_damaged(draw: random.Random, folder: Path) -> Outcome:
    """One of its two files; the other one, and what is written next, know all."""
    path = folder / "promotion.json"
    for number in range(4):
        Ledger(path).append(SLOT, "promoted", f"reason {number}", version=str(number))
    Ledger(path).set_slots({SLOT: {"champion": "3"}})
    before = Ledger(path).decisions
    with silence():
        harm(draw.choice((path, path.with_suffix(".jsonl"))), draw)
        assert Ledger(path).decisions == before
        Ledger(path).append(SLOT, "rejected", "later", version="9")
        after = Ledger(path).decisions
    assert after[:-1] == before and after[-1]["reason"] == "later"
    assert json.loads(path.read_bytes())["decisions"] == after
    return "recovered"


def database_damaged(draw: random.Random, folder: Path) -> Outcome:
    """MLflow's: who is champion is told, or the file is named; never a traceback."""
    made, home = shared_folder("registry", make_home), places.home()
    copy_home(made, home)
    path = home / "mlflow.db"
    way = harm(path, draw)
    said, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
        code = promote.main(["--list"])
    told = said.getvalue() + wrong.getvalue()
    shutil.rmtree(home)
    if code == 0:
        assert f"{SLOT}: " in told, told
        return "recovered"
    assert code == 2 and "Traceback" not in told, f"{way}: {told}"
    assert "mlflow.db" in told, f"{way}: {told}"
    return "refused"


def disk_full(draw: random.Random, folder: Path) -> Outcome:
    """A small disk in memory, filled so far that one of the next checkpoints has no room."""
    disk, size = folder / "disk", 600_000
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
    try:
        (disk / "others").write_bytes(bytes(draw.randrange(size // 2, size - 20_000)))
        kept, said = list[checkpoint.Manifest](), ""
        for step in range(1, 9):
            try:
                with _full_disk_told(disk / "run"):
                    kept.append(keep(disk / "run", step, 16_384))
            except ValueError as error:
                said = str(error)
                break
        assert f"{disk / 'run'} on " in said and "make room" in said, said
        with silence():
            found = checkpoint.latest_checkpoint(disk / "run", "ours")
        assert (found.name if found else None) == (kept[-1].file if kept else None)
        left = [p.name for p in checkpoint.checkpoint_folder(disk / "run").glob("*.part")]
        assert not left, left
        (disk / "others").unlink()
        after = keep(disk / "run", len(kept) + 1, 16_384)
        found = checkpoint.latest_checkpoint(disk / "run", "ours")
        assert found is not None and found.name == after.file
    finally:
        subprocess.run(["umount", disk], check=True)
    return "refused"


def registry_by_hand(draw: random.Random, folder: Path) -> Outcome:
    """Somebody at MLflow's page, or at its files; `promote --verify` finds it and mends it."""
    copy_home(shared_folder("registry", make_home), places.home())
    registry = Registry()
    was, files = champion(registry), artifacts(registry, "2")
    way = draw.choice(("moved", "removed", "deleted", "file", "added", "gone"))
    if way in ("moved", "removed"):
        registry.point(SLOT, "champion", "1" if way == "moved" else None)
    elif way == "deleted":
        registry.client.delete_model_version(SLOT, "2")
    elif way == "added":
        (files / "artifacts" / "code" / f"{draw.choice(('json', 'cv2'))}.py").write_text("")
    else:
        there = [p for p in sorted(files.rglob("*")) if p.is_file() and p.stat().st_size]
        kept = [p for p in there if "__pycache__" not in p.parts]  # whoever loads it removes those
        path, before = draw.choice(kept), b""
        before = path.read_bytes()
        if way == "gone":
            path.unlink()
        while path.is_file() and path.read_bytes() == before:
            harm(path, draw)
    with silence():
        assert not verified(mend=False), f"{way}: not found"
        assert verified(), f"{way}: not mended"
        assert champion(registry) == was, way
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert verified(mend=False), f"{way}: mended, and still another: {said.getvalue()}"
    shutil.rmtree(places.home())
    return "recovered"


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


FAULTS = [
    Fault(
        "checkpoint-damaged",
        "newest checkpoint or its manifest truncated, bit-flipped, emptied, mistyped, of another "
        "recipe, or a pickle with code, with a manifest that fits",
        "said, passed over, the one before used; no code is run",
        checkpoint_damaged,
        trials=2000,
        draw=60,
    ),
    Fault(
        "outbox-damaged",
        "a wrong bit, a wrong type, an empty file in outbox.jsonl or outbox.sent",
        "named, passed over; the tracker has each epoch once, with its number",
        outbox_damaged,
        trials=2000,
        draw=60,
    ),
    Fault(
        "ledger-damaged",
        "a wrong bit, a wrong type, an empty file in promotion.json or the ledger's lines",
        "named, and made again from the other one: no decision is lost or invented",
        ledger_damaged,
        trials=1000,
        draw=40,
    ),
    Fault(
        "database-damaged",
        "a wrong bit, a cut, an empty file in mlflow.db",
        "what is readable is told, or one sentence names the file and what to do",
        database_damaged,
        trials=40,
        draw=2,
    ),
    Fault(
        "disk-full",
        "no room for a checkpoint",
        "one sentence names folder and node; the last good checkpoint is kept, nothing half "
        "written is left, and with room again the training goes on",
        disk_full,
        trials=100,
        draw=5,
        mounts=True,
    ),
    Fault(
        "registry-by-hand",
        "alias moved or removed, version deleted, artifacts changed, added or removed by hand",
        "`promote --verify` finds it, and the model that the ledger names is champion again",
        registry_by_hand,
        trials=40,
        draw=2,
    ),
]
