"""Tables of the comparison: those of boxes and of whole images apart, dashes, remarks."""

from __future__ import annotations

import math
from dataclasses import replace

from pipelines.evaluation.record import Counts
from pipelines.evaluation.scoring import NUMBERS
from pipelines.recipe.schema import Published
from pipelines.report.comparison import (
    comparison_report,
    doubt_table,
    field_picture_links,
    main_tables,
    number_tables,
    printed_gflops,
    remarks,
)
from pipelines.report.results import Result
from tests.worlds.results import (
    BROUGHT_BOXES,
    OWN_BOXES,
    evaluation_record,
    recipe,
    training_record,
)

DETECTED = Published("det's", {"AP@det": 0.744}, 28.5, 7.1, "hr_gi")
WHOLE = Published("whole", {"AP@image": 0.65})
DOUBTFUL = Published("who knows", {"AP@gt": 0.9}, protocol_doubtful=True, note="which boxes?")


def result(name: str, *published: Published, flip_test: bool = True, **values: float) -> Result:
    """values: AP by protocol."""
    made = recipe()
    made = replace(
        made,
        published=list(published),
        evaluation=replace(made.evaluation, flip_test=flip_test),
    )
    training = training_record(name, made, "d" * 64)
    return Result(name, made, evaluation_record(training, made, values), training, {}, {})


def rows(table: str) -> list[list[str]]:
    """Head and rows of a table, all of one length."""
    lines = [line.strip("|").split(" | ") for line in table.splitlines()]
    assert len({len(line) for line in lines}) == 1
    return [[cell.strip() for cell in line] for line in (lines[0], *lines[2:])]


def test_networks_that_read_whole_images_have_a_table_of_their_own() -> None:
    boxes, images = main_tables(
        [result("top", DETECTED, gt=0.5, det=0.4), result("bottom", WHOLE, image=0.3)],
        {"quoted": [WHOLE, DETECTED]},
    )
    head, *ours = rows(boxes)
    assert head[2:4] == ["AP@gt", "AP@det"]
    assert [row[:1] + row[2:4] for row in ours] == [
        ["top †", "50.0 / –", "40.0 / 74.4"],
        ["*quoted* (quoted)", "– / –", "– / 74.4"],
    ]
    head, *ours = rows(images)
    assert head[2] == "AP@image" and "AP@gt" not in head
    assert [row[:1] + row[2:3] for row in ours] == [
        ["bottom †", "30.0 / 65.0"],
        ["*quoted* (quoted)", "– / 65.0"],
    ]


def test_a_detector_of_our_own_is_named_and_stands_beside_no_papers_number() -> None:
    ours = result("some", DETECTED, DOUBTFUL, gt=0.5, det=0.4)
    found = replace(ours, evaluation=replace(ours.evaluation, boxes_from=OWN_BOXES))
    brought = replace(ours, evaluation=replace(ours.evaluation, boxes_from=BROUGHT_BOXES))
    for each, cell in ((found, "40.0 (nanodet) / –"), (brought, "40.0 / 74.4")):
        (table,) = main_tables([each], {})
        assert rows(table)[1][3] == cell
    said = "\n".join(remarks([found], []))
    assert (
        "starts from boxes of the detector nanodet (of people: AP 32.3, AR 43.0), so that" in said
    )
    assert "the file COCO_val2017_detections_AP_H_56_person.json." in remarks([brought], [])[-1]
    assert rows(doubt_table([found], {}))[1][1:3] == ["50.0", "–"]
    assert rows(doubt_table([brought], {}))[1][1:3] == ["50.0", "40.0"]
    table = next(each for each in number_tables([found], {}) if "AP@det" in each)
    assert [row[:2] for row in rows(table)[1:]] == [
        ["some", "measured, boxes of nanodet"],
        ["some", "measured, no flip test, boxes of nanodet"],
    ]


def test_different_boxes_of_one_data_set_are_told_apart() -> None:
    """By the digest of the boxes: the same detector, told otherwise, finds others."""
    other = replace(OWN_BOXES, boxes_sha256="e" * 64)
    each = {"a": OWN_BOXES, "b": other, "c": BROUGHT_BOXES, "d": OWN_BOXES}
    made = [replace(result(name, det=0.4), name=name) for name in (*each, "far")]
    made = [
        replace(one, evaluation=replace(one.evaluation, boxes_from=each.get(one.name, other)))
        for one in made
    ]
    far = replace(made[-1], evaluation=replace(made[-1].evaluation, dataset="crowdpose"))
    (table,) = main_tables([*made[:4], far], {})
    assert [row[3] for row in rows(table)[1:]] == [
        "40.0 (nanodet ¹) / –",
        "40.0 (nanodet ²) / –",
        "40.0 (³) / –",
        "40.0 (nanodet ¹) / –",
        "40.0 (nanodet) / –",
    ]
    notes = remarks([*made[:4], far], [])
    assert notes[1].startswith("- b: ² `AP@det` starts from boxes of the detector nanodet (of")
    assert "These boxes (`eeeeeeee`) are compared" in notes[1] and "eeee" not in notes[4]
    table = next(text for text in number_tables(made[:2], {}) if "AP@det" in text)
    assert rows(table)[4][1] == "measured, no flip test, boxes of nanodet ²"


def test_a_table_of_nothing_is_none() -> None:
    (table,) = main_tables([result("bottom", image=0.3)], {"quoted": []})
    assert "AP@image" in table
    assert main_tables([], {"quoted": [DOUBTFUL]}) != [], "a row in doubt shows what is quoted"
    assert main_tables([], {}) == [] and doubt_table([result("some", DETECTED, gt=0.5)], {}) == ""


