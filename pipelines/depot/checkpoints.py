"""A training's checkpoints in the store: what has a manifest there is there, and whole.

A checkpoint's name there holds its digest, so that two attempts at a training never write into one
another's files; the manifest, as in the run folder, comes last and goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from data.ground.refusal import masked, refusal
from pipelines.depot.key import run_prefix
from pipelines.host.writable import writable
from pipelines.store.store import Store
from pipelines.training.checkpoint import (
    Manifest,
    best_manifests,
    checkpoint_folder,
    manifest_of,
    manifest_text,
    why_unusable,
    write_manifest,
)


def folder_name(key: str) -> str:
    return f"{run_prefix(key)}checkpoints/"


def checkpoint_name(key: str, manifest: Manifest) -> str:
    """Name of the file in the store: `runs/KEY/checkpoints/step_00000123-0123456789ab.pt`."""
    path = Path(manifest.file)
    return f"{folder_name(key)}{path.stem}-{manifest.sha256[:12]}{path.suffix}"


def manifest_name(key: str, manifest: Manifest) -> str:
    return f"{folder_name(key)}{Path(manifest.file).stem}.json"


def checkpoint_address(store: Store, key: str, file: str, sha256: str) -> str:
    """Where a checkpoint lies, for a person: an address of S3, or a file's."""
    manifest = Manifest(file, "", 0, 0, None, 0, sha256)
    address = f"{store.address}/{checkpoint_name(key, manifest)}"
    return address if "://" in address else Path(address).as_uri()


def stored_manifests(store: Store, key: str) -> list[Manifest]:
    """Of all checkpoints in the store, oldest first; unreadable ones are said and left out."""
    manifests = []
    for name in store.names(folder_name(key)):
        if not name.endswith(".json") or (content := store.read(name)) is None:
            continue
        try:
            manifests.append(manifest_of(content, Path(name).stem))
        except ValueError:
            print(f"{store.address}/{name}: not a manifest; its checkpoint is not used", flush=True)
    return sorted(manifests, key=lambda manifest: manifest.step)


def manifests_here(run_folder: Path) -> list[Manifest]:
    """As `checkpoint.read_manifests`, beside a training that writes and removes them, silently."""
    manifests = []
    for path in checkpoint_folder(run_folder).glob("step_*.json"):
        with suppress(OSError, ValueError):
            manifests.append(manifest_of(path.read_bytes(), path.stem))
    return sorted(manifests, key=lambda manifest: manifest.step)


def put_checkpoint(
    store: Store, key: str, manifest: Manifest, path: Path, then: Callable[[], None]
) -> None:
    """The file, then its manifest. then: called between the two, may raise."""
    store.put(path, checkpoint_name(key, manifest))
    then()
    put_manifest(store, key, manifest)


def put_manifest(store: Store, key: str, manifest: Manifest) -> None:
    """Of a file that is there: it was rated meanwhile, or is new."""
    store.write(manifest_name(key, manifest), manifest_text(manifest).encode())


def remove_checkpoint(store: Store, key: str, manifest: Manifest) -> None:
    store.remove(manifest_name(key, manifest))  # first: without it the checkpoint does not count
    store.remove(checkpoint_name(key, manifest))


def remove_others(store: Store, key: str, here: Sequence[Manifest]) -> None:
    """What an attempt that was taken over wrote in the moment before it knew; here: all that was
    kept by the one that is through, none of an emptied folder. What is newer than all of these
    stays: whoever was not as far does not judge it."""
    steps = {manifest.step for manifest in here}
    for manifest in stored_manifests(store, key) if here else []:
        if manifest.step not in steps and manifest.step < max(steps):
            remove_checkpoint(store, key, manifest)


def remove_strays(store: Store, key: str) -> None:
    """Files that no manifest names: of attempts that died between the two."""
    named = {checkpoint_name(key, manifest) for manifest in stored_manifests(store, key)}
    for name in store.names(folder_name(key)):
        if name.endswith(".pt") and name not in named:
            store.remove(name)


def bring_checkpoint(store: Store, key: str, manifest: Manifest, run_folder: Path) -> bool:
    """Into the run folder, its manifest last; False, and a line, where it is damaged in the store.

    Raises ValueError where the store does not answer, or this disk cannot be written.
    """
    path = checkpoint_folder(run_folder) / manifest.file
    with writable(path):
        path.with_suffix(".json").unlink(missing_ok=True)
    try:
        name = checkpoint_name(key, manifest)
        store.get(name, path, size=manifest.size, sha256=manifest.sha256)
    except ValueError as error:
        if isinstance(error.__cause__, OSError):
            raise
        store.read(manifest_name(key, manifest))  # raises where the store is away
        print(masked(f"{error}; trying the one before"), flush=True)
        return False
    with writable(path):
        write_manifest(path.parent, manifest)
    return True


def bring_missing(store: Store, key: str, run_folder: Path) -> list[Manifest]:
    """The checkpoints that the run folder lacks or has damaged, newest first; what is there stays.

    Those that are whole in the store, oldest first. Raises as `bring_checkpoint`.
    """
    here = {manifest.step: manifest for manifest in manifests_here(run_folder)}
    whole = []
    for manifest in reversed(stored_manifests(store, key)):
        own = here.get(manifest.step)
        if own and _is_good(run_folder, own):
            whole += [manifest] if own.sha256 == manifest.sha256 else []
        elif bring_checkpoint(store, key, manifest, run_folder):
            whole.append(manifest)
    return whole[::-1]


def bring_best(store: Store, key: str, run_folder: Path) -> None:
    """The best checkpoint with a validated epoch that is whole, where it is not here already.

    Raises ValueError where there is none, else as `bring_checkpoint`.
    """
    stored = stored_manifests(store, key)
    every = {each.step: each for each in (*stored, *manifests_here(run_folder))}
    for manifest in best_manifests(list(every.values()), len(every)):
        if _is_good(run_folder, manifest) or (
            manifest in stored and bring_checkpoint(store, key, manifest, run_folder)
        ):
            return
    raise refusal(
        f"{store.address}/{folder_name(key)}",
        fault="holds no good checkpoint with a validated epoch",
        do=f"run `python -m pipelines.train {key.rpartition('-')[0]} --again`",
    )


def _is_good(run_folder: Path, manifest: Manifest) -> bool:
    path = checkpoint_folder(run_folder) / manifest.file
    return not why_unusable(path, manifest, manifest.fingerprint, manifest.code)
