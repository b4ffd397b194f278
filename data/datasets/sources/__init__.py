"""Files of data sets as they are: json of COCO's kind, MPII's Matlab files, drawn people.

In: a file, or a random generator. Out: checked rows, poses, pictures. May import: ground. A change
re-runs what a change of the data sets that read through the file re-runs.
"""