def test_a_row_in_doubt_is_beside_no_number_of_ours() -> None:
    ours = result("some", DOUBTFUL, gt=0.5, det=0.4)
    (main,) = main_tables([ours], {"quoted": [DOUBTFUL]})
    assert [row[2:4] for row in rows(main)[1:]] == [["50.0 / –", "40.0 / –"], ["– / –", "– / –"]]
    assert rows(doubt_table([ours], {"quoted": [DOUBTFUL]}))[1:] == [
        ["some", "50.0", "40.0", "–", "AP@gt 90.0", "who knows", "which boxes?"],
        ["quoted", "–", "–", "–", "AP@gt 90.0", "who knows", "which boxes?"],
    ]


def test_numbers_of_nobody_say_whom_there_is_none_of() -> None:
    ours = result("some", gt=math.nan)
    numbers = {"AP@gt": math.nan, "APM@gt": -1.0, "APL@gt": 0.25, "AR@gt": -1.0, "AR@det": 0.5}
    evaluation = replace(ours.evaluation, numbers=numbers, others={})
    ours = replace(ours, evaluation=evaluation)
    (main,) = main_tables([ours], {})
    assert rows(main)[1][2:4] == ["– / –", "– / –"]
    (table,) = number_tables([ours], {})
    head, measured, other = rows(table)
    assert head[2:] == [f"{name}@gt" for name in NUMBERS]
    shown = {"APL": "25.0", "APM": "no medium people", "AR": "no people"}
    assert measured[2:] == [shown.get(name, "–") for name in NUMBERS]
    assert other[:2] == ["some", "measured, no flip test"] and set(other[2:]) == {"–"}


def test_each_protocol_has_its_table_of_ten_numbers() -> None:
    server = Published("server", {"AP@test-dev": 0.7, "AR@test-dev": 0.8})
    ours = [result("some", gt=0.5, image=0.3)]
    quoted = {"quoted": [DOUBTFUL], "some": [server, DETECTED]}
    made = [rows(table) for table in number_tables(ours, quoted)]
    assert [table[0][2] for table in made] == ["AP@gt", "AP@det", "AP@image", "AP@test-dev"]
    assert [[row[0] + ": " + row[1] for row in table[1:]] for table in made] == [
        [
            "some: measured",
            "some: measured, no flip test",
            "quoted: quoted, protocol in doubt: who knows",
        ],
        ["some: quoted: det's"],
        ["some: measured", "some: measured, no flip test"],
        ["some: quoted: server"],
    ]


def test_printed_cost_says_how_it_was_counted() -> None:
    assert printed_gflops(DETECTED) == "7.1 (HR Gi)"
    assert printed_gflops(replace(DETECTED, gflops_count=None)) == "7.1"
    assert printed_gflops(WHOLE) == "–" and printed_gflops(None) == "–"


def test_what_a_reader_would_miss_is_remarked() -> None:
    assert remarks([result("plain", gt=0.5)], []) == [], "nothing is published, nothing lacks"
    ours = result("some", DETECTED, flip_test=False, gt=0.5, det=0.4)
    counts = {"gt": Counts(18, 0, 0), "det": Counts(18, 0, 2)}
    ours = replace(ours, evaluation=replace(ours.evaluation, counts=counts))
    no_flip, other_images, no_boxes, absent = remarks([ours], ["late", "later"])
    assert no_flip.startswith("- some: without flip test")
    assert other_images.startswith("- † some: measured on 18 images of stick_figures val")
    assert no_boxes.startswith("- some: 2 of 18 images have no boxes (a detector's boxes)")
    assert absent.endswith("params.yaml runs them: late, later.")


def test_fields_are_shown_of_those_that_have_pictures_of_them() -> None:
    ours = [replace(result("bottom", image=0.3), fields=["7", "8"]), result("top", gt=0.5)]
    heading, links = field_picture_links(ours)
    assert heading.startswith("### Fields of bottom:")
    place = "../results/bottom/evaluation/fields"
    assert links.splitlines() == [f"![{n}]({place}/{n}.jpg)" for n in ("7", "8")]


def test_the_report_has_no_part_without_content() -> None:
    report = comparison_report([result("some", gt=0.5)], {}, [])
    headings = [line for line in report.splitlines() if line.startswith("#")]
    papers = headings.index("## The papers' tables")
    assert headings[:papers] == ["# Comparison", "## Pictures", "## All numbers"]
    assert report.endswith("|\n\n</details>\n") and "\n\n\n" not in report


def test_what_was_measured_stands_first_and_alone_what_papers_print_is_folded() -> None:
    ours = result("some", DETECTED, gt=0.5, det=0.4)
    report = comparison_report([ours], {"strange": [WHOLE, DOUBTFUL], "none": []}, [])
    own, _, rest = report.partition("## What papers print")
    assert "strange" not in own and "quoted" not in own.partition("papers")[2]
    assert "| some † |" in own and "| some | measured |" in own and "<details>" not in own
    folded, _, papers = rest.partition("</details>")
    assert folded.lstrip().startswith(
        "<details>\n\n<summary>3 rows of 2 recipes, as printed</summary>\n\n|"
    )
    assert "| *strange* (quoted) |" in folded and "| some | quoted: det's |" in folded
    assert "| strange | – | – | – | AP@gt 90.0 | who knows |" in folded
    assert "*some* (quoted)" not in folded, "its published AP stands beside its own above"
    assert papers.count("<details>") == papers.count("</details>") == 1
