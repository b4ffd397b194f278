"""What another decoding of the same weights gains on the recipe's own, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data.menus import EVALUATORS
from pipelines.evaluation.bootstrap import CONFIDENCE, RESAMPLES
from pipelines.evaluation.decoded import spelled
from pipelines.evaluation.folder import EvaluationFolder, read_evaluation
from pipelines.evaluation.record import EvaluationRecord, has_evaluation
from pipelines.report.difference import Gain, gain_row, metric_gains
from pipelines.report.markdown import markdown_table

PAGE = "difference.md"


def write_gains(folder: Path, recipes_own: Path) -> list[str]:
    """Lines to be told of the evaluation in `folder`; beside it a page, where there is a pair.

    recipes_own: where the recipe's own evaluation lies, of the same weights on the same data.
    """
    other = read_evaluation(folder)
    title = f"{other.record.recipe}, {spelled(other.record.decode or {})}"
    if not has_evaluation(recipes_own):
        return [f"{title}: {_numbers(other.record)}; {recipes_own}: no evaluation to set beside it"]
    own = read_evaluation(recipes_own)
    if _weights(own) != _weights(other):
        fault = "is of another training or other data: nothing to set beside it"
        return [f"{title}: {_numbers(other.record)}; {recipes_own} {fault}"]
    gains = metric_gains(other, own)
    (folder / PAGE).write_text(page(title, gains))
    return [f"{title}: {line}" for line in main_lines(other.record, gains)]


def page(title: str, gains: Sequence[Gain]) -> str:
    head = ["metric", "so decoded", "by the recipe", "difference", "interval"]
    table = markdown_table(head, [gain_row(gain) for gain in gains])
    resampled = f"x 100; interval: {CONFIDENCE:.0%}, {RESAMPLES} resamples of the images, paired."
    return f"# {title}\n\nThe same weights, {resampled}\n\n{table}\n"


def main_lines(record: EvaluationRecord, gains: Sequence[Gain]) -> list[str]:
    """A line of each protocol: its evaluator's main number both ways, and what lies between."""
    main, lines = EVALUATORS[record.protocol.evaluator].main, []
    for gain in gains:
        if gain.metric.rpartition("@")[0] == main:
            metric, first, second, difference, span = gain_row(gain)
            lines.append(f"{metric} {first}, by the recipe {second}: {difference}, {span}")
    return lines


def _numbers(record: EvaluationRecord) -> str:
    main = EVALUATORS[record.protocol.evaluator].main
    own = {key: value for key, value in record.numbers.items() if key.startswith(f"{main}@")}
    return ", ".join(f"{key} {100 * value:.2f}" for key, value in own.items())


def _weights(evaluation: EvaluationFolder) -> tuple[str, str, int]:
    record = evaluation.record
    return record.fingerprint, record.data_hash, record.epoch
