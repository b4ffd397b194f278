"""What a network takes for one image, eager and in ONNX Runtime: milliseconds and peak memory.

    python -m benchmarks.inference [RECIPE ...] [--rounds 5] [--threads 1 2] [--programs FOLDER]

Without recipes: every network at every input size that COCO's recipes have, one recipe each; the
exports take most of the time, FOLDER keeps them. Timed is raw pixels in, fields out (normalising
included, decoding and flip test not), random weights, batch norm settled on noise as after a
training. One thread: CPU time, what a free core would take; more: the clock. ms: the least of the
rounds. Networks that the papers compare take turns in one process; their ratio is the median over
rounds. Memory: the most that a fresh process holds above what it held before it had the network;
of a GPU, where there is one, `torch.cuda.max_memory_allocated`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.fresh_process import peak_of, run_apart
from data.ground.yaml_text import read_yaml
from models.cost import Cost, count
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import load_recipe, read_as, recipe_names, recipe_path
from pipelines.recipe.schema import Published, Recipe
from pipelines.report.cost import row_of
from pipelines.report.cost_rows import Row
from pipelines.report.markdown import NONE, markdown_table
from pipelines.report.savings import claims
from pipelines.serving.graph import ImageGraph
from pipelines.serving.program import export_program, onnx_runner, write_onnx

Apart = Callable[..., Any]  # calls a function with its arguments; `run_apart`
Clock = Callable[[], float]
Runs = Mapping[str, Callable[[Tensor], object]]
Seconds = dict[str, dict[str, list[float]]]  # recipe -> way -> round by round
MIB = 2**20
SAME = 1e-3  # of the largest value: what ONNX Runtime's fields may differ


@dataclass(frozen=True)
class Case:
    """A network at an input size, by the first recipe that has it."""

    recipe: str
    row: Row

    @property
    def key(self) -> tuple[str, str]:
        return self.row.network, self.row.input


@dataclass(frozen=True)
class Measured:
    """Seconds by way (`eager 1`: and threads), a number per round; bytes by runtime."""

    case: Case
    cost: Cost
    seconds: Mapping[str, Sequence[float]]
    memory: Mapping[str, int]


def cases_of(names: Sequence[str]) -> list[Case]:
    """Of these recipes, or of COCO's; each network and input size once."""
    found: dict[tuple[str, str], Case] = {}
    for name in names or [n for n in recipe_names() if not n.startswith(("demo_", "overfit_"))]:
        recipe = load_recipe(name) if names else read_as(Recipe, read_yaml(recipe_path(name)), name)
        if names or recipe.dataset == "coco":
            case = Case(name, row_of(name, recipe, Published("", {})))
            found.setdefault(case.key, case)
    return list(found.values())


def compared(cases: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    """The pairs among them on which a paper says something."""
    by_key = {case.key: case for case in cases}
    for claim in claims():
        ours, base = ((row.network, row.input) for row in (claim.ours, claim.base))
        if ours in by_key and base in by_key:
            yield by_key[ours], by_key[base]


def groups_of(cases: Sequence[Case]) -> list[list[Case]]:
    """Those that are compared, however indirectly, together; the others alone."""
    groups = {case.key: [case] for case in cases}
    for ours, base in compared(cases):
        one, other = groups[ours.key], groups[base.key]
        if one is not other:
            one += other
            groups.update({case.key: one for case in other})
    return list({id(group): group for group in groups.values()}.values())


def settled_graph(name: str, device: str = "cpu") -> ImageGraph:
    """A recipe's network as it is after a training, as far as speed goes: no value dies away."""
    recipe = load_recipe(name)
    torch.manual_seed(0)
    network = build_architecture(recipe)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # what the one batch below has, not a mixture
    with torch.no_grad():
        network.train()(torch.randn(2, 3, recipe.size[1], recipe.size[0]))
    return graph_of(network, recipe).to(device)


def graph_of(network: Any, recipe: Recipe) -> ImageGraph:
    return ImageGraph(network, 1, pixels=recipe.pixels, flip_test=False).eval()


def noise_of(name: str) -> Tensor:
    """uint8 [1, H, W, 3]."""
    width, height = load_recipe(name).size
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (1, height, width, 3), generator=generator, dtype=torch.uint8)


@torch.no_grad()
def eager_memory(name: str) -> dict[str, int]:
    """Peak bytes of building the network and two images; of a GPU too, where there is one."""
    torch.set_num_threads(1)
    recipe, images = load_recipe(name), noise_of(name)
    nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 32, 32))  # what torch itself takes at its first layer

    def work() -> None:
        graph = graph_of(build_architecture(recipe), recipe)
        for _ in range(2):
            graph(images)

    found = {"eager": peak_of(work)}
    if torch.cuda.is_available():
        graph = graph_of(build_architecture(recipe), recipe).cuda()
        graph(images.cuda())
        found["gpu"] = torch.cuda.max_memory_allocated()
    return found


def onnx_memory(name: str, file: Path) -> dict[str, int]:
    """The same in ONNX Runtime, from its file."""
    torch.set_num_threads(1)
    images = noise_of(name)
    __import__("onnxruntime")

    def work() -> None:
        run = onnx_runner(file)
        for _ in range(2):
            run(images)

    return {"onnx": peak_of(work)}


