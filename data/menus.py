"""The menus of the data wing: data sets, codecs and evaluators by name.

A new line re-runs nothing; a changed one what uses the plug that it names.
"""

from __future__ import annotations

from data.codecs.associative_embedding import AssociativeEmbedding
from data.codecs.heatmap import HeatmapCodec
from data.codecs.part_affinity_fields import PartAffinityFields
from data.datasets.coco import Coco
from data.datasets.crowdpose import CrowdPose
from data.datasets.mixture import Mixture
from data.datasets.mpii import Mpii
from data.datasets.stick_figures import StickFigures
from data.evaluators.crowdpose import CrowdPoseEvaluator
from data.evaluators.keypoint_distance import KeypointDistanceEvaluator
from data.evaluators.oks import OksEvaluator
from data.evaluators.pckh import PckhEvaluator
from data.ground.codec import Codec
from data.ground.data_set import DataSet
from data.ground.evaluator import Evaluator

DATASETS: dict[str, DataSet] = {
    "coco": Coco(),
    "stick_figures": StickFigures(),
    "mpii": Mpii(),
    "crowdpose": CrowdPose(),
    "coco_mpii": Mixture({"coco": Coco(), "mpii": Mpii()}),
}
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
