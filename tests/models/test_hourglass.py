"""Stacked hourglass: cost as the tables say; any multiple of 4 is a size."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models.cost import count
from models.hourglass import Hourglass, HourglassUnit

# stacks, (width, height), params, exact G, exact Gi
TABLE = [
    (8, (192, 256), 25_598_472, 21.083, 19.635),
    (8, (96, 128), 25_598_472, 5.266, 4.904),
    (4, (192, 256), 13_020_612, 11.524, 10.732),
    (4, (96, 128), 13_020_612, 2.878, 2.681),
    (4, (256, 256), 13_020_612, 15.365, 14.310),
]


def build(**options: Any) -> Hourglass:
    torch.manual_seed(0)
    return Hourglass({"heatmaps": 17}, **Hourglass.VARIANTS["demo"] | options)


@pytest.mark.parametrize(("stacks", "size", "params", "exact_g", "exact_gi"), TABLE)
def test_costs_what_the_design_measured(
    stacks: int, size: tuple[int, int], params: int, exact_g: float, exact_gi: float
) -> None:
    with torch.device("meta"):
        cost = count(Hourglass({"heatmaps": 17}, stacks=stacks), size)
    assert (cost.params, round(cost.exact_g, 3), round(cost.exact_gi, 3)) == (
        params,
        exact_g,
        exact_gi,
    )


@pytest.mark.parametrize("size", [(192, 256), (96, 128), (100, 76), (16, 64), (4, 4)])
def test_sizes_that_64_does_not_divide(size: tuple[int, int]) -> None:
    network, (width, height) = build().eval(), size
    with torch.no_grad():
        stages = network(torch.randn(1, 3, height, width))
    assert [tuple(s["heatmaps"].shape) for s in stages] == 2 * [(1, 17, height // 4, width // 4)]


def test_a_unit_is_the_sum_of_two_roads() -> None:
    torch.manual_seed(0)
    unit, x = HourglassUnit(1, 8).eval(), torch.randn(1, 8, 5, 6)
    pooled = x[:, :, :4].unflatten(3, (3, 2)).unflatten(2, (2, 2)).amax((3, 5))
    small = unit.up(unit.inner(unit.down(pooled)))
    rows, columns = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 1, 2, 2])
    torch.testing.assert_close(unit(x), unit.beside(x) + small[:, :, rows][:, :, :, columns])


def test_each_stack_sees_what_the_one_before_painted() -> None:
    network, images = build().eval(), torch.randn(1, 3, 64, 64)
    first, second = network(images)
    with torch.no_grad():
        network.score[0].bias += 5
    other_first, other_second = network(images)
    torch.testing.assert_close(other_first["heatmaps"], first["heatmaps"] + 5)
    assert not torch.allclose(other_second["heatmaps"], second["heatmaps"])


@pytest.mark.parametrize("options", [{"stacks": 0}, {"width": 30}, {"depth": 0}, {"init": "x"}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=r"given .*accepted"):
        build(**options)
