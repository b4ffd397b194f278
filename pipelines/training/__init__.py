"""Trains a recipe: job, ranks, loop, checkpoints, results.

In: a recipe, prepared tables, pretrained weights, a cluster profile.
Out: runs/RECIPE-FINGERPRINT (checkpoints, pictures, outbox), results/RECIPE/trained; of a repeat
on another seed all of it in runs/control.
May import: host, recipe, pictures, intake, tracking, prediction, digests, evaluation; never ray or
mlflow.
A change in here re-runs: every recipe's training (`loop`, `results` and all that they reach) and
what follows from it; pictures, plan, attempt, loaders, sample_cost, repeat and
imported re-run nothing.
"""
