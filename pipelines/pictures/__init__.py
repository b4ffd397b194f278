"""Pictures for the eye: people with their skeletons, fields over images.

In: images, poses, fields as arrays. Out: uint8 RGB arrays, png and jpg files. May import nothing of
the roof. A change re-runs nothing: pictures tell and decide nothing.
"""
