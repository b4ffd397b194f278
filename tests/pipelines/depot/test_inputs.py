"""What a training reads, by a store to a node that shares nothing with the checkout."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from data.datasets.stick_figures import draw_split
from data.files.images import read_image
from pipelines import fetch
from pipelines import prepare as stage
from pipelines.depot.inputs import Inputs, bring, inputs_of, publish
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.prepared import data_hash
from pipelines.intake.tiling import write_tiles
from pipelines.recipe import datasets
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe
from pipelines.store.folder_store import FolderStore
from pipelines.store.node_cache import NodeCache
from pipelines.store.opening import open_store
from pipelines.store.parcels import is_whole
from pipelines.training.job import Job, SilentListener, training_fingerprint
from pipelines.training.loop import train_loop
from pipelines.training.parts import build_feed
from pipelines.training.rank import Rank
from pipelines.training.validation import build_validation
from tests.worlds import drawn
from tests.worlds.crowdpose_files import write_source
from tests.worlds.mpii_files import rectangle, row, write_images, write_json, write_release
from tests.worlds.trained import save_trained

SHARD = 100_000  # bytes: a few shards of small images
OKS = {"evaluator": "oks", "flip_test": False}
PCKH = {"evaluator": "pckh", "flip_test": False, "monitor": "PCKh@0.5@gt"}


def bring_in(dataset: str, source: Path | None, **settings: object) -> None:
    """Fetches and prepares it."""
    fetch.fetch(dataset, settings | ({"source": str(source)} if source else {}))
    stage.act(dataset, {"bad_row_limit": 0.5} | settings)


def recipe_for(dataset: str, **evaluation: object) -> Recipe:
    content = drawn.small_recipe(global_batch=2, epochs=1, small_split="repeat").as_dict()
    content |= {"dataset": dataset, "evaluation": OKS | evaluation}
    return read_recipe(content, "a test's recipe")


def job_of(recipe: Recipe, folder: Path) -> Job:
    digest = data_hash(recipe.dataset)
    prepared, raw = places.prepared(recipe.dataset), places.raw(recipe.dataset)
    made = drawn.small_job(folder / "run", (prepared, raw), recipe)
    return replace(made, data_hash=digest, fingerprint=training_fingerprint(recipe, digest))


def drawn_people(folder: Path) -> Recipe:
    drawn.draw_at_home(6, 3)
    return recipe_for("stick_figures")


def coco_with_odd_names(folder: Path) -> Recipe:
    """Images in folders of folders, behind links, by names that need care."""
    for split in ("train", "val"):
        draw_split(folder / "coco", split, 4, seed=1)
        truth = folder / "coco" / "annotations" / f"person_keypoints_{split}2017.json"
        content = json.loads(truth.read_text())
        odd = ["two words/ü #1.jpg", "a/b/c/%20&+.jpg", "-rf.jpg", "plain.jpg"]
        for image, name in zip(content["images"], odd, strict=True):
            target = folder / "coco" / f"{split}2017" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (folder / "coco" / f"{split}2017" / image["file_name"]).rename(target)
            image["file_name"] = name
        truth.write_text(json.dumps(content))
    bring_in("coco", folder / "coco")
    assert (places.raw("coco") / "train2017").is_symlink()
    return recipe_for("coco")


def mpii_as_hrnets(folder: Path) -> Recipe:
    write_json(folder / "mpii", [row("5.jpg"), row("6.jpg", 40.0)], [row("7.jpg")])
    bring_in("mpii", folder / "mpii")
    return recipe_for("mpii", **PCKH)


def mpii_as_released(folder: Path) -> Recipe:
    """One .mat, and lists of images that say which split is whose."""
    names = [f"{n:09d}.jpg" for n in range(1, 5)]
    root = folder / "release"
    write_release(root, [(name, [rectangle()], 1) for name in names], [1] * 4)
    write_images(root, names)
    (root / "annot").mkdir()
    (root / "annot" / "train_images.txt").write_text("\n".join(names[:3]))
    (root / "annot" / "valid_images.txt").write_text(names[3])
    bring_in("mpii", root)
    return recipe_for("mpii", **PCKH)


def crowds(folder: Path) -> Recipe:
    write_source(folder / "crowdpose")
    bring_in("crowdpose", folder / "crowdpose")
    return recipe_for("crowdpose", evaluator="crowdpose", train_split="trainval", split="test")


def a_mixture(folder: Path) -> Recipe:
    coco_with_odd_names(folder)
    mpii_as_hrnets(folder)
    bring_in("coco_mpii", None, weights={"coco": 1.0, "mpii": 2.0})
    return recipe_for("coco_mpii")


def own_photos_that_are_turned(folder: Path) -> Recipe:
    """An entry of params.yaml; images anywhere, and read as their EXIF turns them."""
    for split in ("train", "val"):
        draw_split(folder / "own", split, 3, seed=1)
        for path in (folder / "own" / f"{split}2017").iterdir():
            exif = Image.Exif()
            exif[0x0112] = 3
            Image.fromarray(read_image(path)[::-1, ::-1]).save(path, exif=exif)
    parts = {
        split: {
            "labels": str(folder / "own" / "annotations" / f"person_keypoints_{split}2017.json"),
            "images": str(folder / "own" / f"{split}2017"),
        }
        for split in ("train", "val")
    }
    entry = {"format": "coco", "skeleton": "coco", "exif": "apply", **parts}
    datasets.PARAMS.write_text(yaml.safe_dump({"datasets": {"mine": entry}}))
    fetch.fetch("mine", entry)
    stage.act("mine", entry)
    return recipe_for("mine")


A_PROCESS = pytest.mark.contract  # a Matlab file is read by a process of its own
WORLDS = (
    drawn_people,
    coco_with_odd_names,
    pytest.param(mpii_as_hrnets, marks=A_PROCESS),
    pytest.param(mpii_as_released, marks=A_PROCESS),
    crowds,
    a_mixture,
    own_photos_that_are_turned,
)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A params.yaml of the test's own."""
    monkeypatch.setattr(datasets, "PARAMS", tmp_path / "params.yaml")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[NodeCache]:
    made = NodeCache(tmp_path / "cache", 1e9)
    yield made
    made.release()


