"""Losses, one file each.

In: one painted field, what its codec wrote, a weight. Out: a scalar.
Imports: models.contracts, models.refusal, torch.
A change here trains anew the recipes that name the loss.
"""
