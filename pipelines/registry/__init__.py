"""Versions of trained models by slot: rules, the decision who is champion, and its ledger.

In: best weights and evaluations of results/, mlflow/promotion.yaml, what the registry holds.
Out: versions, aliases and tags in MLflow, reports/promotion.json, runs/champions (fetched weights).
May import: host, recipe, survey, tracking, prediction, evaluation, serving.
A change in here re-runs: promote, and compare as far as it reaches `versions`; no training.
"""