def told(job: Job) -> Job:
    """As a node hears of the training: nothing of what it names is there."""
    nowhere = Path("/nowhere")
    weights = nowhere / "other.pt" if job.weights else None
    return replace(job, prepared=nowhere, raw=nowhere, weights=weights)


def digest_of_all_read(job: Job) -> dict[str, str]:
    """Of every batch of an epoch, of what is validated on, and of the truth."""
    batches = list(build_feed(job, Rank()).loader)
    on = build_validation(job, Rank())
    parts = {"train": batches, "val": list(on.batches), "truth": on.truth, "sample": on.sample}
    return {name: hashlib.sha256(plain(part)).hexdigest() for name, part in parts.items()}


def plain(value: object) -> bytes:
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        return repr((value.shape, value.dtype)).encode() + value.tobytes()
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return b"".join(plain(key) + plain(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return b"".join(map(plain, value))
    return repr(value).encode()


def elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what the checkout had is to be found any more, linked sources among it."""
    kept = folder / "store", folder / "cache", folder / "params.yaml"
    for path in [each for each in folder.iterdir() if each not in kept]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    monkeypatch.setenv("LIMBER_HOME", str(folder / "node"))


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.__name__)
def test_a_node_reads_what_the_checkout_reads(
    home: Path,
    tmp_path: Path,
    params: None,
    store: FolderStore,
    cache: NodeCache,
    world: Callable[[Path], Recipe],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = job_of(world(tmp_path), tmp_path)
    here = digest_of_all_read(job)
    publish(store, job, SHARD)
    elsewhere(tmp_path, monkeypatch)
    assert digest_of_all_read(bring(store, told(job), cache)) == here


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [("coco", "coco_mini"), pytest.param("mpii", "mpii_mini", marks=A_PROCESS)],
)
def test_real_images_reach_a_node_as_they_are(
    home: Path,
    tmp_path: Path,
    real_data: Path,
    store: FolderStore,
    cache: NodeCache,
    dataset: str,
    folder: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bring_in(dataset, real_data / folder)
    job = job_of(recipe_for(dataset, **(PCKH if dataset == "mpii" else {})), tmp_path)
    here = digest_of_all_read(job)
    publish(store, job)
    elsewhere(tmp_path, monkeypatch)
    brought = bring(store, told(job), cache)
    assert digest_of_all_read(brought) == here
    files = [path for path in brought.raw.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        given = real_data / folder / path.relative_to(brought.raw)
        assert file_digest(path) == file_digest(given), path


@pytest.mark.contract
def test_by_s3_as_by_a_folder(
    home: Path, tmp_path: Path, s3_server: Any, cache: NodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store("s3://bucket/some/prefix")
    job = job_of(coco_with_odd_names(tmp_path), tmp_path)
    here = digest_of_all_read(job)
    publish(store, job, SHARD)
    elsewhere(tmp_path, monkeypatch)
    assert digest_of_all_read(bring(store, told(job), cache)) == here
    assert {name.split("/")[0] for name in store.names()} == {"inputs"}


@pytest.mark.contract
def test_a_training_of_brought_data_is_that_of_the_checkout(
    home: Path,
    tmp_path: Path,
    store: FolderStore,
    cache: NodeCache,
    monkeypatch: pytest.MonkeyPatch,
    one_thread: None,
) -> None:
    """From the same file of weights, which is brought too."""
    drawn.draw_at_home(12, 4)
    recipe = drawn.small_recipe(epochs=1)
    job = replace(job_of(recipe, tmp_path), weights=save_trained("start", recipe))
    here = train_loop(job, Rank(), SilentListener())
    publish(store, job, SHARD)
    elsewhere(tmp_path, monkeypatch)
    node = bring(store, told(job), cache)
    assert node.weights is not None and node.weights.is_relative_to(tmp_path / "cache")
    there = train_loop(node, Rank(), SilentListener())
    assert rows_of(there.history) == rows_of(here.history)


def rows_of(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Without what the machine decides."""
    machine = ("second", "share")
    return [{k: v for k, v in row.items() if not any(m in k for m in machine)} for row in history]


def test_photos_in_pieces_are_brought_where_there_are_any(home: Path, tmp_path: Path) -> None:
    recipe = drawn_people(tmp_path)
    job = replace(job_of(recipe, tmp_path), tiles=tmp_path / "tiles")
    assert inputs_of(job).regions == ""
    write_tiles(tmp_path / "tiles", job.prepared, job.raw, "train", workers=1)
    store = FolderStore(tmp_path / "store")
    publish(store, job, SHARD)
    there = bring(store, job, NodeCache(tmp_path / "node", 1e9))
    assert there.tiles is not None and there.tiles.is_relative_to(tmp_path / "node")
    fed = [build_feed(each, Rank()).loader.dataset.samples for each in (job, there)]
    assert 0 in fed[1].tiles
    for number in range(len(fed[0])):
        np.testing.assert_array_equal(fed[0][number].image, fed[1][number].image)
    shutil.rmtree(tmp_path / "store" / "inputs" / "regions")
    assert bring(store, job, NodeCache(tmp_path / "other", 1e9)).tiles is None


def test_the_same_data_are_sent_once_whatever_recipe_or_checkout(
    home: Path, tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = job_of(drawn_people(tmp_path), tmp_path)
    publish(store, first, SHARD)
    before = store.names("inputs/images/") | store.names("inputs/tables/")
    stamps = {name: (tmp_path / "store" / name).stat().st_mtime_ns for name in before}
    shutil.copytree(home, tmp_path / "other")  # later, and by another user
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path / "other"))
    other = job_of(recipe_for("stick_figures", nms_threshold=0.5), tmp_path)
    assert other.fingerprint != first.fingerprint and inputs_of(other) == inputs_of(first)
    publish(store, other, SHARD)
    assert store.names("inputs/images/") | store.names("inputs/tables/") == before
    assert stamps == {name: (tmp_path / "store" / name).stat().st_mtime_ns for name in before}
    assert len(store.names("inputs/trainings/")) == 2


def test_only_images_that_the_splits_name_are_sent_and_no_other_file(
    home: Path, tmp_path: Path, store: FolderStore, cache: NodeCache
) -> None:
    write_source(tmp_path / "crowdpose")
    bring_in("crowdpose", tmp_path / "crowdpose")
    (places.raw("crowdpose") / "credentials").write_text("secret")
    job = job_of(recipe_for("crowdpose", evaluator="crowdpose"), tmp_path)
    publish(store, job)
    raw = bring(store, told(job), cache).raw
    assert sorted(path.name for path in (raw / "images").iterdir()) == [
        f"{n}.jpg" for n in range(1, 5)
    ]
    assert sorted(path.name for path in raw.iterdir()) == ["images", "json"]
    whole = job_of(recipe_for("crowdpose", evaluator="crowdpose", split="test"), tmp_path)
    assert inputs_of(whole).images != inputs_of(job).images


@pytest.mark.parametrize("what", ["image", "truth"])
def test_changed_data_have_another_name(
    home: Path, tmp_path: Path, store: FolderStore, what: str
) -> None:
    before = inputs_of(job_of(drawn_people(tmp_path), tmp_path))
    raw = places.raw("stick_figures")
    if what == "image":
        path = next((raw / "train2017").iterdir())
        Image.fromarray(255 - read_image(path)).save(path)
    else:
        path = raw / "annotations" / "person_keypoints_val2017.json"
        path.write_text(path.read_text().replace("drawn people", "other people"))
    stage.act("stick_figures", {"bad_row_limit": 0.0})
    after = inputs_of(job_of(recipe_for("stick_figures"), tmp_path))
    assert before.images != after.images and before.tables != after.tables


def test_an_image_that_changed_since_prepare_is_not_sent(
    home: Path, tmp_path: Path, store: FolderStore
) -> None:
    job = job_of(drawn_people(tmp_path), tmp_path)
    path = next((job.raw / "train2017").iterdir())
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=rf"{path.name}: .*not the file that was prepared.*repro"):
        publish(store, job)
    assert not is_whole(store, f"inputs/{inputs_of(job).images}")
    assert not store.names("inputs/trainings/")


