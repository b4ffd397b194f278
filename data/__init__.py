"""Wing 1: images and poses. In: raw files of data sets; poses of networks.

Out, by the menus in menus.py: data sets, codecs, evaluators. May import: nothing of ours outside
the wing; nothing is imported here, so that a room costs what it uses. A change re-runs what uses
the changed file.
"""
