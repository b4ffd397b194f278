"""What a training reads, on every node: tables, images with their truth, weights.

In: the job of a checkout that has them. Out, in the store, once for all trainings that share them:
inputs/tables/DATASET-..., inputs/images/DATASET-... (shards), inputs/weights/..., of photos in
pieces inputs/regions/DATASET-..., and
inputs/trainings/FINGERPRINT.json, which says which of them a training needs; on a node the same as
folders of its cache, laid out as in the checkout.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from data.files.images import AS_SEEN
from data.files.table import Table
from data.files.tiles import tile_files
from data.ground.data_set import DataSet
from data.ground.json_text import read_object
from data.ground.refusal import masked, refusal
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.host.processes import held
from pipelines.host.writable import writable
from pipelines.recipe.datasets import data_set, own_entries
from pipelines.recipe.schema import Recipe
from pipelines.store.node_cache import NodeCache
from pipelines.store.parcels import bring as bring_parcel
from pipelines.store.parcels import check_inside, is_whole, parcel_bytes, send
from pipelines.store.shards import SHARD_BYTES, Member, bring_shards, send_shards, unpacking_bytes
from pipelines.store.store import Store
from pipelines.training.job import Job

FORMAT = 1  # of shards: part of their names, which say what they hold
SUMMARY = "summary.json"


@dataclass(frozen=True)
class Inputs:
    """Names of a training's parcels below `inputs/`; weights, regions: "" without; file: of the
    weights."""

    tables: str
    images: str
    weights: str = ""
    file: str = ""
    regions: str = ""


def publish(store: Store, job: Job, shard_bytes: int = SHARD_BYTES) -> None:
    """Everything that the training reads, in the store; at once where it is there already.

    Raises ValueError where files are not those that were prepared, or the store cannot be written.
    """
    check_own_skeleton(job.recipe.dataset)
    inputs = inputs_of(job)
    work = places.publishing()
    with writable(work):
        work.mkdir(parents=True, exist_ok=True)
    with held(work / f"{Path(inputs.images).name}.lock", "sends these data to the store"):
        send(store, f"inputs/{inputs.tables}", _table_files(job.prepared))
        if job.weights:
            send(store, f"inputs/{inputs.weights}", {inputs.file: job.weights})
        if inputs.regions:
            send(store, f"inputs/{inputs.regions}", _pieces(job))
        if not is_whole(store, f"inputs/{inputs.images}"):
            members = image_members(job.prepared, job.raw, job.recipe)
            shards = work / Path(inputs.images).name
            send_shards(store, f"inputs/{inputs.images}", members, shards, shard_bytes)
        note = json.dumps(asdict(inputs)).encode()
        if store.read(_note(job)) != note:
            store.write(_note(job), note)


def bring(store: Store, job: Job, cache: NodeCache) -> Job:
    """The job with this node's own tables, images and weights, which the cache keeps for others.

    Raises ValueError where they are not in the store, or the node has no room for them.
    """
    inputs = _read_note(store, job)

    def files(name: str) -> Path:
        parcel = store, f"inputs/{name}"
        return cache.folder(name, partial(bring_parcel, *parcel), partial(parcel_bytes, *parcel))

    def shards(name: str) -> Path:
        parcel = store, f"inputs/{name}"
        return cache.folder(name, partial(bring_shards, *parcel), partial(unpacking_bytes, *parcel))

    weights = files(inputs.weights) / inputs.file if inputs.weights else None
    here = replace(job, prepared=files(inputs.tables), raw=shards(inputs.images), weights=weights)
    try:
        return replace(here, tiles=files(inputs.regions) if inputs.regions else None)
    except ValueError as error:
        print(
            masked(f"{inputs.regions} is not here, so photos are read themselves: {error}"),
            flush=True,
        )
        return replace(here, tiles=None)


def inputs_of(job: Job) -> Inputs:
    """The parcels' names, by what they hold: the same of every recipe and checkout."""
    dataset = job.recipe.dataset
    images = f"images/{dataset}-{images_digest(job.prepared, job.recipe)[:16]}"
    tables = f"tables/{dataset}-{job.data_hash[:16]}"
    inputs, pieces = Inputs(tables, images), _pieces(job)
    if pieces:  # their table holds a digest of each photo's
        digest = file_digest(next(path for name, path in pieces.items() if name.endswith(".arrow")))
        inputs = replace(inputs, regions=f"regions/{dataset}-{digest[:16]}")
    if job.weights is None:
        return inputs
    weights = f"weights/{file_digest(job.weights)[:16]}"
    return replace(inputs, weights=weights, file=job.weights.name)


