"""What `--from` names: a version, a recipe's weights, a file; each with its digest and network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.recipe.reader import load_recipe
from pipelines.registry.starts import start_of
from pipelines.tracking.registered_weights import bring_weights
from tests.worlds.promoted import SLOT, offer
from tests.worlds.results import recipe, write_results
from tests.worlds.trained import save_trained


@pytest.mark.contract
def test_a_champion_is_its_version_with_the_digest_that_fetch_will_see(
    registry_home: Path, tmp_path: Path
) -> None:
    write_results("first", quality=0.6, seed=1)
    offer("first")
    start = start_of(f"models:/{SLOT}@champion")
    assert start.source == f"models:/{SLOT}/1", "a number, which does not move"
    assert start.sha256 == start_of(start.source).sha256
    bring_weights(start.source, tmp_path / "weights")
    assert start.sha256 == file_digest(tmp_path / "weights")
    assert start.recipe == recipe(seed=1)
    with pytest.raises(ValueError, match="there is no such version"):
        start_of(f"models:/{SLOT}@nobody")


def test_a_trained_recipe_is_its_weights_and_a_new_one_what_it_starts_from(home: Path) -> None:
    demo = load_recipe("demo_hrnet")
    path = save_trained("demo_hrnet", demo, data_hash="d" * 64)
    start = start_of("demo_hrnet")
    assert (places.home() / start.source, start.sha256) == (path, file_digest(path))
    assert start.recipe == demo
    other = start_of("hrnet_w32_coco_256x192")
    kept = load_recipe("hrnet_w32_coco_256x192").pretrained
    assert kept is not None and (other.source, other.sha256) == (kept.source, kept.sha256)


def test_a_file_tells_its_network_or_is_told_it(home: Path, tmp_path: Path) -> None:
    path = save_trained("mine", load_recipe("demo_simple_baseline"), data_hash="d" * 64)
    assert start_of(str(path)).recipe == load_recipe("demo_simple_baseline")
    bare = tmp_path / "bare.pt"
    bare.write_bytes(b"weights of somebody")
    with pytest.raises(ValueError, match=re.escape("--network RECIPE")):
        start_of(str(bare))
    start = start_of(str(bare), "demo_hrnet")
    assert (start.source, start.sha256) == (str(bare), file_digest(bare))
    assert start.recipe == load_recipe("demo_hrnet")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("demo_hrnet", "not trained here, and from scratch itself"),
        ("nothing.pt", "accepted: models:/SLOT@ALIAS"),
        ("models:/", "accepted: models:/SLOT@ALIAS"),
        ("higher_hrnet_w32_coco_512", "accepted: weights of a top-down network"),
    ],
)
def test_what_is_no_start_is_refused(home: Path, given: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        start_of(given)
