"""The menu of data sets by name, apart from those that need torch: what reads files alone is light.

A new line re-runs nothing; a changed one what uses the data set that it names.
"""

from __future__ import annotations

from data.datasets.coco import Coco
from data.datasets.crowdpose import CrowdPose
from data.datasets.mixture import Mixture
from data.datasets.mpii import Mpii
from data.datasets.stick_figures import StickFigures
from data.ground.data_set import DataSet

DATASETS: dict[str, DataSet] = {
    "coco": Coco(),
    "stick_figures": StickFigures(),
    "mpii": Mpii(),
    "crowdpose": CrowdPose(),
    "coco_mpii": Mixture({"coco": Coco(), "mpii": Mpii()}),
}
