"""Wing 1: images and poses. The menu of data sets, codecs and evaluators."""

from typing import Any

from data.codecs.heatmap import HeatmapCodec
from data.datasets import coco, stick_figures
from data.evaluators.oks import OksEvaluator

DATASETS: dict[str, Any] = {"coco": coco, "stick_figures": stick_figures}
CODECS: dict[str, type] = {"heatmap": HeatmapCodec}
EVALUATORS: dict[str, type] = {"oks": OksEvaluator}
