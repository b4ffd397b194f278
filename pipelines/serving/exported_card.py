"""What an exported file of ONNX is told to say of itself."""

from __future__ import annotations

import dataclasses

from data.ground.plug import Plug
from pipelines.prediction.onnx_card import OnnxCard, skeleton_values
from pipelines.prediction.trained import Trained
from pipelines.serving.graph import ImageGraph
from pipelines.serving.program import Graph


def exported_card(trained: Trained, graph: Graph, name: str, flip_test: bool) -> OnnxCard:
    """name: of the recipe or champion; flip_test: whether the graph has it in it."""
    recipe, evaluation = trained.recipe, trained.recipe.evaluation
    return OnnxCard(
        recipe=name,
        **dataclasses.asdict(trained.origin),
        **skeleton_values(trained.skeleton),
        codec=Plug(recipe.codec.name, dataclasses.asdict(trained.codec)),
        input_size=list(trained.input_size),
        aligned=bool(trained.codec.aligned),
        keypoint_threshold=evaluation.keypoint_threshold,
        nms_threshold=evaluation.nms_threshold,
        scales=list(evaluation.scales),
        flip_test=flip_test,
        stages=[list(stage) for stage in trained.network.outputs],
        multiple=graph.multiple if isinstance(graph, ImageGraph) else None,
    )
