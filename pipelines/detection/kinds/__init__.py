"""A file per kind of outputs: whether a network's are of it, and what they say."""
