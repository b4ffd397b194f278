"""Where raw data come from: a folder that is linked, zips, S3, or a data set that makes its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from data.ground.data_set import Archive, DataSet, Layout, Making
from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.host.progress import Tally
from pipelines.intake import manifest
from pipelines.intake.download import bring, extract
from pipelines.intake.given_names import given_names
from pipelines.intake.kept import AWAY, Kept, served_version
from pipelines.recipe.datasets import data_set
from pipelines.store.s3 import listed_objects

DETECTIONS = "person_detection_results"


def from_home(source: str) -> str:
    """Paths are relative to the home folder, of a trial to the one that it was made of."""
    return source if "://" in source else str(places.origin() / Path(source).expanduser())


def bring_raw(name: str, settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Fills the folder with the raw files of a data set of the menu; its manifest.

    settings: its own in params.yaml. Raises ValueError that names what is wrong there.
    """
    dataset, where = data_set(name), f"params.yaml: datasets.{name}"
    members = {member: _fetched(member) for member in dataset.members}
    if dataset.LAYOUT is None:
        dataset.make(Making(folder, settings, where, members, counting, places.origin()))
    else:
        downloads = places.raw_of_home(name).with_name(".downloads") / name
        told = f"{where}.source"
        before = places.raw_of_home(name)
        bring_source(dataset.LAYOUT, settings.get("source"), told, folder, downloads, before)
        with given_names(folder, settings.get("source")):
            check_truth(dataset, folder)
    bring_detections(dataset, settings.get("detections"), f"{where}.detections", folder)
    return manifest.manifest_of_members(members) if members else manifest.manifest_of(folder)


def _fetched(member: str) -> Path:
    """The raw data of a member, which were fetched before."""
    root = places.raw(member)
    if not (root / manifest.NAME).is_file():
        do = f"run `python -m pipelines.fetch {member}` first, of which the mixture is made"
        raise refusal(root, fault="not fetched", do=do)
    return root


@contextmanager
def counting(what: str, count: int) -> Iterator[Callable[[], None]]:
    tally = Tally(what, count, "images")
    yield tally.add
    tally.close()


def check_truth(dataset: DataSet, folder: Path) -> None:
    for split in dataset.SPLITS:
        dataset.check_truth(folder, split)


def bring_source(
    layout: Layout,
    source: object,
    where: str,
    folder: Path,
    downloads: Path,
    before: Path | None = None,
) -> None:
    """Links, or brings by way of `downloads`, the layout's files from a source, told at `where`.

    before: what was brought last time, of which S3 is not asked again for what is the same there.
    """
    more = ", or https://... with the official zips" if layout.archives else ""
    if not isinstance(source, str) or not source:
        accepted = f"a folder of {layout.told}, s3://bucket/prefix with the same layout{more}"
        do = "set it there, or use a demo recipe, which needs none"
        raise refusal(where, given=source, accepted=accepted, do=do)
    kept = Kept(downloads, source.rstrip("/"))
    if source.startswith("s3://"):
        _from_s3(source.rstrip("/"), layout, folder, kept, before)
    elif source.startswith(("https://", "http://")) and layout.archives:
        base = source.rstrip("/")
        versions = partial(_served, base)
        _from_zips(base, layout, layout.archives, folder, kept, versions)
    elif "://" in source:
        accepted = f"a folder, s3://bucket/prefix{more}"
        raise refusal(where, fault=f"given {source}", accepted=accepted)
    else:
        _link_folder((places.origin() / Path(source).expanduser()).resolve(), layout, folder, where)
    _check_layout(layout, folder, f"{where}: {source}")
    kept.forget()


def _served(base: str, name: str) -> str:
    version = served_version(f"{base}/{name}")
    return "" if version == AWAY else version  # bringing it says why


def _link_folder(source: Path, layout: Layout, folder: Path, where: str) -> None:
    """Links, never copies: each image folder, each file of labels."""
    if not source.is_dir():
        accepted = f"a folder of {layout.told}, s3://bucket/prefix or https://..."
        raise refusal(f"{where}: {source}", fault="no such folder", accepted=accepted)
    for name in layout.folders:
        if (source / name).is_dir():
            (folder / name).symlink_to(source / name)
    for path in label_files(source, layout):
        link = folder / path.relative_to(source)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)


def label_files(source: Path, layout: Layout) -> list[Path]:
    """All files of a folder that the layout names, but for its folders of images."""
    patterns = (*_either(layout), *layout.optional)
    found = dict.fromkeys(path for each in patterns for path in source.glob(each))
    return [path for path in found if path.is_file()]


