"""COCO's server's answer: read in each form that it comes in, kept with what it is of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines import evaluate
from pipelines.evaluation.scoring import NUMBERS
from pipelines.evaluation.test_dev import is_stale, keep_scores, kept_scores, read_answer
from pipelines.host import places

VALUES = dict(zip(NUMBERS, (0.7491, 0.925, 0.828, 0.713, 0.809, 0.801, 0.95, 0.87, 0.76, 0.86)))  # noqa: B905
WORDS = {"APM": "AP_medium", "APL": "AP_large", "ARM": "AR_medium", "ARL": "AR_large"}
SERVER = {WORDS.get(name, name.replace("P", "P_").replace("R", "R_").rstrip("_")): value
          for name, value in VALUES.items()}  # fmt: skip
DOTS = {"AP50": "AP .5", "AP75": "AP .75", "AR50": "AR 0.50", "AR75": "AR 0.75", "AP": "AP_all",
        "APM": "AP (M)", "APL": "AP (L)"}  # fmt: skip
SUMMARY = """
 Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets= 20 ] = 0.749
 Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets= 20 ] = 0.925
 Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets= 20 ] = 0.828
 Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets= 20 ] = 0.713
 Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets= 20 ] = 0.809
 Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 20 ] = 0.801
 Average Recall     (AR) @[ IoU=0.50      | area=   all | maxDets= 20 ] = 0.950
 Average Recall     (AR) @[ IoU=0.75      | area=   all | maxDets= 20 ] = 0.870
 Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets= 20 ] = 0.760
 Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets= 20 ] = 0.860
"""
LINES = "\n".join(f"{name}: {value}" for name, value in SERVER.items())


def renamed(names: dict[str, str]) -> dict[str, float]:
    return {names.get(name, name): value for name, value in VALUES.items()}


@pytest.fixture
def results(home: Path) -> Path:
    """The results of demo_hrnet that a server would score."""
    folder = places.test_dev("demo_hrnet")
    folder.mkdir(parents=True)
    path = folder / "person_keypoints_test-dev2017_demo_hrnet_results.json"
    path.write_text("[]")
    return path


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(SERVER),
        json.dumps([SERVER]),
        json.dumps(renamed(DOTS)),
        json.dumps(SERVER | {"AP_50:95_person": 0.1, "status": "finished"}),
        LINES,
        f"loading...\n{SUMMARY}",
    ],
)
def test_each_form_of_the_answer_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "answer"
    path.write_text(text)
    found = read_answer(path)
    assert list(found) == [f"{name}@test-dev" for name in NUMBERS]
    assert list(found.values()) == pytest.approx(list(VALUES.values()), abs=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks AP, AP50"),
        ("nonsense: words", "lacks AP, AP50"),
        ("[1, 2]", "lacks AP, AP50"),
        (json.dumps({name: VALUES[name] for name in NUMBERS[:9]}), "lacks ARL"),
        ("\n".join(SUMMARY.splitlines()[:-1]), "lacks ARL"),
        (SUMMARY.replace("maxDets= 20", "maxDets=100"), "lacks AP, AP50"),
        (json.dumps(VALUES | {"AP": 74.9}), "AP: given 74.9.*divide percents by 100"),
        (json.dumps(VALUES | {"AR": "high"}), "AR: given 'high', accepted: a number"),
        (json.dumps(VALUES | {"AP": None}), "AP: given None"),
        (json.dumps(VALUES | {"APL": True}), "APL: given True"),
        (SUMMARY.replace("0.828", "nan"), "AP75: given 'nan'"),
        (SUMMARY + SUMMARY.replace("0.749", "0.700"), "AP twice, as 0.749 and 0.7"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "answer"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_answer(path)


def test_scores_are_kept_with_the_digest_of_what_was_scored(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps(SERVER))
    assert evaluate.main(["demo_hrnet", "--test-dev-scores", str(answer)]) == 0
    assert f"kept: {places.test_dev_scores('demo_hrnet')}" in capsys.readouterr().out
    scores = kept_scores("demo_hrnet")
    assert scores is not None and scores.results == results.name
    assert scores.numbers["AP@test-dev"] == 0.7491
    assert not is_stale("demo_hrnet", scores)
    results.write_text("[{}]")
    assert is_stale("demo_hrnet", scores)
    results.unlink()
    assert is_stale("demo_hrnet", scores)


def test_what_cannot_be_brought_back_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps(SERVER))
    with pytest.raises(ValueError, match="no results that a server could have scored"):
        keep_scores("demo_hrnet", answer)
    assert kept_scores("demo_hrnet") is None
    assert evaluate.main(["demo_hrnt", "--test-dev-scores", str(answer)]) == 2
    assert evaluate.main(["demo_hrnet", "--ceiling", "--test-dev-scores", str(answer)]) == 2
    assert "--test-dev-scores: accepted: with RECIPE alone" in capsys.readouterr().err


def test_a_missing_answer_is_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not readable"):
        keep_scores("demo_hrnet", tmp_path / "none.json")
