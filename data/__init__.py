"""Wing 1: images and poses. The menu of data sets, codecs and evaluators."""

from data.codecs.heatmap import HeatmapCodec
from data.evaluators.oks import OksEvaluator

DATASETS: dict = {}
CODECS: dict[str, type] = {"heatmap": HeatmapCodec}
EVALUATORS: dict[str, type] = {"oks": OksEvaluator}
