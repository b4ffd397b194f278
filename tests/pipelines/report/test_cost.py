"""The cost report: exact integers, every printed number within rounding or explained."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import torch

from models.cost import saved_bytes
from models.menus import ARCHITECTURES
from pipelines import cost
from pipelines.report.cost import (
    Measured,
    _agree,
    _joined,
    all_rows,
    measure,
    unexplained,
    write_cost,
)
from pipelines.report.cost_rows import REMARKS, Row
from pipelines.report.published import COUNTS
from pipelines.report.savings import as_json, claims, savings, savings_section, told
from tests.worlds.paper_pages import COUNT, PARAMS, all_lines

# network, input, params, and G or Gi to three digits, in the order exact G, exact Gi, HR G, HR Gi
EXACT = {
    ("hrnet w32", "256x192"): (28_536_113, 7.645, 7.120, 7.645, 7.120),
    ("hrnet w48", "384x288"): (63_595_745, 35.307, 32.882, 35.307, 32.882),
    ("hrnet w32, 16 keypoints", "256x256"): (28_536_080, 10.193, 9.493, 10.193, 9.493),
    ("simple_baseline r50", "128x96"): (33_999_697, 1.357, 1.263, 2.414, 2.248),
    ("simple_baseline r101", "384x288"): (52_991_825, 20.391, 18.991, 29.904, 27.850),
    ("simple_baseline r152", "384x288"): (68_635_473, 28.573, 26.611, 38.086, 35.470),
    ("ca_hrnet w32", "256x192"): (28_791_537, 7.651, 7.126, 7.651, 7.126),
    ("ca_hrnet w32", "384x288"): (28_791_537, 17.210, 16.028, 17.210, 16.028),
    ("ca_hrnet w32 reduction=16", "256x192"): (28_865_553, None, None, None, None),
    ("ca_hrnet w32 attentions=2", "256x192"): (29_046_961, None, 7.131, None, None),
    ("ca_hrnet w48", "256x192"): (64_033_073, None, 14.623, None, None),
    ("hsrnet 59", "256x192"): (22_595_921, 6.521, 6.073, None, 10.573),
    ("hsrnet 59", "384x288"): (22_595_921, None, 13.665, None, 23.790),
    ("hsrnet 110", "256x192"): (41_588_049, 10.158, 9.460, None, 13.960),
    ("hsrnet 110", "384x288"): (41_588_049, None, 21.285, None, 31.410),
    ("hsrnet 161", "256x192"): (57_231_697, 13.794, 12.847, None, 17.347),
    ("hsrnet 161", "384x288"): (57_231_697, None, 28.905, None, 39.030),
    ("hsrnet 59_k2", "256x192"): (18_663_761, 5.313, None, None, 6.073),
    ("hsrnet 59_k3", "256x192"): (20_302_161, 5.816, None, None, 7.948),
    ("hsrnet wide", "256x192"): (50_536_785, None, 11.065, None, None),
    ("hsr_msnet 59", "256x192"): (22_662_353, 6.260, 5.830, None, 10.330),
    ("hsr_msnet 59", "384x288"): (22_662_353, None, 13.117, None, 23.242),
    ("hsr_msnet 110", "256x192"): (41_962_385, None, None, None, None),
    ("hsr_msnet 161", "256x192"): (57_861_073, None, None, None, None),
    ("hsr_msnet 59_w16", "256x192"): (20_368_001, None, None, None, None),
    ("hsr_msnet 59_w24", "256x192"): (23_493_377, None, None, None, None),
    ("hsr_msnet 59_w26", "256x192"): (24_357_521, None, None, None, None),
    ("hsr_msnet 59_n3", "256x192"): (22_194_893, None, None, None, None),
    ("hsr_msnet 59 se_reduction=0", "256x192"): (21_710_753, None, None, None, None),
    ("hsr_msnet 59_all", "256x192"): (25_917_713, None, None, None, None),
    ("simple_baseline r50 + pose_renet", "128x96"): (34_013_144, 1.373, 1.279, None, 2.273),
    ("simple_baseline r101 + pose_renet", "128x96"): (53_005_272, 2.282, 2.125, None, 3.120),
    ("hrnet w32 + pose_renet", "128x96"): (28_549_560, 1.928, 1.795, None, 1.805),
    ("hrnet w48 + pose_renet", "128x96"): (63_609_192, 3.939, 3.669, None, 3.679),
    ("hrnet w32 + pose_renet", "256x192"): (28_549_560, 7.711, 7.181, None, 7.221),
    ("hrnet w48 + pose_renet", "256x192"): (63_609_192, 15.758, 14.675, None, 14.715),
    ("hrnet w48 + pose_renet", "384x288"): (63_609_192, 35.454, 33.020, None, 33.109),
    ("simple_baseline r50 + pose_renet", "256x192"): (34_013_144, 5.492, 5.115, None, 9.092),
    ("simple_baseline r101 + pose_renet", "256x192"): (53_005_272, 9.129, 8.502, None, 12.479),
    ("hrnet w32 + pose_renet, 16 keypoints", "256x256"): (28_548_000, 10.271, 9.565, None, 9.612),
    ("hourglass stacks_4", "128x96"): (13_020_612, 2.878, 2.681, 2.878, 2.681),
    ("hourglass stacks_4", "256x192"): (13_020_612, 11.524, 10.732, None, None),
    ("hourglass stacks_4", "256x256"): (13_020_612, 15.365, 14.310, None, None),
    ("hourglass stacks_8", "128x96"): (25_598_472, 5.266, 4.904, None, None),
    ("hourglass stacks_8", "256x192"): (25_598_472, 21.083, 19.635, None, None),
    ("cpn r50", "256x192"): (27_406_826, 7.316, 6.813, 7.316, 6.813),
    ("cpn r50", "384x288"): (27_406_826, 16.460, 15.330, None, None),
    ("higher_hrnet w32", "512x512"): (28_645_331, 46.203, 43.030, 47.864, 44.577),
    ("higher_hrnet w32", "640x640"): (28_645_331, 72.193, 67.235, 74.788, 69.652),
    ("higher_hrnet w48", "512x512"): (63_827_139, 95.660, 89.090, 98.755, 91.973),
    ("higher_hrnet w48", "640x640"): (63_827_139, 149.469, 139.204, 154.305, 143.708),
    ("hrnet_bottom_up w32", "512x512"): (28_536_674, 40.782, 37.981, None, None),
    ("lightweight_openpose r0", "368x368"): (2_483_065, 5.488, None, None, None),
    ("lightweight_openpose r1", "368x368"): (4_091_698, 8.882, 8.272, None, None),
    ("lightweight_openpose r2", "368x368"): (5_700_331, 12.275, None, None, None),
    ("lightweight_openpose r3", "368x368"): (7_308_964, 15.669, None, None, None),
    ("ae_hourglass stacks_4", "512x512"): (138_893_840, 222.210, 206.949, None, None),
    ("openpose stages_3", "368x368"): (25_956_971, 80.178, None, None, None),
    ("openpose stages_6", "368x368"): (52_311_446, 135.934, None, None, None),
    ("ghost_openpose decided", "368x368"): (3_822_030, 7.375, 6.868, None, None),
    ("ghost_openpose decided_no_se", "368x368"): (3_468_794, 7.374, None, None, None),
    ("ghost_openpose literal", "368x368"): (3_010_286, 5.671, 5.282, None, None),
    ("lite_higher_hrnet a", "512x512"): (16_366_539, 31.355, 29.202, 33.016, 30.748),
    ("lite_higher_hrnet b", "512x512"): (16_372_051, 31.303, 29.153, 32.964, 30.700),
    ("lite_higher_hrnet a_se4", "512x512"): (16_868_691, None, None, None, 30.749),
    ("lite_higher_hrnet a_no_se", "512x512"): (15_853_059, None, None, None, 30.748),
    ("lite_higher_hrnet fusion", "512x512"): (16_183_971, None, None, None, 30.810),
    ("lite_higher_hrnet a layer1_depthwise=False", "512x512"): (
        16_349_643,
        None,
        None,
        None,
        30.538,
    ),
    ("lite_higher_hrnet a_se16", "512x512"): (16_115_463, None, None, None, 30.748),
}

# network, base, input -> params and GFLOPs against the base's, and what the paper says of both
SAVINGS = {
    ("lite_higher_hrnet a", "higher_hrnet w32", "512x512"): (
        "-42.9%", "-31.0%", ("-42.6%", "-31.2%")),
    ("ghost_openpose decided", "lightweight_openpose r1", "368x368"): (
        "-6.6%", "-17.0%", ("-6.7%", "-22.2%")),
    ("ghost_openpose decided", "openpose stages_3", "368x368"): (
        "-85.3%, 1/6.8", "-90.8%, 1/10.9", ("", "below 1/8")),
    ("ghost_openpose decided", "openpose stages_6", "368x368"): (
        "-92.7%, 1/13.7", "-94.6%, 1/18.4", ("", "below 1/8")),
    ("ghost_openpose decided", "ghost_openpose decided_no_se", "368x368"): (
        "+10.2%", "+0.00%", ("little", "little")),
    ("hsrnet 59", "simple_baseline r50", "256x192"): (
        "-33.5%", "+20.2%", ("more (4.3.1), almost the same (4.3.3)", "almost the same")),
    ("hsrnet wide", "simple_baseline r50", "256x192"): (
        "+48.6%", "+119.0%", ("more (4.3.1), almost the same (4.3.3)", "almost the same")),
    ("hsr_msnet 59", "hsrnet 59", "256x192"): ("+0.3%", "-4.0%", ("the same", "")),
    ("hsr_msnet 59", "simple_baseline r50", "256x192"): (
        "-33.3%", "+15.4%", ("almost the same", "almost the same")),
    ("ca_hrnet w32", "hrnet w32", "256x192"): ("+0.9%", "+0.08%", ("", "")),
    ("hrnet w32 + pose_renet", "hrnet w32", "256x192"): (
        "+0.05%", "+1.4%", ("little", "little")),
}  # fmt: skip


@cache
def every_row() -> list[Row]:
    return all_rows()


@cache
def measured() -> list[Measured]:
    return measure(every_row(), memory=False)


@pytest.mark.full
def test_the_exact_integers() -> None:
    found = {(each.row.network, each.row.input): each.cost for each in measured()}
    assert set(EXACT) <= set(found)
    for key, (params, *counts) in EXACT.items():
        own = found[key]
        given = [round(v, 3) for v in (own.exact_g, own.exact_gi, own.hr_g, own.hr_gi)]
        assert own.params == params, key
        assert [g if c is not None else None for g, c in zip(given, counts, strict=True)] == counts


@pytest.mark.full
def test_what_the_papers_save() -> None:
    found = savings({(each.row.network, each.row.input): each.cost for each in measured()})
    assert [saving.claim for saving in found] == list(claims())
    lines = {(s.claim.ours.network, s.claim.base.network, s.claim.ours.input): s for s in found}
    for key, (params, gflops, said) in SAVINGS.items():
        saving = lines[key]
        assert (told(saving.params), told(saving.gflops())) == (params, gflops), key
        assert (saving.claim.said_params, saving.claim.said_gflops) == said, key
    plug = lines["hrnet w32 + pose_renet", "hrnet w32", "256x192"]
    assert plug.ours.params - plug.base.params == 13_447
    assert f"{plug.ours.exact_gi - plug.base.exact_gi:+.3f}" == "+0.061"
    assert savings_section(found).count("\n| ") == len(found) + 2
    assert as_json(plug)["gflops"]["exact_gi"] == plug.gflops("exact_gi")


@pytest.mark.full
def test_what_the_papers_pages_say_that_we_count() -> None:
    lines = [line for line in all_lines() if PARAMS.search(line.measured)]
    assert len(lines) > 30
    for line in lines:
        named = set(line.commands)
        mine = [each for each in measured() if {each.row.network, each.row.recipe} & named]
        costs = [each.cost for each in mine or measured()]
        for number in PARAMS.findall(line.measured):
            assert int(number.replace(",", "")) in {cost.params for cost in costs}, str(line)
        for number, kind, unit in COUNT.findall(line.measured):
            name = next(key for key, text in COUNTS.items() if text == f"{kind} {unit}")
            assert number in {f"{getattr(cost, name):.3f}" for cost in costs}, str(line)


@pytest.mark.full
def test_every_printed_number_is_ours_or_explained() -> None:
    assert [line for each in measured() for line in unexplained(each)] == []
    assert sum(each.row.gflops is not None for each in measured()) >= 30


# what tables I and II of the plug-in's paper print of networks that are here
XIANG = {
    "table I": {
        ("simple_baseline r50", "128x96", 34.0, 2.3), ("simple_baseline r101", "128x96", 53.0, 3.1),
        ("hrnet w32", "128x96", 28.5, 1.8), ("hrnet w48", "128x96", 63.6, 3.6),
        ("hrnet w32", "256x192", 28.5, 7.1),
        ("simple_baseline r50 + pose_renet", "128x96", 34.0, 2.3),
        ("simple_baseline r101 + pose_renet", "128x96", 53.0, 3.1),
        ("hrnet w32 + pose_renet", "128x96", 28.5, 1.8),
        ("hrnet w48 + pose_renet", "128x96", 63.6, 3.6),
        ("hrnet w32 + pose_renet", "256x192", 28.5, 7.1),
    },
    "table II": {
        ("simple_baseline r152", "384x288", 68.6, 35.6), ("hrnet w32", "384x288", 28.5, 16.0),
        ("hrnet w48", "384x288", 68.6, 32.9), ("hrnet w32", "128x96", 28.5, 1.8),
        ("hrnet w48", "384x288", 63.6, 32.9), ("hrnet w32 + pose_renet", "128x96", 23.5, 1.8),
        ("hrnet w32 + pose_renet", "256x192", 28.5, 7.1),
        ("hrnet w48 + pose_renet", "384x288", 63.6, 32.9),
    },
}  # fmt: skip


@pytest.mark.parametrize("table", sorted(XIANG))
def test_a_table_can_be_read_whole(table: str) -> None:
    def named(source: str) -> bool:
        return any(one.partition(", COCO")[0].endswith(table) for one in source.split("; "))

    rows = [row for row in every_row() if "Xiang" in row.source and named(row.source)]
    assert {(row.network, row.input, row.params_m, row.gflops) for row in rows} == XIANG[table]


def test_no_row_stands_twice_and_its_sources_stand_once() -> None:
    keys = [(row.network, row.input, row.params_m, row.gflops) for row in every_row()]
    assert len(keys) == len(set(keys))
    joined = _joined("a, table 1, COCO", "b; a, table 1", "a, table 12")
    assert joined == "a, table 1, COCO; b; a, table 12"


def test_no_remark_is_left_over() -> None:
    used = {(row.network, row.input, row.gflops) for row in every_row() if row.remark}
    assert set(REMARKS) <= used


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_variant_on_the_menu_has_a_row(name: str) -> None:
    """A new one is one line in `pipelines.cost_rows`, or a recipe."""
    variants = {row.variant for row in every_row() if row.architecture == name}
    by_options = {"r50_k2", "r50_k3"}  # recipes that say `deconv_kernel` instead
    assert variants | by_options >= set(ARCHITECTURES[name].VARIANTS) - {"demo"}


@pytest.mark.parametrize(
    ("printed", "ours", "answer"),
    [(7.1, 7.12, "rounded"), (3.6, 3.654, "cut"), (20.0, 20.23, "no"), (9, 8.882, "rounded"),
     (9, 8.2, "no"), (4.09, 4.0917, "rounded"), (0.1, 0.19, "cut")],
)  # fmt: skip
def test_a_number_agrees_at_its_own_digits(printed: float, ours: float, answer: str) -> None:
    assert _agree(printed, ours) == answer


def test_what_differs_without_a_reason_is_named() -> None:
    row = Row("hrnet", "demo", (64, 64), 28.5, 7.1)
    assert len(unexplained(measure([row], memory=False)[0])) == 2


def test_the_report_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path))
    some = [Row("hrnet", "demo", (64, 64), 0.7, 0.1, "hr_gi", "a paper", "a reason"),
            Row("simple_baseline", "demo", (64, 96))]  # fmt: skip
    write_cost(measure(some))
    text = (tmp_path / "reports/cost.md").read_text()
    assert "| hrnet demo | 64x64 | 0.7 |" in text
    assert "a reason" in text
    content = json.loads((tmp_path / "reports/cost.json").read_text())
    (first, second), saved = content["rows"], content["savings"]
    assert saved == []  # no claim is of these two
    assert first["ours"]["saved_bytes_per_image"] > 100_000
    assert first["difference"]["params"] == pytest.approx(first["ours"]["params"] / 0.7e6 - 1)
    assert second["printed"] == {"params_m": None, "gflops": None, "count": "hr_gi"}


@pytest.mark.parametrize("name", ["hrnet", "simple_baseline", "cpn", "hsr_msnet"])
def test_what_a_step_keeps_is_what_autograd_keeps(name: str) -> None:
    kind = ARCHITECTURES[name]
    with torch.device("meta"):
        shapes = kind({"heatmaps": 17}, **kind.VARIANTS["demo"])
    network = kind({"heatmaps": 17}, **kind.VARIANTS["demo"])
    own = {tensor.untyped_storage().data_ptr() for tensor in network.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        return kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        stages = network(torch.randn(2, 3, 64, 96))
    real = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in own) / 2
    assert len(stages) == len(network.outputs)
    assert saved_bytes(shapes, (96, 64)) == pytest.approx(real, rel=0.05)


def test_the_parts_of_a_network_sum_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert cost.main(["--modules", "hrnet_w32_coco_256x192"]) == 0
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    parts = {cells[0].removeprefix("| "): int(cells[1].replace(",", "")) for cells in lines}
    assert parts["stage4"] == 20_407_232
    assert parts.pop("all") == sum(parts.values()) == 28_536_113
    assert cost.main(["--modules", "hrnet_w32_coco_256x192", "--depth", "0"]) == 2
    assert cost.main(["--modules", "hrnet_w33"]) == 2
