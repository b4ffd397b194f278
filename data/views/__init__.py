"""Views: which part of an image a network sees, turned, mirrored and recoloured.

In: boxes, keypoints, an augmentation's settings, random numbers. Out: affines, pixels, points.
May import data.ground; pure functions over plain arrays.
A change re-trains the recipes whose feed draws such views, and re-evaluates those that cut them.
"""
