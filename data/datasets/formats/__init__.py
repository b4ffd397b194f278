"""People labelled with an annotation tool: what its files say, in one plain form, and back.

In: a file or folder of labels as the tool wrote it, the folder of its images. Out: `Labels`, or
ValueErrors that name the user's file. May import: ground. A change re-runs the fetch of the data
sets in that format, and what follows where it comes out otherwise.

The readers are our own because no library keeps what was labelled. Installed beside ours, datumaro
1.13.12 brings 10 packages more (10 MB of wheels), rounds each point to 0.01 pixels and has neither
skeletons in CVAT's xml nor YOLO-pose; sleap-io 0.9.5 (18 packages, 94 MB) reads visibility 1 as 2;
supervision 0.31.2 (5 packages, 36 MB) leaves the keypoints of YOLO-pose out; fiftyone 1.22.1 is 118
packages and a database. XML is parsed by Python's own expat, document types refused: no defusedxml.
"""