def test_an_own_skeleton_outside_the_code_is_refused_before_anything_is_sent(
    home: Path, tmp_path: Path, params: None, store: FolderStore
) -> None:
    entry = {"format": "coco", "skeleton": str(tmp_path / "tool.yaml")}
    datasets.PARAMS.write_text(yaml.safe_dump({"datasets": {"tools": entry}}))
    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    job = replace(job, recipe=replace(job.recipe, dataset="tools"))
    with pytest.raises(ValueError, match=r"tools\.skeleton: .*copy it to data/skeletons/tools\.ya"):
        publish(store, job)
    assert not store.names()


@pytest.mark.parametrize("note", [None, b"{", b"[]", b'{"tables": 1, "other": 2}'])
def test_what_was_never_sent_is_refused_with_the_command_that_sends_it(
    tmp_path: Path, store: FolderStore, cache: NodeCache, note: bytes | None
) -> None:
    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    if note is not None:
        store.write(f"inputs/trainings/{job.fingerprint[:16]}.json", note)
    with pytest.raises(ValueError, match="; run `make repro RECIPE=small` in the checkout"):
        bring(store, job, cache)


@pytest.mark.parametrize("name", ["../../x", "//tmp/x"])
def test_a_note_that_leads_out_of_the_cache_is_refused(
    tmp_path: Path, store: FolderStore, cache: NodeCache, name: str
) -> None:
    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    note = json.dumps({"tables": "tables/a", "images": "images/a", "weights": "w", "file": name})
    store.write(f"inputs/trainings/{job.fingerprint[:16]}.json", note.encode())
    with pytest.raises(ValueError, match="leaves its folder"):
        bring(store, job, cache)


def test_names_tell_what_they_hold(home: Path, tmp_path: Path) -> None:
    job = job_of(drawn_people(tmp_path), tmp_path)
    weights = tmp_path / "start.pt"
    weights.write_bytes(b"weights")
    inputs: Inputs = inputs_of(replace(job, weights=weights))
    sha256 = hashlib.sha256(b"weights").hexdigest()[:16]
    assert (inputs.weights, inputs.file) == (f"weights/{sha256}", "start.pt")
    assert inputs.tables == f"tables/stick_figures-{job.data_hash[:16]}"
    assert inputs.images.startswith("images/stick_figures-")
