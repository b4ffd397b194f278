"""Wing 1: images and poses. The menu of data sets, codecs and evaluators."""

from typing import Any

from data.codecs.associative_embedding import AssociativeEmbedding
from data.codecs.heatmap import HeatmapCodec
from data.codecs.part_affinity_fields import PartAffinityFields
from data.datasets import coco, crowdpose, mpii, stick_figures
from data.datasets.mixture import Mixture
from data.evaluators.crowdpose import CrowdPoseEvaluator
from data.evaluators.oks import OksEvaluator
from data.evaluators.pckh import PckhEvaluator
from data.ground.codec import Codec

DATASETS: dict[str, Any] = {
    "coco": coco,
    "stick_figures": stick_figures,
    "mpii": mpii,
    "crowdpose": crowdpose,
    "coco_mpii": Mixture({"coco": coco, "mpii": mpii}),
}
CODECS: dict[str, type[Codec]] = {
    "heatmap": HeatmapCodec,
    "associative_embedding": AssociativeEmbedding,
    "part_affinity_fields": PartAffinityFields,
}
EVALUATORS: dict[str, Any] = {
    "oks": OksEvaluator,
    "pckh": PckhEvaluator,
    "crowdpose": CrowdPoseEvaluator,
}
