"""Somebody's own labels looked at: what is in them, what is odd, what would train on them.

In: `Labels` of one or two splits and the folders of their images. Out: lines for a person to read,
files of a skeleton and of a recipe, a page of samples, entries for params.yaml. May import: host,
recipe, pictures, intake, and data.datasets.formats. A change re-runs nothing: what it writes are
files of the user's own.
"""
