"""What train and evaluate left of a recipe, read back from results/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.evaluation.record import EvaluationRecord, NetworkCost, has_evaluation
from pipelines.evaluation.test_dev import is_stale, kept_scores
from pipelines.host import places
from pipelines.recipe.datasets import data_set, data_set_names
from pipelines.recipe.schema import Published, Recipe
from pipelines.report.published import published_under
from pipelines.training.record import History, TrainingRecord


@dataclass(frozen=True)
class Result:
    """What train and evaluate left of one recipe."""

    name: str
    recipe: Recipe
    evaluation: EvaluationRecord
    training: TrainingRecord
    history: Mapping[str, Sequence[float]]  # column of history.csv -> value per epoch, NaN: none
    overlays: dict[str, Path]
    fields: list[str] = field(default_factory=list)  # images, of whole ones, with their fields
    test_dev: dict[str, float] = field(default_factory=dict)  # `AP@test-dev`..., by COCO's server
    stale_test_dev: bool = False  # the server scored other results than those of today

    @property
    def numbers(self) -> dict[str, float]:
        """`AP@gt`..., fractions of 1, with the flip test as the recipe has it."""
        return self.evaluation.numbers

    @property
    def beside_papers(self) -> dict[str, float]:
        """Of `numbers` those that start from what papers' do: not from a detector of our own."""
        ours = self.evaluation
        return {k: v for k, v in self.numbers.items() if ours.as_papers(k.rpartition("@")[2])}

    @property
    def own_detector(self) -> str:
        """Name of the detector that `det` starts from, "" where that is a file as papers' is."""
        boxes = self.evaluation.boxes_from
        return "" if boxes is None or boxes.brought else boxes.name

    def published_under(self, protocol: str) -> Published | None:
        """The paper's row that stands beside ours; none beside a detector of our own."""
        if not self.evaluation.as_papers(protocol):
            return None
        return published_under(self.recipe.published, protocol)

    @property
    def cost(self) -> NetworkCost:
        return self.evaluation.cost

    @property
    def measured_on(self) -> str:
        return f"{self.data_split}, {self.evaluation.images} images"

    @property
    def data_split(self) -> str:
        return f"{self.evaluation.dataset} {self.evaluation.split}"

    @property
    def comparable(self) -> bool:
        """Whether measured over the images (MPII: people) that papers measure over."""
        known = self.evaluation.dataset in data_set_names()
        counted = data_set(self.evaluation.dataset).PUBLISHED if known else {}
        published = counted.get(self.evaluation.split)
        if published is None:
            return False
        if published.people:
            return self.evaluation.counts["gt"].boxes == published.people
        return self.evaluation.images == published.images

    @property
    def other_flip(self) -> str:
        """What tells the numbers with the flip test the other way round."""
        return "no flip test" if self.evaluation.protocol.flip_test else "flip test"


def is_evaluated(name: str) -> bool:
    return has_evaluation(places.evaluated(name))


def read_result(name: str, recipe: Recipe) -> Result:
    """Raises ValueError where the recipe is not trained or not evaluated."""
    evaluated, trained = places.evaluated(name), places.trained(name)
    scores = kept_scores(name)
    stale = scores is not None and is_stale(name, scores)
    return Result(
        name,
        recipe,
        EvaluationRecord.read(evaluated),
        TrainingRecord.read(trained),
        History.read(trained).columns,
        {path.stem: path for path in sorted((evaluated / "overlays").glob("*.jpg"))},
        sorted(path.stem for path in (evaluated / "fields").glob("*.jpg")),
        scores.numbers if scores is not None and not stale else {},
        stale,
    )
