"""A run folder in the store: all that is whole goes up, nothing that is not counts there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipelines.depot.checkpoints import checkpoint_name, put_checkpoint, stored_manifests
from pipelines.depot.mirror import Mirror, Pace
from pipelines.depot.owner import LostError, Owner
from pipelines.store.folder_store import FolderStore
from pipelines.training import checkpoint
from pipelines.training.checkpoint import Manifest
from tests.worlds.here import ROOT

KEY = "small-0123456789ab"
QUICK = Pace(look_s=0.02, quiet_s=0.0, back_off_s=0.01, longest_s=0.05, patience_s=0.5)
PATIENT = Pace(look_s=0.02, quiet_s=0.0, back_off_s=0.01, longest_s=0.05, patience_s=100.0)
LIMIT_S = 100.0


class GatedStore(FolderStore):
    """A folder that is away while `away` is set, and that tells what it is asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.away, self.asked = threading.Event(), threading.Event()
        self.put_names: list[str] = []
        self.before_put: Callable[[str], None] = lambda name: None

    def _answer(self) -> None:
        self.asked.set()
        if self.away.is_set():
            raise ValueError("store: does not answer (on purpose)")

    def put(self, path: Path, name: str) -> None:
        self._answer()
        self.before_put(name)
        super().put(path, name)
        self.put_names.append(name)

    def write(self, name: str, content: bytes) -> None:
        self._answer()
        super().write(name, content)

    def read(self, name: str) -> bytes | None:
        self._answer()
        return super().read(name)


@pytest.fixture
def store(tmp_path: Path) -> GatedStore:
    return GatedStore(tmp_path / "store")


@pytest.fixture
def mirrors() -> Iterator[list[Mirror]]:
    """Those that a test leaves running are ended."""
    started: list[Mirror] = []
    yield started
    for mirror in started:
        mirror.leave(0.0)


def save(folder: Path, step: int, metric: float | None = None, mark: float = 0.0) -> Manifest:
    """A checkpoint, as a training with `keep_best` 1 writes it."""
    state = {"step": step, "weights": torch.full((9,), step + mark)}
    told = {"fingerprint": "f", "epoch": step, "step": step, "metric": metric, "code": "c"}
    return checkpoint.write_checkpoint(folder, state, keep_best=1, **told)  # type: ignore[arg-type]


def begun(store: GatedStore, folder: Path, mirrors: list[Mirror], pace: Pace = PATIENT) -> Mirror:
    folder.mkdir(exist_ok=True)
    mirror = Mirror(store, KEY, folder, pace)
    mirror.begin()
    mirror.start()
    mirrors.append(mirror)
    return mirror


def held_up(store: GatedStore) -> tuple[threading.Event, threading.Event]:
    """(set when a file is about to go up, to be set so that it does)."""
    seen, go_on = threading.Event(), threading.Event()

    def pause(name: str) -> None:
        seen.set()
        assert go_on.wait(LIMIT_S)

    store.before_put = pause
    return seen, go_on


def steps(store: GatedStore) -> list[int]:
    """Of the checkpoints in the store; each is whole."""
    stored = stored_manifests(store, KEY)
    for each in stored:
        path = Path(store.address) / checkpoint_name(KEY, each)
        assert checkpoint.why_unusable(path, each, "f", "c") == ""
    return [each.step for each in stored]


