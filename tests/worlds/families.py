"""Channels that a codec would ask an architecture on the menu to paint."""

from __future__ import annotations

from models.menus import ARCHITECTURES


def channels(name: str, keypoints: int = 17) -> dict[str, int]:
    """By the family of fields that the architecture states; any fields, if it states none."""
    return {
        ("heatmaps",): {"heatmaps": keypoints},
        ("heatmaps", "tags"): {"heatmaps": keypoints, "tags": keypoints},
        ("heatmaps", "pafs"): {"heatmaps": 19, "pafs": 38},
    }[ARCHITECTURES[name].FIELDS]