def _either(layout: Layout) -> list[str]:
    """All files that a data set may need."""
    return list(dict.fromkeys(name for names in layout.needed for name in names))


def _from_zips(
    base: str,
    layout: Layout,
    archives: Sequence[Archive],
    folder: Path,
    kept: Kept,
    version_of: Callable[[str], str],
) -> None:
    """Size and digest are told of the official zips alone: a mirror may have packed its own."""
    official = layout.official in base
    names = [PurePosixPath(archive.name).name for archive in archives]
    for archive, name in zip(archives, names, strict=True):
        address = f"{base}/{archive.name}"
        if official:  # one that is there already is held against the digest
            bring(address, kept.path(name), archive.digest, archive.size)
        elif not kept.has(name, version := version_of(archive.name)):
            bring(address, kept.path(name))
            kept.add(name, version)
    for name in names:
        extract(kept.path(name), folder)


def _from_s3(source: str, layout: Layout, folder: Path, kept: Kept, before: Path | None) -> None:
    """Zips where the prefix has them, else the layout file by file; what came once is kept."""
    rows = listed_objects(source)
    if zipped := [archive for archive in layout.archives if archive.name in rows]:
        _from_zips(source, layout, zipped, folder, kept, lambda name: str(rows[name]["ETag"]))
    elif not all(any(name in rows for name in names) for names in layout.needed):
        names = ", ".join(archive.name for archive in layout.archives)
        raise refusal(
            source, fault=f"neither {layout.told}{f' nor {names}' if names else ''} below it"
        )
    wanted = {k: n for k, n in rows.items() if belongs(k, layout) and not k.endswith(".zip")}
    if before is not None:
        for name, row in wanted.items():
            _keep_same(before.resolve(), name, str(row["ETag"]), kept)
    _get_files(source, wanted, kept)
    for name in wanted:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        kept.path(name).rename(folder / name)


def _keep_same(before: Path, name: str, tag: str, kept: Kept) -> None:
    """A file of last time whose md5 is the object's tag stands in for it. (Of an object that was
    sent in parts, or encrypted, the tag is no md5: it is brought again.)"""
    old, path = before / name, kept.path(name)
    if kept.has(name, tag) or not old.is_file() or old.resolve() != old:  # a link: somebody else's
        return
    if file_digest(old, "md5") == tag.strip('"'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # of another disk: it is brought
            path.hardlink_to(old)
            kept.add(name, tag)


def _get_files(source: str, rows: Mapping[str, Mapping[str, Any]], kept: Kept) -> None:
    """Files below an S3 prefix, each of the version that was listed, some at a time."""
    tally = Tally(source, len(rows), "files")

    def get(item: tuple[str, Mapping[str, Any]]) -> None:
        name, row = item
        if fresh := not kept.has(name, str(row["ETag"])):
            bring(f"{source}/{name}", kept.path(name), None, int(row["Size"]))
            kept.add(name, str(row["ETag"]))
        tally.add(fresh=fresh)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(get, rows.items()))
    tally.close()


def belongs(key: str, layout: Layout) -> bool:
    """Whether a data set of that layout is made of the file, whose path below the source it is."""
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts or str(path) != key:
        return False
    in_folder = len(path.parts) > 1 and path.parts[0] in layout.folders
    return in_folder or key in _either(layout) or any(_fits(path, e) for e in layout.optional)


def _fits(path: PurePosixPath, pattern: str) -> bool:
    return path.match(pattern) and len(path.parts) == len(PurePosixPath(pattern).parts)


def bring_detections(dataset: DataSet, source: object, where: str, folder: Path) -> None:
    """An optional `detections:` in params.yaml: the detector's boxes, from anywhere.

    Raises ValueError where the data set takes no file of that name for any of its splits.
    """
    if not isinstance(source, str) or not source:
        return
    target = folder / DETECTIONS / PurePosixPath(source).name
    bring(from_home(source), target)
    if target not in [dataset.detections_file(folder, split) for split in dataset.SPLITS]:
        accepted = "a file of the name that the data set looks for (`detections_file` in its class)"
        raise refusal(where, given=source, accepted=accepted, do="rename it, or leave it out")


def _check_layout(layout: Layout, folder: Path, where: str) -> None:
    needed = (*layout.needed, *((name,) for name in layout.folders))
    missing = [names for names in needed if not any((folder / name).exists() for name in names)]
    if missing:
        fault, do = f"no {' or '.join(missing[0])}", "add it or correct the source in params.yaml"
        raise refusal(where, fault=fault, accepted=layout.told, do=do)
