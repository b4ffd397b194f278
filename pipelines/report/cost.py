"""What every network of the papers costs, beside what they print: shapes alone are computed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from data.ground.refusal import refusal
from data.ground.yaml_text import read_yaml
from models.contracts import Network
from models.cost import Cost, count, count_parts, saved_bytes
from models.menus import ARCHITECTURES, REFINEMENTS
from pipelines.host import places
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.datasets import data_set
from pipelines.recipe.reader import read_as, recipe_names, recipe_path
from pipelines.recipe.schema import Published, Recipe
from pipelines.report.cost_rows import REMARKS, Row, further_rows
from pipelines.report.markdown import NONE, markdown_table
from pipelines.report.published import COUNTS
from pipelines.report.savings import as_json as saving_json
from pipelines.report.savings import savings, savings_section

PAF_MAPS = {"heatmaps": 19, "pafs": 38}  # of the 18 keypoints of the OpenPose family
INTRODUCTION = f"""# Cost

Parameters and multiply-accumulates (MACs) of one image, convolution and linear layers only, in
the four counts that papers mix: *exact* counts a transposed convolution by the cells of its input,
*HR* by those of its output (as HRNet's code does, four times too many at stride 2); G divides by
1e9, Gi by 2^30. "Printed" is what a paper says, in the count that it is in; "differs" compares
ours in that count. "Saved" is the memory of a training step that grows with the batch: what
autograd keeps of one image from the forward to the backward pass, in float32 (bf16: about half);
weights, gradients and optimizer (16 bytes per parameter with Adam) come on top. "{NONE}": not
printed.
"""


@dataclass(frozen=True)
class Measured:
    """A row with our numbers; `notes` say why a printed number differs from ours."""

    row: Row
    cost: Cost
    saved: int | None
    notes: tuple[str, ...]

    @property
    def ours(self) -> float | None:
        """GFLOPs in the paper's count."""
        return getattr(self.cost, self.row.gflops_count) if self.row.gflops_count else None


def all_rows() -> list[Row]:
    """Of the recipes, then of the papers' tables beyond; each printed pair of numbers once."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in (*_recipe_rows(), *further_rows()):
        key = (row.network, row.input, row.params_m, row.gflops)
        first = found.get(key, row)
        remark = first.remark or row.remark or REMARKS.get((row.network, row.input, row.gflops), "")
        found[key] = replace(first, remark=remark, source=_joined(first.source, row.source))
    printed = {key[:2] for key in found if key[2:] != (None, None)}
    kept = [row for key, row in found.items() if key[2:] != (None, None) or key[:2] not in printed]
    return sorted(kept, key=lambda row: (row.network, row.size, row.source))


def _joined(*sources: str) -> str:
    """Each once, and none that another tells more of: `table I` beside `table I, COCO val2017`."""
    each = dict.fromkeys(one for source in sources for one in source.split("; ") if one)
    more = [one for one in each if not any(other.startswith(f"{one}, ") for other in each)]
    return "; ".join(more)


def _recipe_rows() -> Iterator[Row]:
    for name in recipe_names():
        recipe = read_as(Recipe, read_yaml(recipe_path(name)), name)  # built below, if at all
        if recipe.architecture.variant == "demo":
            continue
        printed = [row for row in recipe.published if row.params_m or row.gflops]
        for published in printed or [Published("", {})]:
            yield row_of(name, recipe, published)


def row_of(name: str, recipe: Recipe, published: Published) -> Row:
    """The recipe's network and input size, and what is printed of them."""
    architecture, size = recipe.architecture, (recipe.input_size[0], recipe.input_size[1])
    skeleton = data_set(recipe.dataset).SKELETON
    channels = build_codec(recipe).channels(skeleton)
    return Row(
        architecture.name,
        architecture.variant,
        size,
        published.params_m,
        published.gflops,
        published.gflops_count,
        published.source,
        options={k: v for k, v in architecture.options.items() if k != "init"},
        refine=recipe.refine,
        keypoints=17 if "pafs" in channels else channels["heatmaps"],
        recipe=name,
    )


def build_row(row: Row) -> Network:
    """The row's network on the meta device: shapes without values."""
    kind = ARCHITECTURES[row.architecture]
    maps = PAF_MAPS if "pafs" in kind.FIELDS else dict.fromkeys(kind.FIELDS, row.keypoints)
    with torch.device("meta"):
        network: Network = kind(maps, **{**kind.VARIANTS[row.variant], **row.options})
        if row.refine:
            network = REFINEMENTS[row.refine.name](network, **row.refine.options)
    return network


def measure(of: Iterable[Row], memory: bool = True) -> list[Measured]:
    """Each network and size once; without `memory` in a third of the time."""
    done: dict[tuple[str, str], tuple[Cost, int | None]] = {}
    networks: dict[str, Network] = {}  # only shapes
    found = []
    for row in of:
        key = (row.network, row.input)
        if key not in done:
            network = networks.get(row.network) or networks.setdefault(row.network, build_row(row))
            saved = saved_bytes(network, row.size) if memory else None
            done[key] = count(network, row.size), saved
        cost, saved = done[key]
        found.append(Measured(row, cost, saved, _notes(row, cost)))
    return found


def _notes(row: Row, cost: Cost) -> tuple[str, ...]:
    """The row's remark; for numbers that are ours but cut instead of rounded, that."""
    cut = []
    for name, printed, own in _pairs(row, cost):
        if own is not None and _agree(printed, own) == "cut":
            cut.append(name)
    return (*([row.remark] if row.remark else []), *(f"{name} cut, not rounded" for name in cut))


def _agree(printed: float, ours: float) -> str:
    """rounded, cut or no: whether `printed` is `ours` at as many digits as it has."""
    unit = 10.0 ** -len(str(printed).partition(".")[2]) if isinstance(printed, float) else 1.0
    if abs(printed - ours) <= unit / 2 + 1e-9:
        return "rounded"
    return "cut" if math.isclose(math.floor(ours / unit) * unit, printed, abs_tol=1e-9) else "no"


def unexplained(measured: Measured) -> list[str]:
    """Printed numbers that are not ours, and nobody has said why."""
    row, found = measured.row, []
    for name, printed, ours in _pairs(row, measured.cost):
        if ours is None or _agree(printed, ours) == "no":
            found.append(f"{row.network} {row.input}: {name} printed {printed}, ours {ours}")
    return [] if row.remark else found


def _pairs(row: Row, cost: Cost) -> Iterator[tuple[str, float, float | None]]:
    """(what, printed, ours) of the numbers that are printed."""
    if row.params_m is not None:
        yield "params", row.params_m, cost.params / 1e6
    if row.gflops is not None:
        yield "GFLOPs", row.gflops, getattr(cost, row.gflops_count) if row.gflops_count else None


def write_cost(found: Sequence[Measured]) -> None:
    """reports/cost.md and reports/cost.json."""
    places.reports().mkdir(parents=True, exist_ok=True)
    saved = savings({(each.row.network, each.row.input): each.cost for each in found})
    text = f"{INTRODUCTION}\n{cost_table(found)}\n\n{savings_section(saved)}"
    places.cost_report().write_text(text)
    content = {"rows": [as_json(each) for each in found], "savings": [*map(saving_json, saved)]}
    places.cost_report().with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    for line in (line for each in found for line in unexplained(each)):
        print(f"differs, and nobody says why: {line}")


def as_json(measured: Measured) -> dict[str, Any]:
    row, cost = measured.row, measured.cost
    own = {name: getattr(cost, name) for name in ("params", "macs_exact", "macs_hr", *COUNTS)}
    printed = {"params_m": row.params_m, "gflops": row.gflops, "count": row.gflops_count}
    return {
        "network": row.network,
        "input_size": list(row.size),
        "recipe": row.recipe or None,
        "source": row.source or None,
        "printed": printed,
        "ours": own | {"saved_bytes_per_image": measured.saved},
        "difference": {
            "params": _difference(row.params_m, cost.params / 1e6),
            "gflops": _difference(row.gflops, measured.ours),
        },
        "notes": list(measured.notes),
    }


def cost_table(found: Sequence[Measured]) -> str:
    head = ["network", "input", "printed params (M)", "params", "differs", "printed GFLOPs"]
    head += [*COUNTS.values(), "differs", "saved (MiB)", "source", "note"]
    return markdown_table(head, [_line(each) for each in found])


def _line(measured: Measured) -> list[str]:
    row, cost = measured.row, measured.cost
    kind = COUNTS.get(row.gflops_count or "", "none of these")
    return [
        row.network,
        row.input,
        NONE if row.params_m is None else f"{row.params_m}",
        f"{cost.params:,}",
        _percent(_difference(row.params_m, cost.params / 1e6)),
        NONE if row.gflops is None else f"{row.gflops} ({kind})",
        *(f"{getattr(cost, name):.3f}" for name in COUNTS),
        _percent(_difference(row.gflops, measured.ours)),
        NONE if measured.saved is None else f"{measured.saved / 2**20:.0f}",
        row.source or NONE,
        "; ".join(measured.notes),
    ]


def _difference(printed: float | None, ours: float | None) -> float | None:
    """Ours against the printed number: 0.01 is one hundredth more."""
    return None if printed is None or ours is None else ours / printed - 1


def _percent(difference: float | None) -> str:
    return NONE if difference is None else f"{100 * difference:+.1f}%"


def parts_table(recipe: Recipe, depth: int) -> str:
    """Cost of the parts of a recipe's network, and of all."""
    if depth < 1:
        raise refusal("--depth", given=depth, accepted="1 or more")
    with torch.device("meta"):
        network = build_architecture(recipe)
    size = (recipe.input_size[0], recipe.input_size[1])
    parts = count_parts(network, size, depth) | {"all": count(network, size)}
    lines = []
    for part, cost in parts.items():
        counts = [f"{getattr(cost, name):.3f}" for name in COUNTS]
        lines.append([part or "(itself)", f"{cost.params:,}", f"{cost.macs_exact:,}", *counts])
    return markdown_table(["part", "params", "MACs", *COUNTS.values()], lines)
