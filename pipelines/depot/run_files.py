"""What lies in a run folder beside the checkpoints, to the store and back: what the training told
(its outbox, and how far that was sent), pictures, steps whose loss was not finite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.files.whole_file import whole_file
from pipelines.depot.key import run_prefix
from pipelines.host.writable import writable
from pipelines.store.parcels import check_inside
from pipelines.store.store import Store
from pipelines.tracking.outbox import POSITION_SUFFIX
from pipelines.tracking.runs import OUTBOX_NAME
from pipelines.tracking.sealed import read_position, whole_records

PICTURES, NON_FINITE = "pictures", "non_finite.jsonl"
OUTBOX_POSITION = Path(OUTBOX_NAME).with_suffix(POSITION_SUFFIX).name
AT_ONCE = 8  # files that are brought at a time
Mark = tuple[int, int]  # of a file: another one where it was written again


class RunFiles:
    """The small files of a run folder, and which of them the store has as they are."""

    def __init__(self, store: Store, key: str, run_folder: Path) -> None:
        self._store, self._prefix, self._folder = store, run_prefix(key), run_folder
        self._there: dict[str, Mark] = {}

    def forget(self) -> None:
        """The store has lost them."""
        self._there.clear()

    def know_pictures(self) -> None:
        """Pictures that the store has already, by name and size, are not sent again."""
        for name, size in self._store.names(f"{self._prefix}{PICTURES}/").items():
            inner = name.removeprefix(self._prefix)
            path = self._folder / inner
            if path.is_file() and (mark := _mark(path))[1] == size:
                self._there[inner] = mark

    def changed(self) -> bool:
        return any(True for _ in self._waiting())

    def send(self) -> None:
        """All that changed. How far the outbox was sent is read first and written last: then it
        never points behind the outbox's end."""
        waiting = dict(self._waiting())
        contents = {}
        for inner in (OUTBOX_POSITION, OUTBOX_NAME):
            if inner in waiting:
                contents[inner] = (self._folder / inner).read_bytes()
        for inner, mark in waiting.items():
            if inner not in contents:
                self._write(inner, (self._folder / inner).read_bytes(), mark)
        for inner in reversed(contents):
            self._write(inner, contents[inner], waiting[inner])

    def _write(self, inner: str, content: bytes, mark: Mark) -> None:
        self._store.write(f"{self._prefix}{inner}", content)
        self._there[inner] = mark

    def _waiting(self) -> Iterator[tuple[str, Mark]]:
        for path in _small_files(self._folder):
            inner = path.relative_to(self._folder).as_posix()
            if (mark := _mark(path)) != self._there.get(inner):
                yield inner, mark


def bring_outbox(store: Store, key: str, run_folder: Path) -> None:
    """What the training told so far, where the store's outbox tells more than the one here."""
    theirs = store.read(f"{run_prefix(key)}{OUTBOX_NAME}")
    outbox = run_folder / OUTBOX_NAME
    ours = outbox.read_bytes() if outbox.is_file() else b""
    if theirs is None or not _tells_more(theirs, ours):
        return
    position = store.read(f"{run_prefix(key)}{OUTBOX_POSITION}")
    (run_folder / OUTBOX_POSITION).unlink(missing_ok=True)  # of another outbox
    _write_here(outbox, theirs)
    if position:
        _write_here(run_folder / OUTBOX_POSITION, position)


def bring_others(store: Store, key: str, run_folder: Path) -> None:
    """Pictures, and the steps whose loss was not finite; what is here stays."""
    names = store.names(f"{run_prefix(key)}{PICTURES}/")
    inner = [name.removeprefix(run_prefix(key)) for name in names]
    _bring(store, key, run_folder, [*inner, NON_FINITE])


def bring_unsent_pictures(store: Store, key: str, run_folder: Path) -> None:
    """Those that the outbox here has still to show to a server; none where the checkout shows."""
    position, outbox = run_folder / OUTBOX_POSITION, run_folder / OUTBOX_NAME
    _, sent = read_position(position, outbox)
    content = outbox.read_bytes() if outbox.is_file() else b""
    shows = next((each["uri"] for each in whole_records(content) if "uri" in each), None)
    told = whole_records(content[sent:]) if shows else ()
    paths = [Path(each["path"]) for each in told if each["kind"] == "picture" and "path" in each]
    _bring(store, key, run_folder, [f"{PICTURES}/{path.name}" for path in paths] + [NON_FINITE])


def _bring(store: Store, key: str, run_folder: Path, names: Iterable[str]) -> None:
    """Raises ValueError for a name that leads out of the folder, before anything is written."""
    names = list(dict.fromkeys(names))
    for inner in names:
        check_inside(inner, f"{store.address}/{run_prefix(key)}")

    def bring(inner: str) -> None:
        target = run_folder / inner
        if not target.exists() and (content := store.read(f"{run_prefix(key)}{inner}")) is not None:
            _write_here(target, content)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(bring, inner) for inner in names]:
            done.result()


def _write_here(target: Path, content: bytes) -> None:
    with writable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as file:
            file.write(content)


def _tells_more(theirs: bytes, ours: bytes) -> bool:
    """Of two outboxes of one training; where one goes on from the other, the longer one does."""
    if theirs.startswith(ours) or ours.startswith(theirs):
        return len(theirs) > len(ours)
    return _last_epoch(theirs) > _last_epoch(ours)


def _last_epoch(outbox: bytes) -> int:
    told = (each for each in whole_records(outbox) if each["kind"] == "epoch")
    return max((int(each["epoch"]) for each in told if "epoch" in each), default=-1)


def _small_files(folder: Path) -> list[Path]:
    named = [OUTBOX_POSITION, OUTBOX_NAME, NON_FINITE]
    files = [path for name in named if (path := folder / name).is_file()]
    return [*files, *sorted(path for path in (folder / PICTURES).glob("*") if path.is_file())]


def _mark(path: Path) -> Mark:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
