"""Losses: how far painted fields are from written ones, one file each.

In: one stage's field, what its codec wrote, a weight. Out: a scalar, in float32.
May import models.contracts, models.refusal and torch; no loss another.
A change re-trains the recipes that name the loss.
"""
