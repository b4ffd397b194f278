"""Parts of part affinity fields: heatmaps and limbs drawn, peaks found, joined to people.

In: points in cells, or painted heatmaps and vectors. Out: targets, or people of one image.
May import data.ground and each other; numba compiles the loops.
A change re-trains and re-evaluates the recipes with part affinity fields.
"""
