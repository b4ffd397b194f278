"""Tables of benchmarks that have numbers of their own: whose a number is, a row per protocol."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pipelines.evaluation.scoring import PROTOCOLS
from pipelines.recipe.schema import Published
from pipelines.report.benchmarks import (
    BENCHMARKS,
    benchmark_of,
    benchmark_sections,
    measured_rows,
    number_cells,
    of_benchmark,
    printed_gflops,
    quoted_rows,
)
from pipelines.report.results import Result
from tests.worlds.results import evaluation_record, recipe, training_record

MPII, CROWDPOSE, _ = BENCHMARKS
OF_CROWDPOSE = Published("crowded", {"AP@gt": 0.7, "AP_easy@gt": 0.8, "AP@image": 0.6}, 28.5)
OF_MPII = Published("mpii's", {"PCKh@0.5@gt": 0.9}, gflops=9.5, gflops_count="hr_gi")
OF_COCO = Published("coco's", {"AP@gt": 0.76})


def result(
    name: str, metric: str, published: tuple[Published, ...] = (), **values: float
) -> Result:
    """values: of the metric, by protocol; with the flip test the other way round 0.01 less."""
    made = replace(recipe(), published=list(published))
    training = training_record(name, made, "d" * 64)
    return Result(name, made, evaluation_record(training, made, values, metric), training, {}, {})


@pytest.mark.parametrize(
    ("numbers", "title"),
    [
        (["PCKh@0.5@gt", "Head@gt"], "MPII"),
        (["PCKh@0.5@image"], "MPII"),
        (["AP@det", "AP50@det", "AP_easy@det"], "CrowdPose"),
        (["AP@gt", "APM@gt", "AR@gt"], None),
        (["PCKh@0.1@gt"], None),
        (["PCK@0.1@gt", "NME@gt"], "Distances of keypoints"),
        ([], None),
    ],
)
def test_whose_numbers_they_are(numbers: list[str], title: str | None) -> None:
    benchmark = benchmark_of(numbers)
    assert (benchmark.title if benchmark else None) == title


def test_each_benchmark_gets_its_own_and_no_other() -> None:
    results = [result("a", "AP", gt=0.5), result("b", "PCKh@0.5", gt=0.5)]
    quoted = {"both": [OF_COCO, OF_CROWDPOSE], "mpii": [OF_MPII], "none": []}
    found = {}
    for benchmark in (None, *BENCHMARKS):
        ours, theirs = of_benchmark(benchmark, results, quoted)
        found[benchmark.title if benchmark else "COCO"] = ([r.name for r in ours], theirs)
    assert found == {
        "COCO": (["a"], {"both": [OF_COCO]}),
        "MPII": (["b"], {"mpii": [OF_MPII]}),
        "CrowdPose": ([], {"both": [OF_CROWDPOSE]}),
        "Distances of keypoints": ([], {}),
    }


def test_a_protocol_has_two_rows_and_another_one_its_own() -> None:
    rows = measured_rows(result("some", "AP_easy", image=0.5, gt=0.75), CROWDPOSE)
    easy = 4 + list(CROWDPOSE.columns).index("easy")
    assert [(row[1], row[2], row[easy]) for row in rows] == [
        ("gt", "measured", "75.0"),
        ("gt", "measured, no flip test", "74.0"),
        ("image", "measured", "50.0"),
        ("image", "measured, no flip test", "49.0"),
    ]
    assert all(row[0] == "some" for row in rows), "nothing is published, so nothing is compared"
    assert all(row[4:easy] == ["–"] * (easy - 4) for row in rows), "nor was the rest measured"


def test_ours_stand_alone_and_are_marked_where_they_are_over_other_images() -> None:
    rows = measured_rows(result("some", "AP_easy", (OF_CROWDPOSE, OF_COCO), gt=0.75), CROWDPOSE)
    assert [row[0] for row in rows] == ["some †"] * 2
    assert [row[1] for row in rows] == ["gt", "gt"]


def test_a_quoted_row_is_of_one_protocol() -> None:
    doubtful = replace(OF_CROWDPOSE, protocol_doubtful=True)
    at_gt, at_image = quoted_rows("some", [doubtful], CROWDPOSE)
    start = 4 + list(CROWDPOSE.columns).index("AP")
    assert (at_gt[1], at_gt[start], at_image[1], at_image[start]) == ("gt", "70.0", "image", "60.0")
    easy = 4 + list(CROWDPOSE.columns).index("easy")
    assert (at_gt[easy], at_image[easy]) == ("80.0", "–")
    assert at_gt[2] == "quoted, protocol in doubt: crowded" and at_gt[3] == "–"
    assert at_gt[-5:] == ["28.5", "–", "–", "–", "–"]


def test_what_is_printed_stands_under_its_own_count() -> None:
    counts = ("exact_g", "exact_gi", "hr_g", "hr_gi")
    assert [printed_gflops(OF_MPII, count) for count in counts] == ["–", "–", "–", "9.5"]
    assert [printed_gflops(OF_COCO, count) for count in counts] == ["–"] * 4
    uncounted = replace(OF_MPII, gflops_count=None)
    assert [printed_gflops(uncounted, count) for count in counts] == ["–"] * 4


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numbers_of_nobody_say_whom_there_is_none_of(protocol: str) -> None:
    numbers = {f"AP@{protocol}": math.nan, f"AP50@{protocol}": -1.0, f"AP75@{protocol}": 0.0}
    numbers |= {f"AP_hard@{protocol}": -1.0}
    cells = number_cells({**numbers, "AR@other": 0.5}, CROWDPOSE, protocol)
    rest = ["–"] * (len(CROWDPOSE.columns) - 4)
    assert cells == ["–", "no people", "0.0", *rest, "no hard images"]


def test_a_section_is_a_heading_a_remark_and_a_table_of_equal_rows() -> None:
    made = benchmark_sections([result("some", "PCKh@0.5", gt=0.5)], {"quoted": [OF_MPII, OF_COCO]})
    heading, remark, table = made
    assert (heading, remark) == ("## MPII", MPII.remark), "and CrowdPose, of which nothing is, none"
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert len({len(row) for row in rows}) == 1
    assert [row[0] for row in rows[2:]] == ["some", "some", "*quoted*"]
    assert benchmark_sections([result("some", "AP", gt=0.5)], {"quoted": [OF_COCO]}) == []
