"""The same weights read by other options: which are taken, which would have to be learnt."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from data.codecs.heatmap import HeatmapCodec
from data.codecs.part_affinity_fields import PartAffinityFields
from pipelines.evaluation.decoded import read_options, read_otherwise, spelled
from pipelines.host import places
from pipelines.prediction.trained import Trained, load_trained
from pipelines.recipe.reader import load_recipe
from tests.worlds.drawn import draw_at_home
from tests.worlds.trained import save_trained

HEATMAP, LIMBS = HeatmapCodec(), PartAffinityFields()


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["decoding=argmax"], {"decoding": "argmax"}),
        (["flip_shift=true", "blur_kernel=5"], {"blur_kernel": 5, "flip_shift": True}),
        (["sigma=3"], {"sigma": 3.0}),
    ],
)
def test_values_are_read_as_what_the_option_is(given: list[str], options: dict[str, Any]) -> None:
    found = read_options(given, HEATMAP)
    assert found == options and list(found) == list(options)
    assert [type(value) for value in found.values()] == [type(v) for v in options.values()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("argmax", "--decode: given 'argmax', accepted: KEY=VALUE"),
        ("decodin=argmax", "--decode: decodin: unknown option; did you mean 'decoding'"),
        ("whole_image=true", "--decode: whole_image: unknown option; accepted: sigma, "),
        ("decoding=best", "--decode: decoding: given 'best', accepted: one of argmax, "),
        ("blur_kernel=5.5", "--decode: blur_kernel: given 5.5, accepted: a int"),
        ("blur_kernel=4", "--decode: heatmap: blur_kernel: given 4, accepted: an odd number"),
        ("blur_kernel=11", "--decode: blur_kernel differs not from what the recipe decodes by"),
    ],
)
def test_what_is_no_other_option_is_refused(given: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_options([given], HEATMAP)
    assert str(refused.value).startswith(said)


@pytest.fixture(scope="module")
def home(module_home: Path) -> Path:
    draw_at_home(train=2, val=2)
    return module_home


@cache
def trained(name: str) -> Trained:
    recipe = load_recipe(name)
    return load_trained(save_trained(name, recipe), name, recipe)


READS = [
    ("demo_hrnet", "decoding=argmax"),
    ("demo_hrnet", "flip_shift=false"),
    ("demo_higher_hrnet", "scale=fine"),
    ("demo_higher_hrnet", "grouping=reference"),
    ("demo_openpose", "matching=hungarian"),
    ("demo_openpose", "resolution=exact"),
    ("demo_openpose", "shift=0.5"),
]
WRITES = [
    ("demo_hrnet", "unbiased=false"),
    ("demo_hrnet", "sigma=2.25"),
    ("demo_higher_hrnet", "sigma=2.25"),
    ("demo_openpose", "thickness=1.5"),
]


@pytest.mark.parametrize(("name", "given"), READS)
def test_what_only_reads_fields_is_taken(name: str, given: str, home: Path) -> None:
    before = trained(name)
    other = read_otherwise(before, options := read_options([given], before.codec))
    assert {key: getattr(other.codec, key) for key in options} == options
    assert other.network is before.network and other.recipe is before.recipe


@pytest.mark.parametrize(("name", "given"), WRITES)
def test_what_would_have_been_learnt_otherwise_is_refused(
    name: str, given: str, home: Path
) -> None:
    before = trained(name)
    with pytest.raises(ValueError, match=f"{given}: other fields would be written") as refused:
        read_otherwise(before, read_options([given], before.codec))
    assert "accepted: what only reads fields; set it in the recipe" in str(refused.value)


@pytest.mark.parametrize("options", [{"shift": 0.5}, {"resolution": "exact", "max_peaks": 9}])
def test_options_are_spelled_as_they_are_read(options: dict[str, Any]) -> None:
    assert read_options(spelled(options).split(","), LIMBS) == options


def test_each_set_of_options_has_its_own_place() -> None:
    both = {"scale": "fine", "refine": False}
    assert spelled(both) == spelled(dict(reversed(both.items()))) == "refine=false,scale=fine"
    place = places.decoded("some", spelled(both))
    assert place.name == spelled(both) and places.evaluated("some") not in place.parents
