"""Sidecars of networks of others, as people write them."""

from __future__ import annotations

MOVENET_THUNDER = """
input_size: [256, 256]
skeleton: coco
pixels: {layout: nhwc}
output: {kind: coordinates, order: yx, unit: crop, values: 3, score: 2}
"""
RTMPOSE = """
input_size: [192, 256]
skeleton: coco
pixels: {mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]}
output: {kind: simcc, names: [simcc_x, simcc_y], split: 2}
"""
HRNET = """
input_size: [192, 256]
skeleton: coco
pixels: {mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]}
output: {kind: heatmaps}
"""
