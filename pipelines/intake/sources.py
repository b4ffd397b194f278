"""Where raw data come from: a folder that is linked, zips, S3; drawn; members of a mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from data import DATASETS
from data.datasets import stick_figures
from data.datasets.mixture import Mixture
from data.ground.sample import Layout
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.host.progress import Tally
from pipelines.host.s3 import list_s3
from pipelines.intake.download import bring, extract

DETECTIONS = "person_detection_results"
# COCO's zips below the base address -> size and digest of its own
ZIPS: dict[str, tuple[int, str]] = {
    "annotations/annotations_trainval2017.zip": (252907541, "md5:f4bbac642086de4f52a3fdda2de5fa2c"),
    "zips/val2017.zip": (815585330, "md5:442b8da7639aecaf257c1dceb8ba8c80"),
    "zips/train2017.zip": (19336861798, "md5:cced6f7f71b7629ddf16f17bbcfab6b2"),
}
OFFICIAL = "images.cocodataset.org"
LABELS = (".json", ".mat")


def from_home(source: str) -> str:
    """Paths are relative to the home folder."""
    return source if "://" in source else str(places.home() / Path(source).expanduser())


def draw_people(folder: Path, settings: Mapping[str, Any]) -> None:
    for split in stick_figures.SPLITS:
        count = settings.get(f"{split}_images")
        if not isinstance(count, int) or not 1 <= count <= 1_000_000:
            where = f"params.yaml: datasets.stick_figures.{split}_images"
            raise ValueError(f"{where}: given {count!r}, accepted: 1 to 1000000")
        seed = settings.get("seed", 1)
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(f"params.yaml: datasets.stick_figures.seed: given {seed!r}, "
                             "accepted: a whole number from 0")  # fmt: skip
        tally = Tally(f"draw {split}", count, "images")
        stick_figures.draw_split(folder, split, count, seed, tell=tally.add)
        tally.close()


def link_members(mixture: Mixture, folder: Path) -> dict[str, Any]:
    """Links to the members' raw data; the manifest: digests of theirs."""
    manifests = {name: places.raw(name) / "manifest.json" for name in mixture.members}
    for name, manifest in manifests.items():
        if not manifest.is_file():
            raise ValueError(f"{manifest.parent}: not fetched; run `python -m pipelines.fetch "
                             f"{name}` first, of which the mixture is made")  # fmt: skip
        (folder / name).symlink_to(manifest.parent)
    return {"members": {name: file_digest(path) for name, path in manifests.items()}}


def bring_source(dataset: str, source: object, folder: Path, target: Path) -> None:
    where, module = f"params.yaml: datasets.{dataset}.source", DATASETS[dataset]
    layout: Layout = module.LAYOUT
    zips = dataset == "coco"
    more = ", or https://... with the official zips" if zips else ""
    if not isinstance(source, str) or not source:
        raise ValueError(
            f"{where}: given {source!r}; accepted: a folder of {layout.told}, s3://bucket/prefix "
            f"with the same layout{more}; set it there, or use a demo recipe, which needs none"
        )
    downloads = target.with_name(".downloads") / dataset
    if source.startswith("s3://"):
        _from_s3(source.rstrip("/"), layout, list(ZIPS) if zips else [], folder, downloads)
    elif source.startswith(("https://", "http://")) and zips:
        _from_zips(source.rstrip("/"), list(ZIPS), folder, downloads)
    elif "://" in source:
        raise ValueError(f"{where}: given {source}; accepted: a folder, s3://bucket/prefix{more}")
    else:
        _link_folder((places.home() / Path(source).expanduser()).resolve(), layout, folder, where)
    _check_layout(layout, folder, source, where)
    for split in module.SPLITS:
        module.read_truth(module.truth_file(folder, split))


def _link_folder(source: Path, layout: Layout, folder: Path, where: str) -> None:
    """Links, never copies: each image folder, each file of labels."""
    if not source.is_dir():
        raise ValueError(
            f"{where}: {source}: no such folder; accepted: a folder of {layout.told}, "
            "s3://bucket/prefix or https://..."
        )
    for name in layout.folders:
        if (source / name).is_dir():
            (folder / name).symlink_to(source / name)
    patterns = (*_either(layout), *layout.optional)
    for path in dict.fromkeys(path for each in patterns for path in source.glob(each)):
        if path.is_file():
            link = folder / path.relative_to(source)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(path)


def _either(layout: Layout) -> list[str]:
    """All files that a data set may need."""
    return list(dict.fromkeys(name for names in layout.needed for name in names))


def _from_zips(base: str, names: Sequence[str], folder: Path, downloads: Path) -> None:
    for name in names:
        archive = downloads / PurePosixPath(name).name
        size, digest = ZIPS[name] if OFFICIAL in base else (None, None)
        if not archive.is_file():
            bring(f"{base}/{name}", archive, digest, size)
    for name in names:
        extract(downloads / PurePosixPath(name).name, folder)
    for name in names:
        (downloads / PurePosixPath(name).name).unlink()


def _from_s3(
    source: str, layout: Layout, zips: Sequence[str], folder: Path, downloads: Path
) -> None:
    """Zips where the prefix has them, else the layout file by file; what came once is kept."""
    listed = list_s3(source)
    if zipped := [name for name in zips if name in listed]:
        _from_zips(source, zipped, folder, downloads)
    elif not all(any(name in listed for name in names) for names in layout.needed):
        either = f" nor {', '.join(zips)}" if zips else ""
        raise ValueError(f"{source}: neither {layout.told}{either} below it")
    wanted = {k: n for k, n in listed.items() if _belongs(k, layout) and not k.endswith(".zip")}
    tally = Tally(source, len(wanted), "files")

    def get(item: tuple[str, int]) -> None:
        name, size = item
        kept = downloads / name
        there = kept.is_file() and kept.stat().st_size == size
        if not there:
            bring(f"{source}/{name}", kept, None, size)
        tally.add(fresh=not there)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(get, wanted.items()))
    tally.close()
    for name in wanted:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (downloads / name).rename(folder / name)


def _belongs(key: str, layout: Layout) -> bool:
    path = PurePosixPath(key)
    in_folder = len(path.parts) > 1 and path.parts[0] in layout.folders
    named = key in _either(layout) or any(path.match(each) for each in layout.optional)
    return (in_folder or named) and ".." not in path.parts


def bring_detections(source: object, folder: Path) -> None:
    """An optional `detections:` in params.yaml: the detector's boxes, from anywhere."""
    if isinstance(source, str) and source:
        bring(from_home(source), folder / DETECTIONS / PurePosixPath(source).name)


def _check_layout(layout: Layout, folder: Path, source: str, where: str) -> None:
    needed = (*layout.needed, *((name,) for name in layout.folders))
    missing = [names for names in needed if not any((folder / name).exists() for name in names)]
    if missing:
        raise ValueError(
            f"{where}: {source}: no {' or '.join(missing[0])}; accepted: {layout.told}; add it or "
            "correct the source in params.yaml"
        )


def manifest_of(folder: Path) -> dict[str, Any]:
    """Sorted {file: bytes}, links followed, and the sha256 of all labels."""
    files = sorted(p for top in folder.iterdir() for p in (_below(top) if top.is_dir() else [top]))
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    labels = {name: file_digest(folder / name) for name in sizes if name.endswith(LABELS)}
    return {"files": sizes, "sha256": labels}


def _below(folder: Path) -> list[Path]:
    return [path for path in folder.glob("**/*") if path.is_file()]
