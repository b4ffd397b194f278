"""Parts of associative embedding: heatmaps and tags drawn, peaks found, grouped, filled in.

In: cells of keypoints, or painted heatmaps and tags. Out: targets, or people of one image.
May import data.ground and each other; numba compiles the loops.
A change re-trains and re-evaluates the recipes with associative embedding.
"""