@torch.no_grad()
def export(name: str, file: Path) -> None:
    """Writes the settled network; it must paint what eager PyTorch paints."""
    graph, images = settled_graph(name), noise_of(name)
    waiting = file.with_suffix(".part")
    write_onnx(export_program(graph, images, any_size=False), graph, waiting)
    for true, other in zip(graph(images), onnx_runner(waiting)(images), strict=True):
        apart = float((true - other).abs().max() / true.abs().max())
        if not apart <= SAME:
            raise AssertionError(f"{name}: fields differ by {apart:.1e} of the largest value")
    waiting.rename(file)


@torch.no_grad()
def seconds_of(
    names: Sequence[str], files: Sequence[Path], threads: Sequence[int], rounds: int
) -> Seconds:
    """Recipe -> way -> seconds of a call, round by round; all recipes take turns."""
    images = {name: noise_of(name) for name in names}
    graphs = {name: settled_graph(name) for name in names}
    found: Seconds = {name: {} for name in names}
    for number in threads:
        torch.set_num_threads(number)
        clock = time.process_time if number == 1 else time.perf_counter
        _take_turns(f"eager {number}", graphs, images, rounds, clock, found)
        runs = {name: onnx_runner(file) for name, file in zip(names, files, strict=False)}
        _take_turns(f"onnx {number}", runs, images, rounds, clock, found)
    if torch.cuda.is_available():
        there = {name: each.cuda() for name, each in images.items()}
        graphs = {name: graph.cuda() for name, graph in graphs.items()}
        _take_turns("gpu", graphs, there, rounds, _gpu_clock, found)
    return found


def _take_turns(
    way: str, runs: Runs, images: Mapping[str, Tensor], rounds: int, clock: Clock, found: Seconds
) -> None:
    for turn in range(rounds + 1):  # the first is not counted
        for name, run in runs.items():
            started = clock()
            run(images[name])
            spent = clock() - started
            if turn:
                found[name].setdefault(way, []).append(spent)


def _gpu_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def measure(
    group: Sequence[Case], folder: Path | None, threads: Sequence[int], rounds: int, apart: Apart
) -> list[Measured]:
    """One group; without a folder for the exports eager alone."""
    files = [folder / f"{case.recipe}.onnx" for case in group] if folder else []
    memory = {case.recipe: dict(apart(eager_memory, case.recipe)) for case in group}
    for case, file in zip(group, files, strict=False):
        if not file.exists():
            apart(export, case.recipe, file)
        memory[case.recipe] |= apart(onnx_memory, case.recipe, file)
    names = [case.recipe for case in group]
    seconds = apart(seconds_of, names, files, threads, rounds)
    return [
        Measured(case, cost_of(case.recipe), seconds[case.recipe], memory[case.recipe])
        for case in group
    ]


def cost_of(name: str) -> Cost:
    recipe = load_recipe(name)
    with torch.device("meta"):
        return count(build_architecture(recipe), recipe.size)


def networks_table(found: Sequence[Measured]) -> str:
    ways, runtimes = list(found[0].seconds), list(found[0].memory)
    head = ["network", "input", "params (M)", "exact Gi", *(f"ms, {way}" for way in ways)]
    rows = []
    for each in found:
        cost, row = each.cost, each.case.row
        times = [f"{1000 * min(each.seconds[way]):.0f}" for way in ways]
        held = [f"{each.memory[runtime] / MIB:.0f}" for runtime in runtimes]
        start = [row.network, row.input, f"{cost.params / 1e6:.1f}", f"{cost.exact_gi:.2f}"]
        rows.append([*start, *times, *held])
    return markdown_table([*head, *(f"MiB, {runtime}" for runtime in runtimes)], rows)


def ratios_table(found: Sequence[Measured]) -> str:
    """Ours over the base's; in bold where fewer MACs take no less time."""
    by_key = {each.case.key: each for each in found}
    ways, runtimes = list(found[0].seconds), list(found[0].memory)
    rows = []
    for one, other in compared([each.case for each in found]):
        ours, base = by_key[one.key], by_key[other.key]
        macs = ours.cost.macs_exact / base.cost.macs_exact
        row = [one.row.network, other.row.network, one.row.input, f"{macs:.2f}"]
        for way in ways:
            pairs = zip(ours.seconds[way], base.seconds[way], strict=True)
            ratio = statistics.median(mine / theirs for mine, theirs in pairs)
            row.append(f"**{ratio:.2f}**" if macs < 0.99 and ratio >= 1 else f"{ratio:.2f}")
        row += [f"{ours.memory[name] / base.memory[name]:.2f}" for name in runtimes]
        rows.append(row)
    head = ["network", "against", "input", "MACs", *(f"time, {way}" for way in ways)]
    head += [f"memory, {runtime}" for runtime in runtimes]
    return markdown_table(head, rows) if rows else NONE


def main(arguments: Sequence[str] | None = None, apart: Apart = run_apart) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="none: COCO's, one a network")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--programs", type=Path, help="a folder that keeps the exports")
    parser.add_argument("--no-onnx", action="store_true", help="eager alone, much sooner")
    given = parser.parse_args(arguments)
    print(f"batch 1, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores, torch "
          f"{torch.__version__}, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    with tempfile.TemporaryDirectory() as own:
        folder = given.programs or Path(own)
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for group in groups_of(cases_of(given.recipes)):
            programs = None if given.no_onnx else folder
            found += measure(group, programs, given.threads, given.rounds, apart)
            print(networks_table(found[-len(group) :]), flush=True)
    print(f"\n{networks_table(found)}\n\n{ratios_table(found)}\nload {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
