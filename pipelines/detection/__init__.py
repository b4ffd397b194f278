"""People in boxes, found by a detector's network (ONNX).

In: images, an ONNX file. Out: boxes and scores; of a prepared data set a file of detections and how
good they are. May import host, recipe, intake. A change re-runs the stage detect, and what is
evaluated from its boxes.
"""
