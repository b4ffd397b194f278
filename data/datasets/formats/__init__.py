"""People labelled with an annotation tool: what its files say, in one plain form, and back.

In: a file or folder of labels as the tool wrote it, the folder of its images. Out: `Labels`, or
ValueErrors that name the user's file. May import: ground. A change re-runs the fetch of the data
sets in that format, and what follows where it comes out otherwise.
"""
