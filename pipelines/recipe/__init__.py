"""Recipes and params.yaml: read strictly, checked against the menus, built into what they name.

In: recipes/NAME.yaml, params.yaml. Out: `Recipe`, `Cluster`, settings of data sets; codec, network
and losses. May import: host, and the menus of both wings. The only room that knows yaml: `schema`
below `check` below `reader`; `build` needs no check. A change in here re-runs: all trainings and
evaluations for `schema`, `strict` and `build`; nothing for `check`, which only refuses.
"""