def test_what_a_training_keeps_is_what_the_store_keeps(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    run = tmp_path / "run"
    mirror = begun(store, run, mirrors)
    for step, metric in ((1, 0.5), (2, 0.1), (3, 0.2), (4, 0.3)):
        save(run, step, metric)
        assert mirror.flush(LIMIT_S)
    assert steps(store) == [1, 3, 4]  # the best one and the last two
    files = [name for name in store.names(f"runs/{KEY}/checkpoints/") if name.endswith(".pt")]
    assert len(files) == 3
    mirror.close()
    assert not list((run / ".mirror").iterdir())


@pytest.mark.parametrize("late", [None, {"AP@gt": 0.5}], ids=["rated anew", "numbers come late"])
def test_a_checkpoint_that_is_only_rated_does_not_go_up_again(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror], late: dict[str, float] | None
) -> None:
    run = tmp_path / "run"
    mirror = begun(store, run, mirrors)
    manifest = save(run, 1)
    assert mirror.flush(LIMIT_S)
    if late:
        checkpoint.rate_checkpoint(run, manifest, late, "AP@gt")
    else:
        folder = checkpoint.checkpoint_folder(run)
        checkpoint.write_manifest(folder, replace(manifest, metric=0.5))
    assert mirror.flush(LIMIT_S)
    (stored,) = stored_manifests(store, KEY)
    assert (stored.metric, stored.late) == (0.5, late)
    mirror.close()
    assert [each.metric for each in stored_manifests(store, KEY)] == [0.5]
    assert len(store.put_names) == 1


