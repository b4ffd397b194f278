"""Codecs: how poses are written as fields, and read back.

In: batches with keypoints, fields that a network painted. Out: targets, poses in input pixels.
May import data.ground and the codec's own parts; they travel with registered models.
A change re-trains and re-evaluates the recipes that name the codec.
"""
