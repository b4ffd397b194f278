"""Exports: ONNX and torch.export give what PyTorch gives, for every network and any batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from data.ground.skeleton import load_skeleton
from data.menus import CODECS
from models.menus import ARCHITECTURES, REFINEMENTS
from pipelines import export, promote
from pipelines.evaluate import evaluate
from pipelines.host import places
from pipelines.host.onnx_session import open_session
from pipelines.prediction.named import open_reader
from pipelines.prediction.onnx_reader import onnx_card
from pipelines.prediction.trained import load_trained
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Pixels, Recipe
from pipelines.registry.rules import RULES, read_rules
from pipelines.registry.versions import Registry
from pipelines.serving.graph import CropGraph, ImageGraph
from pipelines.serving.program import (
    Graph,
    build_graph,
    export_program,
    largest_difference,
    onnx_runner,
    refuse_difference,
    write_onnx,
)
from pipelines.serving.samples import training_samples
from tests.worlds.drawn import draw_at_home
from tests.worlds.trained import save_trained

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("one_thread")]

COCO = load_skeleton("coco")

SIZE = (64, 64)
PIXELS: Pixels = "imagenet_rgb"
NETWORKS = [*sorted(ARCHITECTURES), "hrnet + pose_renet", "hrnet + pose_renet, DARK"]


@pytest.fixture
def trained(home: Path) -> Recipe:
    """A "trained" network, and drawn people to try it on."""
    draw_at_home(train=2, val=3)
    recipe = load_recipe("demo_simple_baseline")
    save_trained("demo_simple_baseline", recipe)
    return recipe


def graph_of(name: str) -> Graph:
    torch.manual_seed(0)
    name, _, dark = name.partition(", ")
    architecture, _, refined = name.partition(" + ")
    kind = ARCHITECTURES[architecture]
    fields = kind.FIELDS
    channels = {"heatmaps": 17, "tags": 17} if "tags" in fields else {"heatmaps": 17}
    if "pafs" in fields:
        channels = {"heatmaps": 19, "pafs": 38}
    network: nn.Module = kind(channels, **kind.VARIANTS["demo"])
    codec = CODECS["heatmap"](sigma=1.0, unbiased=bool(dark))
    if refined:
        network = REFINEMENTS[refined](network, aligned=codec.aligned)
    if fields != ("heatmaps",):
        return ImageGraph(network, network.stride_divisor, pixels=PIXELS, flip_test=False).eval()
    return CropGraph(network, codec, COCO, SIZE, pixels=PIXELS, flip_test=False).eval()


def crops(count: int, seed: int = 3, size: tuple[int, int] = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, size[1], size[0], 3)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@pytest.mark.full
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_exports(name: str, tmp_path: Path) -> None:
    """Of whole images here one network alone for any size: that takes twice as long."""
    graph, any_size = graph_of(name), name == "higher_hrnet"
    shown = [crops(1, size=(192, 128)), crops(3, size=(192, 128))]
    if any_size:
        shown.append(crops(1, size=(128, 256)))
    with torch.no_grad():
        program = export_program(graph, crops(2, size=(192, 128)), any_size=any_size)
        write_onnx(program, graph, tmp_path / "model.onnx")
        found = largest_difference(onnx_runner(tmp_path / "model.onnx"), graph, shown)
        refuse_difference(name, found)
    assert list(found) == graph.names
    assert len(list(tmp_path.iterdir())) == 1, "one file, weights inside"


def test_the_command_leaves_files_that_others_can_use(trained: Recipe, tmp_path: Path) -> None:
    assert export.main(["demo_simple_baseline"]) == 0
    folder = places.home() / "results/demo_simple_baseline/export"
    note = json.loads((folder / export.NOTE).read_text())
    width, height = trained.input_size
    assert note["input"] == {
        "name": "images", "type": "uint8 RGB", "shape": ["B", height, width, 3], "multiple": None
    }  # fmt: skip
    assert note["checked_on"]["images"] > 2
    assert set(note["seconds"]["1"]) == {"pytorch", export.ONNX, export.PROGRAM}
    assert all(max(each.values()) <= 1e-2 for each in note["difference"].values())
    session = onnxruntime.InferenceSession(folder / export.ONNX)
    images = np.zeros((3, height, width, 3), np.uint8)
    points, scores, heatmaps = session.run(note["outputs"], {"images": images})
    assert points.shape == (3, 17, 2)
    assert scores.shape == (3, 17)
    assert heatmaps.shape == (3, 17, height // 4, width // 4)
    again = torch.export.load(folder / export.PROGRAM).module()(torch.from_numpy(images))
    np.testing.assert_allclose(heatmaps, again[2].detach().numpy(), atol=1e-4)
    card = onnx_card(session, "model.onnx")
    assert card is not None and card.recipe == "demo_simple_baseline" and not card.flip_test
    assert card.whole_skeleton("model.onnx") == COCO and card.multiple is None


@pytest.mark.full
def test_a_file_in_fewer_bits_is_scored_and_says_so(
    trained: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated = evaluate("demo_simple_baseline")
    asked = ["demo_simple_baseline", "--precision", "int8", "--samples", "4", "--most-loss", "1"]
    assert export.main(asked) == 0
    folder = places.home() / "results/demo_simple_baseline/export_int8"
    note = json.loads((folder / export.NOTE).read_text())
    true = json.loads((evaluated / places.METRICS).read_text())["AP@gt"]
    assert note["metric"] == "AP@gt"
    assert note["before"] == pytest.approx(true, abs=1e-3), "as the evaluation has it"
    assert (note["images"], note["samples"], note["most_loss"]) == (3, 4, 1.0)
    assert note["bytes"]["model.int8.onnx"] < 0.5 * note["bytes"][export.ONNX]
    reader = open_reader(str(folder / "model.int8.onnx"))
    after = f"{note['after']:.3f} (float {note['before']:.3f})"
    assert reader.about == f"int8, AP@gt {after}"
    assert f"{reader.about}, " in capsys.readouterr().out
    loaded = load_trained(places.best_weights("demo_simple_baseline"), "x", trained)
    images = np.concatenate(training_samples(loaded, 4))  # noise is beyond what ranges were seen
    files = (folder.with_name("export") / export.ONNX, folder / "model.int8.onnx")
    plain, coarse = (
        open_session(file, threads=1).run(["heatmaps"], {"images": images})[0] for file in files
    )
    apart = np.linalg.norm(plain - coarse) / np.linalg.norm(plain)
    assert 0 < apart < 0.15
    assert export.main([*asked[:3], "--samples", "0"]) == 2
    assert export.main([*asked[:3], "--most-loss", "nan"]) == 2


def test_the_flip_test_can_be_inside(trained: Recipe) -> None:
    loaded = load_trained(places.best_weights("demo_simple_baseline"), "x", None)
    images = crops(2, size=(trained.input_size[0], trained.input_size[1]))
    plain, flipped = (build_graph(loaded, flip_test=flip)(images) for flip in (False, True))
    assert not torch.allclose(plain[2], flipped[2])


def test_what_cannot_be_exported_is_said(
    trained: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main(["demo_simple_baselin"]) == 2
    assert "accepted: a recipe, or one of the slots pose-coco" in capsys.readouterr().err
    assert export.main(["demo_hrnet"]) == 2
    assert "make repro RECIPE=demo_hrnet" in capsys.readouterr().err


def test_a_graph_that_differs_is_refused() -> None:
    graph = graph_of("simple_baseline")
    wrong = lambda images: [out + 0.5 for out in graph(images)]  # noqa: E731
    with torch.no_grad():
        found = largest_difference(wrong, graph, [crops(2)])
    with pytest.raises(ValueError, match=r"model\.onnx: differs from the network by 0\.5"):
        refuse_difference("model.onnx", found)
    with pytest.raises(ValueError, match="nan"):
        refuse_difference("model.onnx", {"scores": float("nan")})


@pytest.mark.full
def test_a_champion_gets_its_exports(trained: Recipe, tmp_path: Path) -> None:
    evaluate("demo_simple_baseline")
    rule = replace(read_rules(RULES)["pose-coco"], floor=0.0)
    promote.promote(["demo_simple_baseline"], {"pose-coco": rule})
    assert export.main(["pose-coco"]) == 0
    folder = places.champion_exported("pose-coco")
    registry = Registry()
    champion = registry.aliased("pose-coco", "champion")
    assert champion is not None
    got = registry.files(champion, "export", tmp_path / "got")
    assert (got / export.ONNX).read_bytes() == (folder / export.ONNX).read_bytes()
