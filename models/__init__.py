"""Wing 2: networks and losses; torch only.

In, by the menus in menus.py: `ARCHITECTURES[name](channels, **options)`, options one of its
VARIANTS, then images; `REFINEMENTS[name](network, aligned=..., **options)` is one too. Out: fields,
stage by stage; of `LOSSES[name](**options)` a scalar. May import torch, nothing of ours outside.
A change re-trains the recipes that use the file; a line of a menu re-runs nothing.
"""
