"""evaluation.json and metrics.json: read back as written, as older files say it, or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.evaluation.folder import champion_elsewhere, every_evaluation, read_evaluation
from pipelines.evaluation.record import Counts, EvaluationRecord
from pipelines.host import places
from tests.worlds.results import (
    evaluation_record,
    hits,
    recipe,
    training_record,
    write_evaluation,
)

KEYS = [
    "recipe", "run_id", "dataset", "split", "fingerprint", "recipe_digest", "trained_on",
    "data_hash", "epoch", "input_size", "device", "protocol", "cost", "seconds", "counts",
]  # fmt: skip


def record() -> EvaluationRecord:
    training = training_record("some", recipe(), "d" * 64)
    return evaluation_record(training, recipe(), {"gt": 0.5, "det": 0.4})


@pytest.mark.parametrize("flip_test", [True, False])
def test_what_is_written_is_read_back(tmp_path: Path, flip_test: bool) -> None:
    settings = replace(record().protocol, flip_test=flip_test)
    whole_images = {"image": Counts(9, 1, 0)}
    for written in (
        replace(record(), protocol=settings),
        replace(record(), protocol=settings, counts=whole_images, slot="s", version="4"),
        replace(record(), protocol=settings, decode={"scale": "fine", "shift": 0.5}),
    ):
        written.write(tmp_path)
        assert EvaluationRecord.read(tmp_path) == written
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert metrics == {**written.numbers, "no_flip" if flip_test else "flip": written.others}


def test_the_files_hold_what_they_always_held(tmp_path: Path) -> None:
    record().write(tmp_path)
    facts = json.loads((tmp_path / "evaluation.json").read_text())
    assert list(facts) == KEYS and facts["run_id"] is None
    assert list(facts["protocol"]) == [
        "evaluator", "flip_test", "keypoint_threshold", "nms_threshold", "scales"
    ]  # fmt: skip
    assert list(facts["cost"]) == ["params", "exact_g", "exact_gi", "hr_g", "hr_gi"]
    replace(record(), slot="pose-coco", version="1").write(tmp_path)
    facts = json.loads((tmp_path / "evaluation.json").read_text())
    assert list(facts) == ["slot", "version", *KEYS]
    record().write_metrics(tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_bytes() == (tmp_path / "metrics.json").read_bytes()


def test_a_version_that_was_evaluated_before_there_were_scales_is_read(tmp_path: Path) -> None:
    record().write(tmp_path)
    path = tmp_path / "evaluation.json"
    facts = json.loads(path.read_text())
    del facts["protocol"]["scales"]
    path.write_text(json.dumps(facts | {"of_another_time": 1}))
    assert EvaluationRecord.read(tmp_path).protocol.scales is None


def test_any_number_changes_the_digest() -> None:
    numbers = record().numbers
    digests = {record().digest()}
    digests |= {replace(record(), numbers=numbers | {key: 0.1}).digest() for key in numbers}
    digests |= {replace(record(), others=numbers | {key: 0.1}).digest() for key in numbers}
    assert len(digests) == 1 + 2 * len(numbers)
    assert replace(record(), seconds=9.0).digest() == record().digest()


def test_the_first_protocol_that_both_have_is_compared() -> None:
    both, only_gt = record(), replace(record(), numbers={"AP@gt": 0.7})
    assert both.shared_protocol("AP", ["det", "gt"]) == "det"
    assert both.shared_protocol("AP", ["det", "gt"], only_gt) == "gt"
    assert only_gt.shared_protocol("AP", ["det", "gt"], both) == "gt"


def test_what_is_no_evaluation_is_named(tmp_path: Path) -> None:
    def refused(match: str) -> None:
        with pytest.raises(ValueError, match=match):
            EvaluationRecord.read(tmp_path)

    refused(r"no evaluation in it .*; run `make repro`")
    record().write(tmp_path)
    facts, metrics = tmp_path / "evaluation.json", tmp_path / "metrics.json"
    content = json.loads(facts.read_text())
    facts.write_text(json.dumps({k: v for k, v in content.items() if k != "data_hash"}))
    refused(r"evaluation\.json: data_hash: missing.*; run `make repro`")
    facts.write_text(json.dumps(content | {"cost": 3}))
    refused(r"evaluation\.json: cost: given 3, accepted: a mapping")
    facts.write_text("{")
    refused(r"evaluation\.json: truncated or no json \(.*\); run `make repro`")
    facts.write_text(json.dumps(content))
    metrics.write_text(json.dumps(record().numbers))
    refused(r"metrics\.json: lacks no_flip or flip; run `make repro`")
    metrics.unlink()
    refused(r"metrics\.json: no such file")


def test_evaluations_are_found_where_evaluate_leaves_them(home: Path) -> None:
    write_evaluation(places.evaluated("some"), record(), {"gt": hits(0.5)})
    other = replace(record(), slot="pose-coco", version="4", data_hash="e" * 64)
    folder = places.champion_evaluated("pose-coco", "stick_figures", "e" * 64)
    write_evaluation(folder, other, {"gt": hits(0.4)})
    assert {each.path for each in every_evaluation()} == {folder, places.evaluated("some")}
    champion = champion_elsewhere("pose-coco", "4", "e" * 64)
    assert champion is not None and champion.path == folder
    assert champion_elsewhere("pose-coco", "5", "e" * 64) is None
    assert champion_elsewhere("pose-coco", "4", "d" * 64) is None
    assert read_evaluation(folder).matches("gt").positives.sum() == 120
