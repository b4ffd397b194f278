"""What is made before trainings, and whose training lacks what could not be made."""

from __future__ import annotations

import pytest

from pipelines.cluster.ahead_of_dvc import make_ready

RUN = {
    "recipes": {
        "a": {"dataset": "coco"},
        "b": {"dataset": "coco"},
        "c": {"dataset": "both"},
    },
    "mixtures": {"both": {"members": []}},
}
COCO, BOTH = {"prepare@coco", "detect@coco"}, {"prepare_mix@both", "detect_mix@both"}


def lacking(*broken: str) -> tuple[dict[str, str], list[set[str]]]:
    """What `make_ready` answers where some stages fail, and what it asked for."""
    asked: list[set[str]] = []

    def made(*stages: str) -> bool:
        asked.append(set(stages))
        return not set(stages) & set(broken)

    return make_ready(["a", "b", "c"], RUN, made), asked


def test_each_data_set_once_then_all_weights() -> None:
    assert lacking() == ({}, [COCO, BOTH, {"weights@a", "weights@b", "weights@c"}])


@pytest.mark.parametrize(
    ("broken", "failed"),
    [
        ("prepare@coco", {"a": "data set coco", "b": "data set coco"}),
        ("detect_mix@both", {"c": "data set both"}),
        ("weights@b", {"b": "its weights"}),
    ],
)
def test_who_needs_what_could_not_be_made_and_nobody_else(
    broken: str, failed: dict[str, str]
) -> None:
    said, _ = lacking(broken)
    assert set(said) == set(failed)
    assert all(said[name].startswith(why) for name, why in failed.items())


def test_weights_of_a_lost_data_set_are_not_asked_for() -> None:
    _, asked = lacking("prepare@coco")
    assert asked == [COCO, BOTH, {"weights@c"}]