def test_another_node_goes_on_where_the_first_was(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    mirror = begun(store, first, mirrors)
    (first / "pictures").mkdir()
    (first / "pictures" / "epoch_0001.jpg").write_bytes(b"jpeg")
    record = '{"kind": "open", "uri": "http://server"}\n{"kind": "epoch", "epoch": 1}\n'
    shown = '{"kind": "picture", "path": "pictures/epoch_0001.jpg"}\n{"kind": "picture", "pa'
    (first / "outbox.jsonl").write_text(record + shown)
    (first / "outbox.sent").write_text(f'{{"address": "a", "position": {len(record)}}}')
    (first / "non_finite.jsonl").write_text("{}\n")
    manifests = [save(first, 1, 0.9), save(first, 2), save(first, 3)]
    mirror.close()

    begun(store, second, mirrors)
    assert checkpoint.read_manifests(second) == manifests
    assert checkpoint.latest_checkpoint(second, "f", "c") == second / "checkpoints/step_00000003.pt"
    for name in ("outbox.jsonl", "outbox.sent", "non_finite.jsonl", "pictures/epoch_0001.jpg"):
        assert (second / name).read_bytes() == (first / name).read_bytes()


def test_newer_files_of_this_node_stay(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    run = tmp_path / "run"
    mirror = begun(store, run, mirrors)
    (run / "outbox.jsonl").write_text('{"kind": "open", "uri": null}\n')
    save(run, 1)
    mirror.close()
    save(run, 2)  # after the store was lost sight of
    newer = '{"kind": "open", "uri": null}\n{"kind": "epoch", "epoch": 2}\n'
    (run / "outbox.jsonl").write_text(newer)
    again = begun(store, run, mirrors)
    assert (run / "outbox.jsonl").read_text() == newer
    again.close()
    assert steps(store) == [1, 2]
    assert store.read(f"runs/{KEY}/outbox.jsonl") == newer.encode()
    assert store.put_names.count(checkpoint_name(KEY, checkpoint.read_manifests(run)[0])) == 1


def test_a_damaged_one_in_the_store_is_passed_over(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    mirror = begun(store, first, mirrors)
    save(first, 1)
    name = checkpoint_name(KEY, save(first, 2))
    mirror.close()
    path = Path(store.address) / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    begun(store, second, mirrors)
    assert "is damaged" in (out := capsys.readouterr().out) and "trying the one before" in out
    assert checkpoint.latest_checkpoint(second, "f", "c") == second / "checkpoints/step_00000001.pt"


def test_a_damaged_one_of_this_node_is_brought_anew(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    run = tmp_path / "run"
    mirror = begun(store, run, mirrors)
    manifest = save(run, 1)
    mirror.close()
    path = run / "checkpoints" / manifest.file
    path.write_bytes(b"half")
    begun(store, run, mirrors)
    assert checkpoint.why_unusable(path, manifest, "f", "c") == ""


def test_a_store_that_is_away_loses_nothing_and_is_told(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror], capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    mirror = begun(store, run, mirrors)
    store.away.set()
    save(run, 1, 0.5)
    while not mirror.trouble:
        assert not mirror.flush(0.05)
    for step in (2, 3, 4):
        save(run, step, 0.1)
    mirror.check()  # training goes on
    store.away.clear()
    mirror.close()
    assert steps(store) == [1, 3, 4]
    assert not [name for name in store.put_names if "step_00000002" in name]  # gone before its turn
    said = capsys.readouterr().err
    assert said.count("nothing goes up since") == 1 and said.count("answers again") == 1


def test_a_store_that_stays_away_is_named_with_node_and_folder(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    run = tmp_path / "run"
    mirror = begun(store, run, mirrors, QUICK)
    store.away.set()
    save(run, 7)
    with pytest.raises(ValueError) as refused:
        mirror.close()
    for part in ("step_00000007.pt is not up", "on purpose", str(run), "make repro RECIPE=small"):
        assert part in str(refused.value)
    assert checkpoint.latest_checkpoint(run, "f", "c") is not None
    with pytest.raises(ValueError, match="on purpose"):
        Mirror(store, KEY, run, QUICK).begin()


def test_a_store_that_was_away_for_long_is_waited_for_at_the_end(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    """Patience counts from the end of training on, not from when the store went."""
    run, hours = tmp_path / "run", 3600.0
    mirror = begun(store, run, mirrors)
    store.away.set()
    store.asked.clear()
    save(run, 7)
    assert store.asked.wait(LIMIT_S)
    while not mirror.trouble:
        store.asked.wait(0.01)
    mirror._failing = (mirror._failing or 0.0) - hours
    back = threading.Timer(0.2, store.away.clear)
    back.start()
    mirror.close()
    back.join()
    assert steps(store) == [7]


def test_a_manifest_that_leads_out_of_the_run_folder_is_not_used(store: GatedStore) -> None:
    good = {"fingerprint": "f", "epoch": 1, "step": 1, "metric": None, "size": 1}
    bad = [{"file": "..", "sha256": "0" * 64}, {"file": "step_1.pt", "sha256": "/../../x"}]
    for number, each in enumerate(bad):
        store.write(f"runs/{KEY}/checkpoints/step_{number}.json", json.dumps(good | each).encode())
    assert stored_manifests(store, KEY) == []


def test_what_the_training_removes_while_it_goes_up_is_whole_there(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    run = tmp_path / "run"
    seen, go_on = held_up(store)
    mirror = begun(store, run, mirrors)
    first = save(run, 1)
    assert seen.wait(LIMIT_S)
    for step in (2, 3, 4):
        save(run, step)
    assert not (run / "checkpoints" / first.file).exists()
    go_on.set()
    mirror.close()
    assert checkpoint_name(KEY, first) in store.put_names  # it was on its way, and is gone by now
    assert steps(store) == [3, 4]


def test_the_best_one_goes_up_before_newer_ones(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    """Killed between the two, the training goes on from the newest with the best one's weights."""
    run = tmp_path / "run"
    seen, go_on = held_up(store)
    mirror = begun(store, run, mirrors)
    save(run, 1, 0.1)
    assert seen.wait(LIMIT_S)
    others = [save(run, step, metric) for step, metric in ((2, 0.9), (3, 0.2), (4, 0.3))]
    go_on.set()
    mirror.close()
    best, third, newest = (checkpoint_name(KEY, each) for each in others)
    assert store.put_names[1:] == [best, newest, third]


@pytest.mark.parametrize("rated", [None, 0.9])
def test_one_that_is_still_to_be_rated_goes_up_before_newer_ones(
    tmp_path: Path, store: GatedStore, rated: float | None
) -> None:
    run, away = tmp_path / "run", Mirror(store, KEY, tmp_path / "run", QUICK)
    state = {"weights": torch.ones(3)}
    told = {"fingerprint": "f", "code": "c", "keep_best": 1}
    for step, due in ((1, True), (2, True), (3, False), (4, False)):
        checkpoint.write_checkpoint(
            run, state, epoch=step, step=step, metric=rated if step == 3 else None, due=due, **told
        )  # type: ignore[arg-type]
    assert [each.step for each in away._pending()] == [1, 2, *([3, 4] if rated else [4, 3])]


def test_what_a_cut_off_attempt_wrote_before_it_knew_is_gone_at_the_end(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    late = Mirror(store, KEY, tmp_path / "late", QUICK)
    save(tmp_path / "late", 7)
    (manifest,) = checkpoint.read_manifests(tmp_path / "late")
    mirror = begun(store, tmp_path / "run", mirrors)
    save(tmp_path / "run", 1)
    save(tmp_path / "run", 9)
    assert mirror.flush(LIMIT_S)
    folder = checkpoint.checkpoint_folder(tmp_path / "late")
    put_checkpoint(store, KEY, manifest, folder / manifest.file, lambda: None)
    assert steps(store) == [1, 7, 9] and not late.is_lost
    mirror.close()
    assert steps(store) == [1, 9]


def test_an_attempt_that_was_cut_off_stops_and_leaves_the_store_alone(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    old_run, new_run = tmp_path / "old", tmp_path / "new"
    old = begun(store, old_run, mirrors)
    save(old_run, 1)
    assert old.flush(LIMIT_S)
    new = begun(store, new_run, mirrors)
    save(old_run, 2, mark=0.5)
    assert not old.flush(LIMIT_S)
    with pytest.raises(ValueError, match="another attempt at this training has taken over"):
        old.check()
    with pytest.raises(ValueError, match="has taken over"):
        old.close()
    save(new_run, 2)
    new.close()
    (stored,) = [each for each in stored_manifests(store, KEY) if each.step == 2]
    assert stored == checkpoint.read_manifests(new_run)[-1]
    assert steps(store) == [1, 2]


def test_of_an_emptied_store_a_new_attempt_has_it_not_the_old_one(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    """As of `--again`, which removes all that was there while the old attempt still runs."""
    old, new = Owner(store, KEY), Owner(store, KEY)
    old.take()
    store.remove(f"runs/{KEY}/owner.json")
    assert not old.check()
    new.take()
    with pytest.raises(LostError):
        old.take_back()
    assert new.check()
    store.write(f"runs/{KEY}/owner.json", b"damaged")
    old.take_back()
    assert old.check()


def test_a_store_that_somebody_emptied_is_filled_again(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    run = tmp_path / "run"
    mirror = begun(store, run, mirrors)
    save(run, 1)
    assert mirror.flush(LIMIT_S)
    for name in store.names():
        store.remove(name)
    save(run, 2)
    mirror.close()
    assert steps(store) == [1, 2]


def test_a_disk_that_takes_nothing_is_told_at_once(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    mirror = begun(store, tmp_path / "run", mirrors)
    save(tmp_path / "run", 1)
    mirror.close()
    second = tmp_path / "second"
    second.mkdir()
    (second / "checkpoints").write_text("no folder: nothing can be written below it")
    with pytest.raises(ValueError, match="cannot be written"):
        Mirror(store, KEY, second, PATIENT).begin()


@pytest.mark.contract
def test_a_process_killed_while_it_sends_leaves_nothing_that_counts(
    tmp_path: Path, store: GatedStore, mirrors: list[Mirror]
) -> None:
    command = [sys.executable, "-m", "tests.worlds.uploading"]
    given = [store.address, str(tmp_path / "first"), KEY]
    child = subprocess.Popen([*command, *given], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "half\n"
    finally:
        child.kill()
        child.communicate()
    assert steps(store) == [1]
    assert len(store.names(f"runs/{KEY}/checkpoints/")) == 3  # and half of the second one
    begun(store, tmp_path / "second", mirrors).close()
    assert [each.step for each in checkpoint.read_manifests(tmp_path / "second")] == [1]
    assert len(store.names(f"runs/{KEY}/checkpoints/")) == 2
