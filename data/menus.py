"""The menus of the data wing: data sets, codecs and evaluators by name.

A new line re-runs nothing; a changed one what uses the plug that it names.
"""

from __future__ import annotations

from data.codecs.associative_embedding import AssociativeEmbedding
from data.codecs.heatmap import HeatmapCodec
from data.codecs.part_affinity_fields import PartAffinityFields
from data.datasets.menu import DATASETS
from data.evaluators.crowdpose import CrowdPoseEvaluator
from data.evaluators.keypoint_distance import KeypointDistanceEvaluator
from data.evaluators.oks import OksEvaluator
from data.evaluators.pckh import PckhEvaluator
from data.ground.codec import Codec
from data.ground.evaluator import Evaluator

__all__ = ["CODECS", "DATASETS", "EVALUATORS"]

CODECS: dict[str, type[Codec]] = {
    "heatmap": HeatmapCodec,
    "associative_embedding": AssociativeEmbedding,
    "part_affinity_fields": PartAffinityFields,
}
EVALUATORS: dict[str, type[Evaluator]] = {
    "oks": OksEvaluator,
    "pckh": PckhEvaluator,
    "crowdpose": CrowdPoseEvaluator,
    "keypoint_distance": KeypointDistanceEvaluator,
}
