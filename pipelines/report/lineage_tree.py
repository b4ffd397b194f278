"""An origin as a tree: data, recipe, code, commit, training, checkpoints, decisions; each held
against what is here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from pipelines.digests.deciding import training_code
from pipelines.host import lineage, places
from pipelines.host.folders import file_digest
from pipelines.host.progress import told_number
from pipelines.intake.prepared import data_hash
from pipelines.recipe.reader import load_recipe
from pipelines.report.origins import Origin
from pipelines.tracking.runs import OUTBOX_NAME
from pipelines.tracking.told import attempts
from pipelines.training.checkpoint import checkpoint_folder, read_manifests
from pipelines.training.finished import read_finished

SHORT = 12  # letters of a digest
NEVER_CUT = 10_000


def print_tree(origin: Origin) -> None:
    console = Console(width=NEVER_CUT, highlight=False, soft_wrap=True)
    console.print(tree_of(origin))
    for each in origin.missing:
        print(f"not known: {each}")


def tree_of(origin: Origin) -> Tree:
    tree = Tree(Text(_title(origin)))
    for line in (_data(origin), _recipe(origin), _code(origin), _commit(origin), _lock(origin)):
        tree.add(Text(line))
    _add(tree, _training(origin), _attempts(origin))
    _add(tree, "checkpoints", _checkpoints(origin))
    if origin.decisions:
        _add(tree, f"decisions of {origin.slot}", map(_decision, origin.decisions))
    return tree


def _add(tree: Tree, head: str, lines: Any) -> None:
    branch = tree.add(Text(head))
    for line in lines:
        branch.add(Text(line))


def _title(origin: Origin) -> str:
    if not origin.slot:
        return origin.name
    return f"{origin.name}: version {origin.version or 'not known'} of {origin.slot}"


def _data(origin: Origin) -> str:
    dataset, digest = (origin.facts.get(key, "") for key in ("dataset", "data_hash"))
    dataset = dataset or _dataset_of_recipe(origin)
    if not digest:
        return f"data {dataset}: which, is not known"
    dataset = dataset or "(of a recipe that is not here)"
    return f"data {dataset} {digest[:SHORT]}: {_here(digest, lambda: data_hash(dataset))}"


def _dataset_of_recipe(origin: Origin) -> str:
    try:
        return load_recipe(origin.recipe).dataset
    except ValueError:
        return ""


def _here(digest: str, ours: Any) -> str:
    """Whether what lies here is the same. ours: raises ValueError where nothing does."""
    try:
        mine = str(ours())
    except (ValueError, OSError):
        return "not here"
    return "the same here" if mine == digest else f"here is another ({mine[:SHORT]})"


def _recipe(origin: Origin) -> str:
    digest = origin.facts.get("recipe_digest", "")
    if not digest:
        return f"recipe {origin.recipe}: its digest is not known"
    same = _here(digest, lambda: load_recipe(origin.recipe).digest())
    return f"recipe {origin.recipe} {digest[:SHORT]}: {same}"


def _code(origin: Origin) -> str:
    digest = _code_digest(origin)
    if not digest:
        return "code that decided it: which, is not known"
    return f"code {digest[:SHORT]}: {_here(digest, lambda: training_code(_loaded(origin)))}"


def _loaded(origin: Origin) -> Any:
    return load_recipe(origin.recipe)


def _code_digest(origin: Origin) -> str:
    folder = origin.run_folder
    done = read_finished(folder) if folder else None
    if done and done.code:
        return done.code
    codes = [each.code for each in read_manifests(folder)] if folder else []
    return codes[-1] if codes else ""


def _commit(origin: Origin) -> str:
    commit = origin.facts.get("git_commit", "")
    if not commit:
        return "git commit: not known"
    known = lineage.has_commit(commit.removesuffix("-dirty"))
    dirty = ", with changes that no commit holds" if commit.endswith("-dirty") else ""
    return f"git commit {commit[:SHORT]}{dirty}: {'here' if known else 'not in this repository'}"


def _lock(origin: Origin) -> str:
    digest, lock = origin.facts.get("dvc_lock_sha256", ""), places.home() / "dvc.lock"
    if not digest:
        return "dvc.lock: which, is not known"
    return f"dvc.lock {digest[:SHORT]}: {_here(digest, lambda: file_digest(lock))}"


def _training(origin: Origin) -> str:
    facts, record = origin.facts, origin.record
    told = f"training {facts.get('fingerprint', 'not known')[:SHORT]}"
    told += f", MLflow run {facts.get('run_id', 'not known')}"
    if record is None or record.imported:
        return told + (
            f", imported from {record.imported.file}" if record and record.imported else ""
        )
    hours = record.hours and round(record.hours, 2)
    took: dict[str, float | None] = {"epochs": record.epochs, "steps": record.steps}
    took |= {"ranks": record.world_size, "hours": hours}
    return f"{told}: {', '.join(f'{name} {n}' for name, n in took.items() if n is not None)}"


def _attempts(origin: Origin) -> Iterator[str]:
    folder = origin.run_folder
    for number, said in enumerate(attempts(folder / OUTBOX_NAME) if folder else (), 1):
        tags = said["tags"]
        when = datetime.fromtimestamp(said["time"]).isoformat(" ", "minutes")
        commit = tags.get("limber.git_commit", "")[:SHORT] or "no commit"
        host, device, ranks = (
            tags.get(f"limber.{key}", "?") for key in ("host", "device", "world_size")
        )
        yield f"attempt {number}: {when} on {host} ({device}), {ranks} ranks, {commit}"


def _checkpoints(origin: Origin) -> Iterator[str]:
    """Those that are kept, the best one marked; and best.pt, by its digest."""
    record, folder = origin.record, origin.run_folder
    best = record.checkpoint_sha256 if record else None
    for each in read_manifests(folder) if folder else []:
        path = checkpoint_folder(folder) / each.file if folder else Path(each.file)
        whole = path.is_file() and path.stat().st_size == each.size
        number = f", {told_number('', each.metric)}" if each.metric is not None else ""
        mark = ", the best" if each.sha256 == best else ""
        state = "" if whole else "; its file is not whole here"
        yield f"{each.file} {each.sha256[:SHORT]}: epoch {each.epoch}{number}{mark}{state}"
    yield _best(origin)


def _best(origin: Origin) -> str:
    digest = origin.facts.get("checkpoint_sha256", "")
    path = origin.best or places.best_weights(origin.recipe)
    if not digest and origin.best is None:
        return "best.pt: which, is not known"
    if not digest:
        return f"best.pt: {file_digest(path)[:SHORT] if path.is_file() else 'not here'}"
    return f"best.pt {digest[:SHORT]}: {_here(digest, lambda: file_digest(path))}"


def _decision(entry: dict[str, Any]) -> str:
    version = f"version {entry['version']} " if entry.get("version") else ""
    return f"{entry['time']} {version}{entry['action']}: {entry['reason']}"
