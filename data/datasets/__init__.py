"""Data sets, a class each; the menu stands in menu.py.

In: a folder of raw files in their official layout, settings in params.yaml. Out: `Sample`s for
training, the official truth for evaluation. May import: ground, sources, the data set whose files
it has (stick_figures: coco); a mixture is handed its members. A change re-runs fetch and prepare of
that data set, and training and evaluation of the recipes that use it; what papers count
(`PUBLISHED`) the report alone, where nothing else of the file is changed.
"""