def images_digest(prepared: Path, recipe: Recipe) -> str:
    """sha256 of the images' names and contents (crc32), and of the files of truth."""
    summary = read_object(prepared / SUMMARY)
    known = _known_images(prepared, recipe)
    parts: list[Any] = [FORMAT, sorted(known.items()), summary.get("truth_sha256", {})]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def image_members(prepared: Path, raw: Path, recipe: Recipe) -> dict[str, Member]:
    """{name below the raw data: file} of the images that the recipe reads, and of all truth."""
    known = _known_images(prepared, recipe)
    images = {name: Member(raw / name, crc32) for name, crc32 in known.items()}
    truth = _truth_files(data_set(recipe.dataset), raw)
    return images | {path.relative_to(raw).as_posix(): Member(path) for path in truth}


def check_own_skeleton(dataset: str) -> None:
    """Raises ValueError where an own data set's skeleton does not travel with the code."""
    given = own_entries().get(dataset, {}).get("skeleton")
    if given is None or Path(str(given)).suffix not in (".yaml", ".yml"):
        return
    path = (places.REPOSITORY / Path(str(given)).expanduser()).resolve()
    if not path.is_relative_to(places.REPOSITORY):
        raise refusal(
            f"params.yaml: datasets.{dataset}.skeleton",
            given=given,
            accepted="with `storage`: a skeleton that travels with the code",
            do=f"copy it to data/skeletons/{dataset}.yaml and leave the key out",
        )


def _known_images(prepared: Path, recipe: Recipe) -> dict[str, int]:
    """{name below the raw data: crc32} of the images of the splits that a training reads."""
    known: dict[str, int] = {}
    for split in {recipe.evaluation.train_split, recipe.evaluation.split}:
        images = Table(prepared / split / "images.arrow")
        names = (str(path).removesuffix(AS_SEEN) for path in images["path"])
        known |= dict(zip(names, images["crc32"].tolist(), strict=True))
    return known


def _truth_files(dataset: DataSet, raw: Path) -> list[Path]:
    """Of all splits, of a mixture's members too: what is scored is read from its member's."""
    own = [path for split in dataset.SPLITS for path in dataset.truth_files(raw, split)]
    for name, member in dataset.members.items():
        own += _truth_files(member, raw / name)
    return list(dict.fromkeys(path for path in own if path.is_file()))


def _table_files(prepared: Path) -> dict[str, Path]:
    paths = [*sorted(prepared.glob("*/*.arrow")), prepared / SUMMARY]
    return {path.relative_to(prepared).as_posix(): path for path in paths}


def _pieces(job: Job) -> dict[str, Path]:
    """Files of photos in pieces of the split that is trained on; {} where there are none."""
    if job.tiles is None:
        return {}
    paths = tile_files(job.tiles, job.recipe.evaluation.train_split)
    return {path.name: path for path in paths} if all(path.is_file() for path in paths) else {}


def _note(job: Job) -> str:
    return f"inputs/trainings/{job.fingerprint[:16]}.json"


def _read_note(store: Store, job: Job) -> Inputs:
    content, where = store.read(_note(job)), f"{store.address}/{_note(job)}"
    do = f"run `make repro RECIPE={job.name}` in the checkout, which sends what it needs"
    if content is None:
        raise refusal(where, fault="not in the store", do=do)
    try:
        inputs = Inputs(**{name: str(told) for name, told in json.loads(content).items()})
    except (ValueError, TypeError, AttributeError) as error:
        raise refusal(where, fault=f"damaged ({error})", do=do) from error
    for told in (name for name in astuple(inputs) if name):
        check_inside(told, where)
    return inputs
