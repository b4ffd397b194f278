"""Feeds: samples of a prepared split, and their batches.

In: prepared tables, image files, a view's settings. Out: `Batch`es of crops, `WholeBatch`es.
May import data.views, data.files and data.ground; no data set, no codec.
A change re-trains and re-evaluates the recipes that are fed by it.
"""
